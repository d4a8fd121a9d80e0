"""Reader of DARN in the public asen layout: lists of files, and sparse labels by number."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from flam_pl.attributes import AttributeSchema
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.listings import (
    SparseLabels,
    attributes_of,
    differences,
    integers,
    locate_images,
    numbered_lines,
)
from flam_pl.datasets.splits import (
    EVERY_DENSE_ROW,
    identical_files,
    keep_classes,
    leak_groups,
    split_dense,
    top_classes,
    with_distorted_views,
)
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
"""The nine attributes in the order of their numbers, and how many values each has."""

NAMES = {
    "shape": "clothes_category",
    "color": "clothes_color",
    "pattern": "clothes_pattern",
}
"""The paper's three types, and what the set calls them."""

SPLITS = {"train": ("train",), "valid": ("valid", "val"), "test": ("test",)}
LABELS = ("label_{}.txt", "{}_label.txt", "candidate_{}.txt", "query_{}.txt")
"""Label files of a split: newer, older, and the lists for the test of the asen code, which hold the
same triples of image, attribute and value. All that are there are read."""

FOLDERS = ("", "Images", "images", "img", "pic")
PUBLISHED = {"images": 214619}


@dataclass(frozen=True)
class _Meta:
    """Names of attributes and values, by number."""

    attributes: tuple[str, ...]
    sizes: Mapping[str, int]
    values: Mapping[str, Sequence[str]]

    def value(self, attribute: str, number: int) -> str:
        """The value's name, its number where it has none."""
        names = self.values.get(attribute, ())
        return names[number] if number < len(names) else str(number)


def read_darn(
    root: Path,
    *,
    types: Sequence[str] = ("shape", "color", "pattern"),
    classes: int = 10,
    evaluation: int = 5000,
    validation: int = 500,
    seed: int = 0,
    schema: AttributeSchema | None = None,
) -> Catalog:
    """DARN under ``root`` as a Catalog, split as in the paper.

    All lists are read into one table: random images with all labels are evaluated, the rest trains
    with whatever labels each has; identical files stay on one side. The lists' own split is kept as
    the extra ``published_split``.
    There are no items, so val and evaluation rows get a distorted view each for FIR.

    Args:
        types: attribute types to read; with a ``schema`` its types are read instead.
        classes: most frequent classes to keep a type; rarer ones become unlabelled.
        evaluation: dense rows to evaluate.
        validation: dense rows to validate on.
        seed: of the split.
        schema: the schema of a trained run, to evaluate that run here: classes outside it become
            unlabelled, and every dense row is evaluated.

    Raises:
        FlamError: a file that is missing or laid out otherwise, an unknown type, no image.
    """
    root = Path(root)
    meta = _read_meta(root / "meta.json")
    wanted = tuple(types) if schema is None else schema.types
    attribute_of = attributes_of(wanted, NAMES, meta.attributes, "DARN")
    table, labels = _read_lists(root, meta)
    notes = [*labels.notes(), *differences("darn", {"images": len(table)}, PUBLISHED)]
    table, dropped = locate_images(table, root, FOLDERS)
    extras = [name for name in meta.attributes if name not in attribute_of.values()]
    labels.fill(table, attribute_of | {name: name for name in extras})
    if schema is None:
        schema = top_classes(table, wanted, classes)
    else:
        evaluation = EVERY_DENSE_ROW
    table, lost = keep_classes(table, schema, str(root))
    notes += lost
    contents = identical_files([root / path for path in table["path"]])
    table["split"] = split_dense(
        table,
        wanted,
        evaluation=evaluation,
        validation=validation,
        seed=seed,
        groups=leak_groups(table, (), contents),
    )
    table["domain"] = "shop"
    table = with_distorted_views(table, wanted, contents)
    kept = (*extras, "published_split")
    return Catalog.build("darn", root, table, schema, kept, dropped, notes, traits=extras)


