"""Reader of Shopping100k, also with the split files of ADDE."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from flam_pl.attributes import AttributeSchema
from flam_pl.config.data import Shopping100kData
from flam_pl.datasets import listings
from flam_pl.datasets.assembly import Found, assemble
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.labels import Label, with_labels
from flam_pl.errors import FlamError

ATTRIBUTES = (  # in the order of ADDE's one-hot blocks
    *("category", "collar", "color", "fabric", "fastening", "fit"),
    *("gender", "neckline", "pattern", "pocket", "sleevelen", "sport"),
)
NAMES = {"shape": "category"}
FOLDERS = ("Images", "", "images", "img", "Img")
ADDE_SPLITS = {"train": "train", "val": "val", "test": "evaluation"}


def read(root: Path, data: Shopping100kData, schema: AttributeSchema | None = None) -> Catalog:
    """The Catalog, split at random or by ADDE's lists."""
    types = schema.types if schema else tuple(data.types)
    attribute_of = listings.attributes_of(types, NAMES, ATTRIBUTES, "Shopping100k")
    if data.splits or (root / "imgs_train.txt").is_file():
        table, labels = _read_adde(Path(data.splits).expanduser() if data.splits else root)
    else:
        table, labels = _read_attributes(root / "Attributes", set(attribute_of.values()))
    there = {attribute for _, attribute, _ in labels}
    known = [attribute for attribute in ATTRIBUTES if attribute in there]
    table, extra, notes = with_labels(table, labels, attribute_of, known)
    for column in {"category", *(kind for kind, a in attribute_of.items() if a == "category")}:
        if column in table:
            table[column] = _in_words(table[column], table["path"])
    table, dropped = listings.keep_photos(table.assign(domain="shop"), root, FOLDERS)
    found = Found("shopping100k", root, table, types, extra, dropped, notes, draws_validation=True)
    return assemble(found, data, schema)


def _read_attributes(folder: Path, needed: set[str]) -> tuple[pd.DataFrame, list[Label]]:
    """Lines of a photo and a number, -1 for unknown."""
    labels, first = list[Label](), dict[str, str]()
    for name in ATTRIBUTES:
        path = folder / f"{name}.txt"
        if name not in needed and not path.is_file():
            continue
        for line, text in listings.numbered_lines(path):
            match = re.fullmatch(r"(.*\S)\s+(-?\d+)", text)
            if match:
                first.setdefault(match[1], f"{path.name} line {line}")
                if int(match[2]) >= 0:
                    labels.append((match[1], name, match[2]))
            elif text:
                expected = "an image and a number, e.g. Male/1_Coats/0000097_14.jpg 14"
                raise FlamError(f"{path} line {line}: got {text[:80]!r}, expected {expected}")
    return pd.DataFrame({"path": list(first)}, list(first.values()), dtype="string"), labels


def _read_adde(folder: Path) -> tuple[pd.DataFrame, list[Label]]:
    """Lines of ``imgs_*.txt`` and ``labels_*.txt``: photos and their one-hot blocks."""
    path = folder / "attr_num.txt"
    sizes = [int(n) for _, text in listings.numbered_lines(path) for n in re.findall(r"\d+", text)]
    if len(sizes) != len(ATTRIBUTES):
        expected = f"{len(ATTRIBUTES)}: the values of {', '.join(ATTRIBUTES)}"
        raise FlamError(f"{path}: got {len(sizes)} numbers, expected {expected}")
    rows, labels = {}, []
    for file, split in ADDE_SPLITS.items():
        photos, source = folder / f"imgs_{file}.txt", folder / f"labels_{file}.txt"
        if file == "val" and not photos.is_file():
            continue
        names, vectors = (
            {line: text for line, text in listings.numbered_lines(path) if text}
            for path in (photos, source)
        )
        if names.keys() != vectors.keys():
            got = f"{source} has {len(vectors)} lines and {photos.name} has {len(names)}"
            raise FlamError(f"{got}; they belong together line by line, blank lines too")
        for line, name in names.items():
            rows[f"{photos.name} line {line}"] = (name, split)
            blocks = _from_blocks(vectors[line], sizes, f"{source} line {line}")
            labels += [(name, attribute, value) for attribute, value in blocks]
    table = pd.DataFrame(list(rows.values()), list(rows), ["path", "split"], dtype="string")
    return table, labels


def _from_blocks(text: str, sizes: Sequence[int], where: str) -> Iterator[tuple[str, str]]:
    """Attribute and value of each block: the place of its one. Zeros alone are unknown."""
    try:
        vector = np.array(text.split(), dtype=np.float32)
    except ValueError as error:
        raise FlamError(f"{where}: {error}; expected zeros and ones") from error
    if len(vector) != sum(sizes) or not np.isin(vector, (0, 1)).all():
        expected = f"{sum(sizes)} zeros and ones, as in attr_num.txt"
        raise FlamError(f"{where}: got {len(vector)} numbers, expected {expected}")
    for name, block in zip(ATTRIBUTES, np.split(vector, np.cumsum(sizes)[:-1]), strict=True):
        ones = np.flatnonzero(block)
        if len(ones) > 1:
            raise FlamError(f"{where}: {name} has more than one value, expected one or none")
        if len(ones):
            yield name, str(ones[0])


def _in_words(categories: pd.Series, paths: pd.Series) -> pd.Series:
    """Numbers as words of their folders (``Male/1_Coats``: Coats), if all differ."""
    folders = paths.str.split("/").str[-2].str.replace(r"^\d+_", "", regex=True)
    words = folders.dropna().groupby(categories).agg(lambda names: names.value_counts().index[0])
    if words.nunique() < categories.nunique():
        return categories
    return categories.map(words).astype("string")
