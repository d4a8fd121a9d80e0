"""Reader of Shopping100k, in its own layout or with the split files of ADDE."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from flam_pl.attributes import AttributeSchema
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.listings import (
    SparseLabels,
    attributes_of,
    differences,
    locate_images,
    numbered_lines,
)
from flam_pl.datasets.splits import (
    EVERY_DENSE_ROW,
    identical_files,
    identical_on_two_sides,
    keep_classes,
    leak_groups,
    split_dense,
    top_classes,
    with_distorted_views,
)
from flam_pl.errors import FlamError

ATTRIBUTES = (
    "category",
    "collar",
    "color",
    "fabric",
    "fastening",
    "fit",
    "gender",
    "neckline",
    "pattern",
    "pocket",
    "sleevelen",
    "sport",
)
"""In the order of ADDE's one-hot blocks, which have 16, 17, 19, ... values."""

NAMES = {"shape": "category"}
PUBLISHED = {"images": 101021}
FOLDERS = ("Images", "", "images", "img", "Img")


def read_shopping100k(
    root: Path,
    *,
    types: Sequence[str] = ("shape", "color", "pattern"),
    splits: Path | None = None,
    classes: int = 10,
    evaluation: int = 2000,
    validation: int = 500,
    seed: int = 0,
    schema: AttributeSchema | None = None,
) -> Catalog:
    """Shopping100k under ``root`` as a Catalog.

    In its own layout it is split as in the paper: random images with all labels are evaluated, the
    rest trains; identical files stay on one side. With the files of ADDE their test images are
    evaluated, and only the validation images are drawn. There are no items, so val and evaluation
    rows get a distorted view each for FIR.

    Args:
        types: attribute types to read; with a ``schema`` its types are read instead.
        splits: folder with the files of ADDE; None looks for them in ``root``, and takes
            ``Attributes/*.txt`` if they are not there.
        classes: most frequent classes to keep a type; rarer ones become unlabelled.
        evaluation: dense rows to evaluate, in the own layout.
        validation: dense rows to validate on.
        seed: of the split.
        schema: the schema of a trained run, to evaluate that run here: classes outside it become
            unlabelled and, in the own layout, every dense row is evaluated.

    Raises:
        FlamError: a file that is missing or laid out otherwise, an unknown type, no image.
    """
    root = Path(root)
    wanted = tuple(types) if schema is None else schema.types
    attribute_of = attributes_of(wanted, NAMES, ATTRIBUTES, "Shopping100k")
    if splits is None and (root / "imgs_train.txt").is_file():
        splits = root
    if splits is None:
        table, labels = _read_attributes(root / "Attributes", set(attribute_of.values()))
    else:
        table, labels = _read_adde(Path(splits))
    notes = [*labels.notes(), *differences("shopping100k", {"images": len(table)}, PUBLISHED)]
    table, dropped = locate_images(table, root, FOLDERS)
    extras = [name for name in labels.of if name not in attribute_of.values()]
    columns = attribute_of | {name: name for name in extras}
    labels.fill(table, columns)
    for column, name in columns.items():
        if name == "category":
            table[column] = _in_words(table[column], table["name"])
    trains = (
        np.flatnonzero((table["split"] == "train").to_numpy(bool)) if "split" in table else None
    )
    foreign = schema is not None
    if schema is None:
        schema = top_classes(table, wanted, classes, trains)
    table, lost = keep_classes(table, schema, str(root))
    notes += lost
    contents = identical_files([root / path for path in table["path"]])
    if trains is not None:
        notes += identical_on_two_sides(table, contents)
    drawn = np.arange(len(table)) if trains is None else trains
    if trains is None or not (foreign or (table["split"] == "val").any()):
        own = EVERY_DENSE_ROW if foreign else evaluation
        split = split_dense(
            table.iloc[drawn],
            wanted,
            evaluation=own if trains is None else 0,
            validation=validation,
            seed=seed,
            groups=leak_groups(table.iloc[drawn], (), contents[drawn]),
        )
        table.loc[split.index, "split"] = split
    table["domain"] = "shop"
    table = with_distorted_views(table, wanted, contents)
    return Catalog.build("shopping100k", root, table, schema, extras, dropped, notes, traits=extras)


