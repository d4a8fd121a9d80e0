"""Reader of DeepFashion Consumer-to-shop: photos of shoppers, and the shop's photos of the item."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from flam_pl.attributes import AttributeSchema
from flam_pl.datasets.catalog import Catalog, Dropped
from flam_pl.datasets.listings import (
    Listing,
    differences,
    locate_images,
    read_listing,
)
from flam_pl.datasets.splits import keep_classes, top_classes
from flam_pl.errors import FlamError

EXTRAS = ("department",)
PUBLISHED = {"pairs": 195540, "items": 33881}
GALLERIES = {"val+test": ("val", "evaluation"), "test": ("evaluation",)}
FOLDERS = ("", "Img")
_SPLIT = {"train": "train", "val": "val", "test": "evaluation"}
_CONSUMER = ("comsumer", "consumer")  # the first is how the data set spells it


def read_consumer_to_shop(
    root: Path,
    *,
    classes: int = 10,
    gallery: str = "val+test",
    schema: AttributeSchema | None = None,
) -> Catalog:
    """DeepFashion Consumer-to-shop under ``root`` as a Catalog, with its published split.

    The list holds pairs, so an image comes once for each image that it is paired with; here it is
    one row. The only attribute is shape, the folder of the category (``TOPS/T_Shirt``).

    Args:
        classes: most frequent categories to keep; rarer ones become unlabelled.
        gallery: whose shop photos are searched, "val+test" or "test".
        schema: the schema of a trained run, to evaluate that run here: classes outside it become
            unlabelled.

    Raises:
        FlamError: a file that is missing or laid out otherwise, an unknown gallery, no image.
    """
    root = Path(root)
    if gallery not in GALLERIES:
        raise FlamError(f"data.gallery is {gallery!r}; expected one of {', '.join(GALLERIES)}")
    columns = ("image_pair_name_1", "image_pair_name_2", "item_id", "evaluation_status")
    pairs = read_listing(root / "Eval" / "list_eval_partition.txt", columns)
    table, dropped = _images_of_pairs(pairs)
    counts = {"pairs": len(pairs.rows), "items": table["item"].nunique()}
    notes = [*pairs.notes(), *differences("consumer_to_shop", counts, PUBLISHED)]

    table, missing = locate_images(table, root, FOLDERS)
    parts = table["name"].str.split("/")  # img/TOPS/T_Shirt/id_00000218/comsumer_01.jpg
    table["shape"], table["department"] = parts.str[-3], parts.str[-4]
    for kind in schema.types if schema else ():
        if kind not in table:  # a type of the run that this set does not have
            table[kind] = pd.Series(pd.NA, table.index, dtype="string")
    if schema is None:
        training = np.flatnonzero((table["split"] == "train").to_numpy(bool))
        schema = top_classes(table, ("shape",), classes, training)
    table, lost = keep_classes(table, schema, str(root), required=False)
    notes += lost
    notes.append(f"the gallery of the instance search is all shop photos of {gallery}")
    return Catalog.build(
        "consumer_to_shop",
        root,
        table,
        schema,
        EXTRAS,
        (*dropped, *missing),
        notes,
        GALLERIES[gallery],
    )


def _images_of_pairs(pairs: Listing) -> tuple[pd.DataFrame, tuple[Dropped, ...]]:
    """One row an image, at the line that it comes on first.

    Raises:
        FlamError: an unknown status.
    """
    source = pairs.path.name
    rows: dict[str, tuple[str, str, str, str]] = {}
    dropped: list[Dropped] = []
    for line, (first, second, item, status) in pairs.rows:
        if status not in _SPLIT:
            raise FlamError(
                f"{pairs.path} line {line}: got the status {status!r}, expected one of "
                f"{', '.join(_SPLIT)}"
            )
        for name, column in ((first, "consumer"), (second, "shop")):
            row = (f"{source} line {line}", item, _domain(name, column), _SPLIT[status])
            known = rows.setdefault(name, row)
            if known[1:] != row[1:]:
                dropped.append(
                    Dropped(
                        f"{source} line {line} ({name})",
                        "the image was there before with another item, split or domain",
                    )
                )
    table = pd.DataFrame(
        [(name, *row) for name, row in rows.items()],
        columns=["name", "where", "item", "domain", "split"],
    )
    return table, tuple(dropped)


def _domain(name: str, column: str) -> str:
    """The file's name tells it (``comsumer_01.jpg``, ``shop_01.jpg``), else its place in a pair."""
    file = name.rsplit("/", 1)[-1].lower()
    if file.startswith(_CONSUMER):
        return "consumer"
    return "shop" if file.startswith("shop") else column
