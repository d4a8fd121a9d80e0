"""A folder of photos that nobody has labelled, added to a data set that somebody has."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from flam_pl.datasets.catalog import Catalog
from flam_pl.errors import FlamError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")


def find_images(folder: Path) -> list[Path]:
    """Every image in the folder and its subfolders, sorted; hidden files and folders are not seen.

    Raises:
        FlamError: no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise FlamError(f"data.unlabelled is {folder}, which is no folder; expected one of photos")
    found = []
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(place, name)
            for name in files
            if name.lower().endswith(SUFFIXES) and not name.startswith(".")
        ]
    if not found:
        raise FlamError(
            f"data.unlabelled is {folder}, which holds no image, also not in its subfolders; "
            f"images end in {', '.join(SUFFIXES)}"
        )
    return sorted(found)


def with_unlabelled(catalog: Catalog, folder: Path) -> Catalog:
    """The catalog and, after it, the folder's images: split "train", no item, no label.

    The manipulator trains on every training image, with the embedders as the labeller; the backbone
    needs an item and the embedders a label, so neither sees these rows. An image that the catalog
    has already is not added again: it may be one that is evaluated.

    Args:
        folder: anywhere; paths outside of the catalog's root are absolute.
    """
    root = Path(os.path.realpath(catalog.root))
    known = {os.path.normpath(root / path) for path in catalog.table["path"]}
    images = find_images(Path(os.path.realpath(folder)))
    new = [image for image in images if str(image) not in known]
    paths = [
        (image.relative_to(root) if image.is_relative_to(root) else image).as_posix()
        for image in new
    ]
    more = pd.DataFrame({"path": paths, "split": "train", "domain": "shop", "view": 0})
    table = pd.concat([catalog.table, more], ignore_index=True)
    again = f", {len(images) - len(new)} more are part of it" if len(new) < len(images) else ""
    note = f"{len(new)} unlabelled images of {folder} for the manipulator{again}"
    return Catalog.build(
        catalog.name,
        catalog.root,
        table,
        catalog.schema,
        catalog.extras,
        catalog.dropped,
        (*catalog.notes, note),
        catalog.gallery,
        catalog.traits,
    )