def _read_attributes(folder: Path, needed: set[str]) -> tuple[pd.DataFrame, SparseLabels]:
    """``Attributes/*.txt``: a line is an image and a number, -1 where nothing is known.

    Raises:
        FlamError: a needed file is missing, or a line is no such line.
    """
    labels = SparseLabels()
    first: dict[str, str] = {}
    for name in ATTRIBUTES:
        path = folder / f"{name}.txt"
        if name not in needed and not path.is_file():
            continue
        for line, text in numbered_lines(path):
            if not text:
                continue
            image, _, value = text.rpartition(" ")
            if not image or not re.fullmatch(r"-?\d+", value):
                raise FlamError(
                    f"{path} line {line}: got {text[:80]!r}, expected an image and a number, "
                    "e.g. Male/1_Coats/0000097_14.jpg 14"
                )
            image = image.strip()
            first.setdefault(image, f"{path.name} line {line}")
            if int(value) >= 0:
                labels.add(name, image, value)
    return pd.DataFrame(list(first.items()), columns=["name", "where"]), labels


def _read_adde(folder: Path) -> tuple[pd.DataFrame, SparseLabels]:
    """``imgs_*.txt`` beside ``labels_*.txt``: each line one image, its one-hot blocks in a row.

    Raises:
        FlamError: a file is missing, or files do not fit each other.
    """
    path = folder / "attr_num.txt"
    sizes = [int(n) for _, text in numbered_lines(path) for n in re.findall(r"\d+", text)]
    if len(sizes) != len(ATTRIBUTES):
        raise FlamError(
            f"{path}: got {len(sizes)} numbers, expected {len(ATTRIBUTES)}: the values of "
            f"{', '.join(ATTRIBUTES)}"
        )
    labels = SparseLabels()
    rows: list[tuple[str, str, str]] = []
    for file, split in (("train", "train"), ("val", "val"), ("test", "evaluation")):
        images = folder / f"imgs_{file}.txt"
        if file == "val" and not images.is_file():
            continue
        names = [(line, text) for line, text in numbered_lines(images) if text]
        source = folder / f"labels_{file}.txt"
        vectors = [(line, text) for line, text in numbered_lines(source) if text]
        if len(names) != len(vectors):
            raise FlamError(
                f"{source} has {len(vectors)} lines and {images.name} has {len(names)}: they "
                "belong together line by line. Get both again."
            )
        for (line, name), (label_line, vector) in zip(names, vectors, strict=True):
            rows.append((name, f"{images.name} line {line}", split))
            for attribute, value in _from_blocks(vector, sizes, f"{source} line {label_line}"):
                labels.add(attribute, name, value)
    return pd.DataFrame(rows, columns=["name", "where", "split"]), labels


def _from_blocks(text: str, sizes: Sequence[int], where: str) -> list[tuple[str, str]]:
    """Attribute and value of each block that has a 1; a block of zeros is "not known"."""
    try:
        vector = np.array(text.split(), dtype=np.float32)
    except ValueError as error:
        raise FlamError(f"{where}: {error}; expected zeros and ones") from error
    if len(vector) != sum(sizes) or not np.isin(vector, (0, 1)).all():
        raise FlamError(
            f"{where}: got {len(vector)} numbers, expected {sum(sizes)} zeros and ones, as "
            "attr_num.txt says"
        )
    ends = np.cumsum(sizes)
    ones = np.flatnonzero(vector)
    blocks = np.searchsorted(ends, ones, side="right")
    if len(set(blocks)) != len(blocks):
        twice = next(b for b, n in Counter(blocks.tolist()).items() if n > 1)
        raise FlamError(f"{where}: {ATTRIBUTES[twice]} has more than one value, expected one or no")
    return [
        (ATTRIBUTES[b], str(int(one - ends[b] + sizes[b])))
        for b, one in zip(blocks, ones, strict=True)
    ]


def _in_words(categories: pd.Series, names: pd.Series) -> pd.Series:
    """Numbers of categories as the words of their folders (``Male/1_Coats`` -> Coats).

    A number is called by the folder that most of its images lie in; all stay numbers unless each
    has a folder of its own.
    """
    folders = names.str.split("/").str[-2].str.replace(r"^\d+_", "", regex=True)
    words: dict[str, str] = {}
    for number, group in folders.groupby(categories):
        if group.notna().any():
            words[str(number)] = str(group.value_counts().index[0])
    if len(set(words.values())) < categories.nunique():
        return categories
    return categories.map(words).astype("string")
