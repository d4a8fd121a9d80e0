"""Reader of DeepFashion Consumer-to-shop."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from flam_pl.attributes import AttributeSchema
from flam_pl.config.data import ConsumerToShopData
from flam_pl.datasets import listings
from flam_pl.datasets.assembly import Found, assemble
from flam_pl.datasets.catalog import Catalog, Dropped

GALLERIES = {"val+test": ("val", "evaluation"), "test": ("evaluation",)}
SPLITS = {"train": "train", "val": "val", "test": "evaluation"}


def read(root: Path, data: ConsumerToShopData, schema: AttributeSchema | None = None) -> Catalog:
    """The Catalog, with the published split; the shape is the category's folder."""
    listings.attributes_of(data.types, {}, ("shape",), "Consumer-to-shop")
    columns = ("consumer", "shop", "item", "split")
    pairs, notes = listings.read_listing(root / "Eval" / "list_eval_partition.txt", columns)
    listings.require_words(pairs, "split", list(SPLITS))
    table, contradictions = _photos_of(pairs)
    notes.append(f"the gallery of the instance search is all shop photos of {data.gallery}")
    table, missing = listings.keep_photos(table, root, ("", "Img"))
    parts = table["path"].str.split("/")  # img/TOPS/T_Shirt/id_00000218/comsumer_01.jpg
    table["shape"], table["department"] = parts.str[-3], parts.str[-4]
    types, dropped = schema.types if schema else tuple(data.types), [*contradictions, *missing]
    found = Found("consumer_to_shop", root, table, types, dropped=dropped, notes=notes)
    found.gallery = GALLERIES[data.gallery]
    return assemble(found, data, schema)


def _photos_of(pairs: pd.DataFrame) -> tuple[pd.DataFrame, list[Dropped]]:
    """A row per photo, and lines that contradict it."""
    rows, places, dropped = dict[str, tuple[str, ...]](), dict[str, str](), list[Dropped]()
    for where, first, second, item, split in pairs.itertuples():
        for path, column in ((first, "consumer"), (second, "shop")):
            row = (path, item, _domain(path, column), SPLITS[split])
            places.setdefault(path, where)
            if rows.setdefault(path, row) != row:
                before = "the image was there before with another item, split or domain"
                dropped.append(Dropped(f"{where} ({path})", before))
    columns = ["path", "item", "domain", "split"]
    return pd.DataFrame(rows.values(), list(places.values()), columns, dtype="string"), dropped


def _domain(path: str, column: str) -> str:
    """By the file name, ``shop_01.jpg`` or (sic) ``comsumer_01.jpg``, else the column."""
    named = re.match("(com|con)sumer|shop", path.rsplit("/", 1)[-1].lower())
    return column if named is None else "consumer" if named[1] else "shop"
