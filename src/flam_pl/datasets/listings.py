"""What the published data sets share: list files, sparse labels, images that may be missing."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from flam_pl.datasets.catalog import Dropped
from flam_pl.errors import FlamError

log = logging.getLogger(__name__)

PART = 0.5
"""Below this share of the published number a folder is a part of the data set on purpose."""

Line = tuple[int, list[str]]
"""Number of a line in its file, from 1, and its fields."""


@dataclass(frozen=True)
class Listing:
    """A list file of DeepFashion: the number of rows, the names of the columns, then the rows."""

    path: Path
    announced: int
    rows: list[Line]

    def notes(self) -> Iterator[str]:
        """What its first line says, where the rows are not so many."""
        if self.announced != len(self.rows):
            yield f"{self.path.name} announces {self.announced} rows and has {len(self.rows)}"


def read_listing(path: Path, columns: Sequence[str], *, words: bool = False) -> Listing:
    """Read a list file; columns are padded, so they are split at any white space.

    Args:
        columns: what the fields of a row are, for the messages.
        words: whether the last field may have several words.

    Raises:
        FlamError: no such file, a first line that is no number, a row of another length.
    """
    lines = numbered_lines(path)
    first = next(lines, (1, ""))[1]
    if not first.isdigit():
        raise FlamError(
            f"{path} line 1: got {first!r}, expected the number of rows, then a line with the "
            f"names of the columns, then rows of {' '.join(columns)}. Use the file as published."
        )
    next(lines, None)  # the names of the columns
    rows: list[Line] = []
    for line, text in lines:
        fields = text.split(None, len(columns) - 1) if words else text.split()
        if not fields:
            continue
        if len(fields) != len(columns):
            raise FlamError(
                f"{path} line {line}: got {len(fields)} field(s), {text.strip()[:80]!r}; expected "
                f"{len(columns)}: {' '.join(columns)}. The file may be cut off: get it again."
            )
        rows.append((line, fields))
    return Listing(path, int(first), rows)


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Each line, stripped, with its number from 1; blank lines count.

    Raises:
        FlamError: the file is not there.
    """
    if not path.is_file():
        raise FlamError(
            f"{path} is not there. Point data.root at the folder that holds the data set as it was "
            "published."
        )
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for line, text in enumerate(file, start=1):
            yield line, text.strip()


def integers(fields: Iterable[str], path: Path, line: int) -> list[int]:
    """Raises: FlamError: naming the field that is no whole number."""
    numbers = []
    for text in fields:
        try:
            numbers.append(int(text))
        except ValueError as error:
            raise FlamError(f"{path} line {line}: got {text!r}, expected whole numbers") from error
    return numbers


def attributes_of(
    types: Sequence[str], names: Mapping[str, str], known: Sequence[str], whose: str
) -> dict[str, str]:
    """Attribute type -> what the data set calls it, e.g. shape -> category.

    Args:
        names: types that go by another name there; all others by their own.
        known: the data set's attributes.

    Raises:
        FlamError: a type that the data set does not have.
    """
    attributes = {kind: names.get(kind, kind) for kind in types}
    unknown = [kind for kind, name in attributes.items() if name not in known]
    if unknown:
        raise FlamError(
            f"{whose} has no {', '.join(unknown)}; data.types knows "
            f"{', '.join(dict.fromkeys((*names, *known)))}"
        )
    return attributes


def find_file(root: Path, *names: str) -> Path:
    """The first of these files that exists; the first name where none does."""
    return next((root / name for name in names if (root / name).is_file()), root / names[0])


def locate_images(
    table: pd.DataFrame, root: Path, folders: Sequence[str]
) -> tuple[pd.DataFrame, tuple[Dropped, ...]]:
    """The listed images that are there, with their ``path`` relative to ``root``, and the others.

    Args:
        table: ``name``, as the list has it, and ``where``, the line that names it.
        folders: where the set may have been unpacked ("" is ``root``).

    Raises:
        FlamError: no image is left.
    """
    folder = images_folder(root, table["name"].tolist(), folders)
    paths = f"{folder}/" + table["name"] if folder else table["name"]
    return keep_images(table.assign(path=paths), root)


