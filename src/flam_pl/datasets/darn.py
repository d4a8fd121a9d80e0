"""Reader of DARN in the layout of asen."""

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

# fmt: off
ATTRIBUTES = {  # in the order of their numbers: how many values each has
    "clothes_category": 20, "clothes_button": 13, "clothes_color": 55, "clothes_length": 7,
    "clothes_pattern": 28, "clothes_shape": 11, "collar_shape": 26, "sleeve_length": 8,
    "sleeve_shape": 17,
}
# fmt: on
NAMES = {"shape": "clothes_category", "color": "clothes_color", "pattern": "clothes_pattern"}
SPLITS = {"train": ("train",), "valid": ("valid", "val"), "test": ("test",)}
# newer, older, and search lists of the asen code; all are read
LABELS = ("label_{}.txt", "{}_label.txt", "candidate_{}.txt", "query_{}.txt")
FOLDERS = ("", "Images", "images", "img", "pic")


def read(root: Path, data: SplitData, schema: AttributeSchema | None = None) -> Catalog:
    """The Catalog, split at random, as in the paper."""
    meta = _read_meta(root / "meta.json")
    types = schema.types if schema else tuple(data.types)
    attribute_of = listings.attributes_of(types, NAMES, list(meta), "DARN")
    table, labels = _read_lists(root, meta)
    table, extra, notes = with_labels(table, labels, attribute_of, list(meta))
    table, dropped = listings.keep_photos(table.assign(domain="shop"), root, FOLDERS)
    return assemble(Found("darn", root, table, types, extra, dropped, notes), data, schema)


def _read_meta(path: Path) -> dict[str, list[str]]:
    """Attribute -> its values, by number."""
    if not path.is_file():
        return {name: [str(value) for value in range(n)] for name, n in ATTRIBUTES.items()}
    try:
        meta = json.loads(path.read_text(encoding="utf-8-sig"))
        sizes = {_name(name): int(size) for name, size in meta["ATTRIBUTES_NUM"].items()}
        named = {_name(n): list(v) for n, v in meta.get("ATTRIBUTES_VALUES", {}).items()}
        names = [_name(name) for name in meta["ATTRIBUTES"]]
        numbers = {name: list(map(str, range(sizes[name]))) for name in names}
        return {n: [*named.get(n, []), *numbers[n][len(named.get(n, [])) :]] for n in names}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        expected = "ATTRIBUTES (names) and ATTRIBUTES_NUM (numbers of values), or no such file"
        got = f"{type(error).__name__} {error}"
        raise FlamError(f"{path}: got {got}; expected {expected}") from error


def _name(name: str) -> str:
    return "_".join(str(name).lower().split())


def _read_lists(root: Path, meta: Mapping[str, Sequence[str]]) -> tuple[pd.DataFrame, list[Label]]:
    rows, labels = dict[str, tuple[str, str]](), list[Label]()
    for split, words in SPLITS.items():
        path = listings.first_file([root / f"filenames_{word}.txt" for word in words])
        if not path.is_file():
            continue
        names = [text for _, text in listings.numbered_lines(path)]  # blank ones have numbers, too
        lines = enumerate(names, start=1)
        rows |= {f"{path.name} line {n}": (name, split) for n, name in lines if name}
        candidates = [root / pattern.format(word) for pattern in LABELS for word in words]
        sources = [candidate for candidate in candidates if candidate.is_file()]
        if not sources:
            expected = ", ".join(candidate.name for candidate in candidates)
            raise FlamError(f"{path} has no labels; expected one of {expected} beside it")
        for source in sources:
            labels += _labels_of(source, names, meta)
    if not rows:
        lists = "filenames_train.txt, filenames_valid.txt, filenames_test.txt"
        raise FlamError(f"{root}: none of {lists} is there. Point data.root at the lists of DARN.")
    columns = ["path", "published_split"]
    return pd.DataFrame(list(rows.values()), list(rows), columns, dtype="string"), labels


def _labels_of(
    path: Path, names: Sequence[str], meta: Mapping[str, Sequence[str]]
) -> Iterator[Label]:
    attributes = list(meta)
    for line, text in listings.numbered_lines(path):
        if not text:
            continue
        where = f"{path} line {line}"
        photo, *pairs = listings.integers(text.split(), where)
        if len(pairs) % 2:
            raise FlamError(f"{where}: got {len(pairs)} numbers after the photo's, expected pairs")
        if not (name := _numbered(names, photo, "photo", where)):
            raise FlamError(f"{where}: got photo {photo}, but that line of the list is blank")
        for number, value in zip(pairs[::2], pairs[1::2], strict=True):
            attribute = _numbered(attributes, number, "attribute", where)
            what = f"value of {attribute}"
            if value >= 0:
                yield name, attribute, _numbered(meta[attribute], value, what, where)


def _numbered(of: Sequence[str], number: int, what: str, where: str) -> str:
    if 0 <= number < len(of):
        return of[number]
    versions = "Labels, lists and meta.json are of different versions."
    raise FlamError(f"{where}: got {what} {number}, expected 0 to {len(of) - 1}. {versions}")