def _read_meta(path: Path) -> _Meta:
    """``meta.json`` where it is there, else the published order of the nine attributes."""
    if not path.is_file():
        return _Meta(tuple(ATTRIBUTES), ATTRIBUTES, {})
    try:
        meta = json.loads(path.read_text(encoding="utf-8-sig"))
        attributes = tuple(_name(name) for name in meta["ATTRIBUTES"])
        sizes = {_name(name): int(size) for name, size in meta["ATTRIBUTES_NUM"].items()}
        values = {_name(n): list(v) for n, v in meta.get("ATTRIBUTES_VALUES", {}).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FlamError(
            f"{path}: got {type(error).__name__} {error}; expected ATTRIBUTES (a list of names) "
            "and ATTRIBUTES_NUM (name: number of values). Without the file the published order of "
            "DARN is taken."
        ) from error
    missing = [name for name in attributes if name not in sizes]
    if missing:
        raise FlamError(f"{path}: ATTRIBUTES_NUM has no {', '.join(missing)}")
    return _Meta(attributes, sizes, values)


def _name(name: str) -> str:
    return "_".join(str(name).lower().split())


def _read_lists(root: Path, meta: _Meta) -> tuple[pd.DataFrame, SparseLabels]:
    """Every listed image with the split it is listed in, and the labels of all of them.

    Raises:
        FlamError: no list at all, or a list without labels.
    """
    rows: list[tuple[str, str, str]] = []
    labels = SparseLabels()
    for split, words in SPLITS.items():
        lists = [root / f"filenames_{word}.txt" for word in words]
        path = next((path for path in lists if path.is_file()), None)
        if path is None:
            continue
        names = [text for _, text in numbered_lines(path)]  # a blank line has a number, too
        rows += [
            (name, split, f"{path.name} line {line}")
            for line, name in enumerate(names, start=1)
            if name
        ]
        candidates = [root / pattern.format(word) for pattern in LABELS for word in words]
        sources = [candidate for candidate in candidates if candidate.is_file()]
        if not sources:
            raise FlamError(
                f"{path} has no labels; expected one of {', '.join(c.name for c in candidates)} "
                "beside it"
            )
        for source in sources:
            for image, attribute, value in _triples(source, names, meta):
                labels.add(attribute, image, value)
    if not rows:
        raise FlamError(
            f"{root}: none of filenames_train.txt, filenames_valid.txt, filenames_test.txt is "
            "there. Point data.root at the folder that holds the lists of DARN."
        )
    table = pd.DataFrame(rows, columns=["name", "published_split", "where"])
    return table, labels


def _triples(path: Path, names: Sequence[str], meta: _Meta) -> Iterator[tuple[str, str, str]]:
    """Image, attribute and value of every label: a line has an image and any number of pairs.

    Raises:
        FlamError: a line that is no such line, a number that nothing has.
    """
    for line, text in numbered_lines(path):
        if not text:
            continue
        image, *pairs = integers(text.split(), path, line)
        if len(pairs) % 2:
            raise FlamError(
                f"{path} line {line}: got {len(pairs)} numbers after the number of the image, "
                "expected pairs of attribute and value"
            )
        if not 0 <= image < len(names) or not names[image]:
            raise FlamError(
                f"{path} line {line}: got image {image}, but the list of files has {len(names)} "
                "lines, counted from 0, and that one is blank or not there. Labels and files are "
                "of different versions."
            )
        for attribute, value in zip(pairs[::2], pairs[1::2], strict=True):
            if not 0 <= attribute < len(meta.attributes):
                raise FlamError(
                    f"{path} line {line}: got attribute {attribute}, expected 0 to "
                    f"{len(meta.attributes) - 1}: {', '.join(meta.attributes)}"
                )
            name = meta.attributes[attribute]
            if value >= meta.sizes[name]:
                raise FlamError(
                    f"{path} line {line}: got value {value} of {name}, which has "
                    f"{meta.sizes[name]} values. Labels and meta.json are of different versions."
                )
            if value >= 0:
                yield names[image], name, meta.value(name, value)