def images_folder(root: Path, names: Sequence[str], folders: Sequence[str]) -> str:
    """The folder, relative to ``root``, that most of the names are found in ("" is ``root``).

    A set is unpacked in more than one way. About a hundred names, spread over the list, are tried.

    Raises:
        FlamError: none of them is anywhere.
    """
    tried = names[:: max(1, len(names) // 100)]
    found = {f: sum((root / f / name).is_file() for name in tried) for f in folders}
    best = max(found, key=lambda folder: found[folder])
    if not found[best]:
        places = ", ".join(str(root / folder) for folder in folders)
        raise FlamError(
            f"none of the images is there, for example {tried[0] if tried else '(no image)'}; "
            f"looked in {places}. Unpack the images there, or point data.root elsewhere."
        )
    return best


def keep_images(table: pd.DataFrame, root: Path) -> tuple[pd.DataFrame, tuple[Dropped, ...]]:
    """The rows whose image is there, each image once, and what was left out.

    Args:
        table: ``path``, relative to ``root``, and ``where``, the line that names it.

    Raises:
        FlamError: no row is left.
    """
    repeated = table["path"].duplicated().to_numpy(bool)
    missing = np.array([not os.path.isfile(root / path) for path in table["path"]], dtype=bool)
    gone = repeated | missing
    left_out = zip(table["where"][gone], table["path"][gone], repeated[gone], strict=True)
    dropped = tuple(
        Dropped(f"{where} ({path})", "listed before" if again else "no image file")
        for where, path, again in left_out
    )
    if gone.all():
        first = f", the first: {dropped[0].where}: {dropped[0].reason}" if dropped else ""
        raise FlamError(f"{root}: no image is left of the {len(table)} that are listed{first}")
    return table[~gone].reset_index(drop=True), dropped


@dataclass
class SparseLabels:
    """Labels that come one by one: an image has one value of a type, or none, or contradicts."""

    of: dict[str, dict[str, str]] = field(default_factory=dict)
    """Type -> image -> value."""
    contradictions: set[tuple[str, str]] = field(default_factory=set)
    """Type and image with more than one value: they count as unlabelled."""

    def add(self, kind: str, image: str, value: str) -> None:
        """One label; the same twice is no contradiction."""
        if self.of.setdefault(kind, {}).setdefault(image, value) != value:
            self.contradictions.add((kind, image))

    def column(self, kind: str, images: pd.Series) -> pd.Series:
        """The values of one type, NA where there is none or more than one."""
        values = {
            image: value
            for image, value in self.of.get(kind, {}).items()
            if (kind, image) not in self.contradictions
        }
        return images.map(values).astype("string")

    def fill(self, table: pd.DataFrame, columns: Mapping[str, str]) -> None:
        """Add columns to a table of images (``name``), in place; column -> type of label."""
        for column, kind in columns.items():
            table[column] = self.column(kind, table["name"])

    def notes(self) -> Iterator[str]:
        """How many labels were given up, with an example."""
        if self.contradictions:
            kind, image = min(self.contradictions)
            yield (
                f"{len(self.contradictions)} label(s) contradict each other and count as "
                f"unlabelled, for example {kind} of {image}"
            )


def differences(name: str, found: Mapping[str, int], published: Mapping[str, int]) -> list[str]:
    """Counts that are not the published ones, one sentence each, also logged as a warning.

    A difference is told, not refused: copies of these sets lose images. A folder that holds less
    than half of the first count is a part on purpose, and nothing is compared.
    """
    first = next(iter(published))
    if found[first] < PART * published[first]:
        return []
    notes = [
        f"{found[what]} {what}, published are {number}"
        for what, number in published.items()
        if found[what] != number
    ]
    for note in notes:
        log.warning("%s: %s", name, note)
    return notes
