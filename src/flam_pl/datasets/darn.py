"""Reader of DARN in the public asen layout: lists of files, and sparse labels by number."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from flam_pl.attributes import AttributeSchema
from flam_pl.config.data import SplitData
from flam_pl.datasets import listings
from flam_pl.datasets.assembly import Found, assemble
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.labels import Label, with_labels
from flam_pl.errors import FlamError

ATTRIBUTES = {
    "clothes_category": 20,
    "clothes_button": 13,
    "clothes_color": 55,
    "clothes_length": 7,
    "clothes_pattern": 28,
    "clothes_shape": 11,
    "collar_shape": 26,
    "sleeve_length": 8,
    "sleeve_shape": 17,
}
"""Attributes in the order of their numbers, and how many values each has."""

NAMES = {"shape": "clothes_category", "color": "clothes_color", "pattern": "clothes_pattern"}
SPLITS = {"train": ("train",), "valid": ("valid", "val"), "test": ("test",)}
LABELS = ("label_{}.txt", "{}_label.txt", "candidate_{}.txt", "query_{}.txt")
"""Label files of a split: newer, older, and the search lists of the asen code, which hold the same
triples. All that are there are read."""

FOLDERS = ("", "Images", "images", "img", "pic")


def read(root: Path, data: SplitData, schema: AttributeSchema | None = None) -> Catalog:
    """The Catalog of the data set, split at random over all lists, as in the paper."""
    sizes, values = _read_meta(root / "meta.json")
    types = schema.types if schema else tuple(data.types)
    attribute_of = listings.attributes_of(types, NAMES, list(sizes), "DARN")
    table, labels = _read_lists(root, sizes, values)
    table, extra, notes = with_labels(table, labels, attribute_of, list(sizes))
    table, dropped = listings.keep_photos(table.assign(domain="shop"), root, FOLDERS)
    return assemble(Found("darn", root, table, types, extra, dropped, notes), data, schema)


def _read_meta(path: Path) -> tuple[Mapping[str, int], Mapping[str, Sequence[str]]]:
    """Attribute -> number of values, and -> their names, by ``meta.json`` if it is there."""
    if not path.is_file():
        return ATTRIBUTES, {}
    try:
        meta = json.loads(path.read_text(encoding="utf-8-sig"))
        sizes = {_name(name): int(size) for name, size in meta["ATTRIBUTES_NUM"].items()}
        values = {_name(n): list(v) for n, v in meta.get("ATTRIBUTES_VALUES", {}).items()}
        return {_name(name): sizes[_name(name)] for name in meta["ATTRIBUTES"]}, values
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FlamError(
            f"{path}: got {type(error).__name__} {error}; expected ATTRIBUTES (a list of names) "
            "and ATTRIBUTES_NUM (number of values of each). Without the file, the published order "
            "is taken."
        ) from error


def _name(name: str) -> str:
    return "_".join(str(name).lower().split())


def _read_lists(
    root: Path, sizes: Mapping[str, int], values: Mapping[str, Sequence[str]]
) -> tuple[pd.DataFrame, list[Label]]:
    """Every listed photo with the split of its list, and all labels.

    Raises:
        FlamError: no list, or a list without labels.
    """
    rows, labels = {}, []
    for split, words in SPLITS.items():
        path = listings.first_file([root / f"filenames_{word}.txt" for word in words])
        if not path.is_file():
            continue
        names = [text for _, text in listings.numbered_lines(path)]  # blank ones have numbers, too
        for line, name in enumerate(names, start=1):
            if name:
                rows[f"{path.name} line {line}"] = (name, split)
        candidates = [root / pattern.format(word) for pattern in LABELS for word in words]
        sources = [candidate for candidate in candidates if candidate.is_file()]
        if not sources:
            raise FlamError(
                f"{path} has no labels; expected one of {', '.join(c.name for c in candidates)} "
                "beside it"
            )
        for source in sources:
            labels += _labels_of(source, names, sizes, values)
    if not rows:
        raise FlamError(
            f"{root}: none of filenames_train.txt, filenames_valid.txt, filenames_test.txt is "
            "there. Point data.root at the folder that holds the lists of DARN."
        )
    columns = ["path", "published_split"]
    return pd.DataFrame(list(rows.values()), list(rows), columns, dtype="string"), labels


def _labels_of(
    path: Path,
    names: Sequence[str],
    sizes: Mapping[str, int],
    values: Mapping[str, Sequence[str]],
) -> Iterator[Label]:
    """The labels of a file: a line has a photo and any number of pairs of attribute and value.

    Raises:
        FlamError: a line of another layout, or a number that stands for nothing.
    """
    attributes = list(sizes)
    for line, text in listings.numbered_lines(path):
        if not text:
            continue
        where = f"{path} line {line}"
        photo, *pairs = listings.integers(text.split(), where)
        if len(pairs) % 2:
            raise FlamError(
                f"{where}: got {len(pairs)} numbers after the number of the photo, expected pairs "
                "of attribute and value"
            )
        _require_below(photo, len(names), "photo", where)
        if not names[photo]:
            raise FlamError(f"{where}: got photo {photo}, but that line of the list is blank")
        for attribute, value in zip(pairs[::2], pairs[1::2], strict=True):
            _require_below(attribute, len(attributes), "attribute", where)
            name = attributes[attribute]
            if value >= 0:
                _require_below(value, sizes[name], f"value of {name}", where)
                known = values.get(name, ())
                yield names[photo], name, known[value] if value < len(known) else str(value)


def _require_below(number: int, limit: int, what: str, where: str) -> None:
    if not 0 <= number < limit:
        raise FlamError(
            f"{where}: got {what} {number}, expected 0 to {limit - 1}. Labels, lists and meta.json "
            "are of different versions."
        )
