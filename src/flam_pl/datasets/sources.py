"""From the settings of a data set to its Catalog."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from flam_pl.attributes import AttributeSchema
from flam_pl.config.data import DataConfig
from flam_pl.datasets.catalog import Catalog, Dropped
from flam_pl.datasets.labels import keep_label_share
from flam_pl.datasets.splits import identical_files
from flam_pl.errors import FlamError

NOT_UTF8 = re.compile("[\ud800-\udfff]")  # how Python stands for other bytes of a file name
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")


def open_catalog(
    data: DataConfig, schema: AttributeSchema | None = None, searched: bool = False
) -> Catalog:
    """The Catalog by ``read(root, data, schema)`` of the module ``data.reader``.

    With the ``schema`` of a trained run, it holds only evaluated photos; if they are ``searched``,
    all photos, and none of them as one of the training. Raises FlamError for an unusable file, line
    or setting.
    """
    if data.root is None:
        example = f'ARGS="data={data.name} data.root=/path/to/it"'
        raise FlamError(f"data={data.name} needs the place of its data: {example}")
    module = f"{__package__}.{data.reader}"
    if not data.reader.isidentifier() or not find_spec(module):
        raise FlamError(f"data.reader is {data.reader!r}; expected a module of {__package__}")
    catalog: Catalog = import_module(module).read(Path(data.root).expanduser(), data, schema)
    if schema is not None and searched:
        return replace(catalog, table=catalog.table.assign(split="evaluation"))
    if schema is not None:
        evaluated = np.union1d(catalog.rows("evaluation"), catalog.instance_rows())
        return catalog.select(evaluated) if len(evaluated) else catalog
    catalog = keep_label_share(catalog, data.label_share, data.label_seed)
    if data.unlabelled:
        catalog = with_unlabelled(catalog, Path(data.unlabelled).expanduser())
    return catalog


def find_images(folder: Path) -> tuple[list[Path], list[Dropped]]:
    """Image files below the folder, sorted, and the dropped ones."""
    found, seen, closed = set[Path](), set[str](), list[OSError]()
    for place, folders, files in os.walk(folder, followlinks=True, onerror=closed.append):
        if (real := os.path.realpath(place)) in seen:  # a link to a folder that was walked already
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        images = (name for name in files if name.lower().endswith(SUFFIXES))
        found |= {Path(place, name) for name in images if not name.startswith(".")}
    if not found:
        what = "holds no image, also not in its subfolders" if seen else "is no folder"
        ends = f"images end in {', '.join(SUFFIXES)}"
        raise FlamError(f"data.unlabelled is {folder}, which {what}; {ends}")
    lost = [Dropped(str(e.filename), f"cannot be opened ({e.strerror})") for e in closed]
    for image in sorted(found):
        if NOT_UTF8.search(str(image)) or not image.is_file():
            reason = "its name is not UTF-8" if image.is_file() else "no image file"
            lost.append(Dropped(str(image), reason))
            found.remove(image)
    return sorted(found), lost


def with_unlabelled(catalog: Catalog, folder: Path) -> Catalog:
    """The catalog with the folder's photos for training, without items or labels. The catalog's
    own photos and copies of its held-out photos are not added."""
    root = Path(os.path.realpath(catalog.root))
    known = {os.path.realpath(root / path) for path in catalog.table["path"]}
    images, lost = find_images(Path(os.path.realpath(folder)))
    files = {os.path.realpath(image): image for image in images}
    new = [image for file, image in files.items() if file not in known]
    paths = catalog.paths
    held_out = [paths[row] for split in ("val", "evaluation") for row in catalog.rows(split)]
    contents = identical_files([*held_out, *new])
    copied = np.isin(contents[len(held_out) :], contents[: len(held_out)])
    added = [image for image, is_copy in zip(new, copied, strict=True) if not is_copy]
    names = [(i.relative_to(root) if i.is_relative_to(root) else i).as_posix() for i in added]
    more = pd.DataFrame({"path": names, "split": "train", "domain": "shop", "view": 0})
    table = pd.concat([catalog.table, more])
    grown = Catalog.build(catalog.name, catalog.root, table, catalog.schema)
    again = len(images) - len(added)
    note = f"{len(added)} unlabelled images of {folder} for the manipulator"
    note += f", {again} more are part of the data set" if again else ""
    notes, dropped = (*catalog.notes, note), (*catalog.dropped, *lost)
    return replace(catalog, table=grown.table, dropped=dropped, notes=notes)
