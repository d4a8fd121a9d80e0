"""Reader of DeepFashion In-shop: one item, several shop photos of it; no consumer photo."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from flam_pl.attributes import AttributeSchema
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.fashion_products import pattern_of
from flam_pl.datasets.listings import (
    attributes_of,
    differences,
    find_file,
    integers,
    locate_images,
    numbered_lines,
    read_listing,
)
from flam_pl.datasets.splits import keep_classes, top_classes
from flam_pl.errors import FlamError

TYPES = ("shape", "color", "pattern")
EXTRAS = ("gender", "published_split")
PUBLISHED = {
    "images": 52712,
    "training items": 3997,
    "evaluation items": 3985,
    "query images": 14218,
    "gallery images": 12612,
}
FOLDERS = ("", "Img")
_STATUS = ("train", "query", "gallery")
_COLORS = ("list_color_cloth.txt", "attributes/list_color_cloth.txt")
_DESCRIPTIONS = "list_description_inshop.json"


def read_in_shop(
    root: Path,
    *,
    types: Sequence[str] = ("shape", "color"),
    classes: int = 10,
    validation_items: int = 300,
    seed: int = 0,
    schema: AttributeSchema | None = None,
) -> Catalog:
    """DeepFashion In-shop under ``root`` as a Catalog, with its published split.

    Query images are "consumer" images, since they ask; gallery images are "shop" images. The set
    has no validation split: some training items are taken out, half of the images of each ask.

    shape is the folder of the category; color that of the image, or of the item where only the
    descriptions tell it; pattern comes from the attributes of the item.

    Args:
        types: attribute types to read; with a ``schema`` its types are read instead.
        classes: most frequent classes to keep a type; rarer ones become unlabelled.
        validation_items: at most 15 % of the training items that have two images or more.
        seed: of the choice of validation items.
        schema: the schema of a trained run, to evaluate that run here: classes outside it become
            unlabelled, and no validation split is made.

    Raises:
        FlamError: a file that is missing or laid out otherwise, an unknown type, no image.
    """
    root = Path(root)
    attributes_of(types, {}, TYPES, "In-shop")
    columns = ("image_name", "item_id", "evaluation_status")
    partition = read_listing(root / "Eval" / "list_eval_partition.txt", columns)
    table = pd.DataFrame(
        [fields for _, fields in partition.rows],
        columns=["name", "item", "published_split"],
    )
    table["where"] = [f"{partition.path.name} line {line}" for line, _ in partition.rows]
    _require_status(table)
    notes = [*partition.notes(), *differences("in_shop", _counts(table), PUBLISHED)]
    table, dropped = locate_images(table, root, FOLDERS)

    parts = table["name"].str.split("/")  # img/WOMEN/Blouses_Shirts/id_00000001/02_1_front.jpg
    table["shape"], table["gender"] = parts.str[-3], parts.str[-4]
    wanted = tuple(types) if schema is None else schema.types
    if "color" in wanted:
        table["color"] = _colors(root / "Anno", table, required=schema is None)
    if "pattern" in wanted:
        table["pattern"] = _patterns(root / "Anno", table["item"], required=schema is None)
    for kind in wanted:
        if kind not in table:  # a type of the run that this set does not have
            table[kind] = pd.Series(pd.NA, table.index, dtype="string")

    table["split"] = table["published_split"].where(
        table["published_split"] == "train", "evaluation"
    )
    asks = table["published_split"] == "query"
    table["domain"] = asks.map({True: "consumer", False: "shop"})
    if schema is None:
        _take_validation(table, validation_items, seed)
        training = np.flatnonzero((table["split"] == "train").to_numpy(bool))
        schema = top_classes(table, wanted, classes, training)
    table, lost = keep_classes(table, schema, str(root), required=False)
    notes += lost
    notes += list(_shared_items(table))
    notes.append(
        "images are used whole, not cut to their boxes (list_bbox_inshop.txt): the crop moves R@1 "
        "by about 6 points, so compare with figures of whole images"
    )
    return Catalog.build("in_shop", root, table, schema, EXTRAS, dropped, notes)


def _require_status(table: pd.DataFrame) -> None:
    wrong = ~table["published_split"].isin(_STATUS)
    if wrong.any():
        first = table[wrong].iloc[0]
        raise FlamError(
            f"Eval/{first['where']}: got the status {first['published_split']!r}, expected one of "
            f"{', '.join(_STATUS)} ({int(wrong.sum())} such row(s))"
        )


def _counts(table: pd.DataFrame) -> dict[str, int]:
    status = table["published_split"]
    return {
        "images": len(table),
        "training items": table["item"][status == "train"].nunique(),
        "evaluation items": table["item"][status != "train"].nunique(),
        "query images": int((status == "query").sum()),
        "gallery images": int((status == "gallery").sum()),
    }


def _take_validation(table: pd.DataFrame, number: int, seed: int) -> None:
    """Turn some training items into validation items, in place; half of their images ask."""
    rng = np.random.default_rng(seed)
    training = table[table["split"] == "train"]
    rows = training.groupby("item", sort=True).indices
    several = [item for item, positions in rows.items() if len(positions) > 1]
    number = min(number, int(0.15 * len(several)))
    for item in rng.permutation(np.array(several, dtype=object))[:number]:
        lines = training.index[rng.permutation(rows[item])]
        table.loc[lines, "split"] = "val"
        table.loc[lines[: len(lines) // 2], "domain"] = "consumer"


def _shared_items(table: pd.DataFrame) -> Iterator[str]:
    trained = set(table["item"][table["split"] == "train"])
    both = sorted(trained & set(table["item"][table["split"] == "evaluation"]))
    if both:
        yield f"{len(both)} item(s) are both trained and evaluated, the first: {both[0]}"


def _colors(annotations: Path, table: pd.DataFrame, required: bool) -> pd.Series:
    """Color of every image: of the image itself where it is listed, else of its item."""
    by_image = find_file(annotations, *_COLORS)
    by_item = annotations / _DESCRIPTIONS
    if not by_image.is_file() and not by_item.is_file() and required:
        raise FlamError(
            f"no color: neither {by_image} nor {by_item} is there. Add one of them, or leave the "
            "colors out: data.types=[shape]"
        )
    colors = pd.Series(pd.NA, table.index, dtype="string")
    if by_image.is_file():
        rows = read_listing(by_image, ("image_name", "color"), words=True).rows
        colors = table["name"].map({name: color for _, (name, color) in rows}).astype("string")
    if by_item.is_file():
        colors = colors.fillna(table["item"].map(_described_colors(by_item)).astype("string"))
    colors = colors.str.strip()
    return colors.where(colors != "", pd.NA)


def _described_colors(path: Path) -> dict[str, str]:
    """Item -> color from the descriptions: one JSON list, or one JSON object a line."""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    try:
        if text.lstrip().startswith("["):
            entries = json.loads(text)
        else:
            entries = [json.loads(line) for line in text.splitlines() if line.strip()]
        return {str(entry["item"]): str(entry.get("color") or "") for entry in entries}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FlamError(
            f"{path}: got {type(error).__name__} {error}; expected JSON entries with "
            '"item" and "color"'
        ) from error


def _patterns(annotations: Path, items: pd.Series, required: bool) -> pd.Series:
    """Pattern that the attributes of the item tell: a label only where exactly one is meant.

    An attribute is 1 (has it), -1 (has it not) or 0 (not known): only 1 tells anything.
    """
    names_path = find_file(annotations, "list_attr_cloth.txt", "attributes/list_attr_cloth.txt")
    path = find_file(annotations, "list_attr_items.txt", "attributes/list_attr_items.txt")
    if not required and not (names_path.is_file() and path.is_file()):
        return pd.Series(pd.NA, items.index, dtype="string")
    names = [name for _, (name,) in read_listing(names_path, ("attribute",), words=True).rows]
    patterns = [pattern_of(name) for name in names]
    found: dict[str, set[str]] = {}
    for line, text in numbered_lines(path):
        if line < 3 or not text:  # the number of items, the names of the columns
            continue
        item, *values = text.split()
        if len(values) != len(names):
            raise FlamError(
                f"{path} line {line} ({item}): got {len(values)} values, expected {len(names)}, "
                f"one for each attribute of {names_path.name}"
            )
        has = integers(values, path, line)
        told = {p for p, value in zip(patterns, has, strict=True) if value == 1 and p}
        found.setdefault(item, set()).update(told)
    single = {item: next(iter(told)) for item, told in found.items() if len(told) == 1}
    return items.map(single).astype("string")
