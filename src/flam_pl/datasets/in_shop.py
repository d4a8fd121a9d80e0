"""Reader of DeepFashion In-shop."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from flam_pl.attributes import AttributeSchema
from flam_pl.config.data import InShopData
from flam_pl.datasets import listings
from flam_pl.datasets.assembly import Found, assemble
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.fashion_products import pattern_of
from flam_pl.errors import FlamError

TYPES = ("shape", "color", "pattern")
COLORS, DESCRIPTIONS = "list_color_cloth.txt", "list_description_inshop.json"
PATTERNS, ATTRIBUTES = "list_attr_items.txt", "list_attr_cloth.txt"


def read(root: Path, data: InShopData, schema: AttributeSchema | None = None) -> Catalog:
    """The Catalog, with the published split; query photos are consumer photos."""
    listings.attributes_of(data.types, {}, TYPES, "In-shop")
    columns = ("path", "item", "published_split")
    table, notes = listings.read_listing(root / "Eval" / "list_eval_partition.txt", columns)
    listings.require_words(table, "published_split", ("train", "query", "gallery"))
    why = "the crop moves R@1 by about 6 points, so compare with figures of whole images"
    notes.append(f"images are used whole, not cut to their boxes (list_bbox_inshop.txt): {why}")
    types = schema.types if schema else tuple(data.types)
    for kind, labels, files in (
        ("color", _colors, f"{COLORS} or {DESCRIPTIONS}"),
        ("pattern", _patterns, f"{PATTERNS} and {ATTRIBUTES}"),
    ):
        if kind in types:
            table[kind] = labels(root / "Anno", table).astype("string")
            if schema is None and table[kind].isna().all():
                advice = "Add it, or leave the type out: data.types=[shape]"
                raise FlamError(f"{root / 'Anno'} tells no {kind}; expected {files}. {advice}")
    table, dropped = listings.keep_photos(table, root, ("", "Img"))
    parts = table["path"].str.split("/")  # img/WOMEN/Blouses_Shirts/id_00000001/02_1_front.jpg
    table["shape"], table["gender"] = parts.str[-3], parts.str[-4]
    status = table["published_split"]
    table["split"] = status.where(status == "train", "evaluation")
    table["domain"] = np.where(status == "query", "consumer", "shop")
    if schema is None:
        _take_validation(table, data.validation_items, data.split_seed)
    found = Found("in_shop", root, table, types, dropped=dropped, notes=notes)
    return assemble(found, data, schema)


def _take_validation(table: pd.DataFrame, number: int, seed: int) -> None:
    """Moves training items to validation, in place; half of their photos are queries."""
    rng = np.random.default_rng(seed)
    training = table[table["split"] == "train"]
    rows = training.groupby("item", sort=True).indices
    several = np.array([item for item in rows if len(rows[item]) > 1], dtype=object)
    for item in rng.permutation(several)[: min(number, int(0.15 * len(several)))]:
        photos = training.index[rng.permutation(rows[item])]
        table.loc[photos, "split"] = "val"
        table.loc[photos[: len(photos) // 2], "domain"] = "consumer"


def _file(annotations: Path, name: str) -> Path:
    return listings.first_file([annotations / name, annotations / "attributes" / name])


def _colors(annotations: Path, table: pd.DataFrame) -> pd.Series:
    """Color per photo, else of its item."""
    by_photo, by_item = _file(annotations, COLORS), annotations / DESCRIPTIONS
    colors = pd.Series(pd.NA, table.index, dtype="string")
    if by_photo.is_file():
        listed, _ = listings.read_listing(by_photo, ("path", "color"), words=True)
        colors = table["path"].map(dict(listed.itertuples(index=False)))
    if by_item.is_file():
        colors = colors.fillna(table["item"].map(_described_colors(by_item)))
    return colors.str.strip().where(colors != "", pd.NA)


def _described_colors(path: Path) -> dict[str, str]:
    """Item -> color, from a JSON list or JSON lines."""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    try:
        if text.lstrip().startswith("["):
            entries = json.loads(text)
        else:
            entries = [json.loads(line) for line in text.splitlines() if line.strip()]
        return {str(entry["item"]): str(entry.get("color") or "") for entry in entries}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        got = f"{type(error).__name__} {error}"
        raise FlamError(f"{path}: got {got}; expected JSON with item and color each") from error


def _patterns(annotations: Path, table: pd.DataFrame) -> pd.Series:
    """Pattern of each photo's item, if its attributes name exactly one."""
    names_path, path = _file(annotations, ATTRIBUTES), _file(annotations, PATTERNS)
    if not (names_path.is_file() and path.is_file()):
        return pd.Series(pd.NA, table.index, dtype="string")
    names = listings.read_listing(names_path, ("attribute",), words=True)[0]["attribute"]
    patterns = [pattern_of(name) for name in names]
    table_of_items, _ = listings.read_listing(path, ("item", "values"), words=True)
    found: dict[str, set[str]] = {}
    for where, item, text in table_of_items.itertuples():
        values = listings.integers(text.split(), where)
        if len(values) != len(names):
            expected = f"{len(names)}, one per attribute of {names_path.name}"
            raise FlamError(f"{where}: got {len(values)} values, expected {expected}")
        named = {p for p, value in zip(patterns, values, strict=True) if value == 1 and p}
        found.setdefault(item, set()).update(named)
    return table["item"].map({item: min(n) for item, n in found.items() if len(n) == 1})
