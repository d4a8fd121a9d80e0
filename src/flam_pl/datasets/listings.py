"""Text files of the published data sets, and the photos that a table lists."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from flam_pl.datasets.catalog import Dropped
from flam_pl.errors import FlamError


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number, from 1, and stripped text of each line."""
    if not path.is_file():
        raise FlamError(f"{path} is not there. Point data.root at the data set as published.")
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for line, text in enumerate(file, start=1):
            yield line, text.strip()


def read_listing(
    path: Path, columns: Sequence[str], *, words: bool = False
) -> tuple[pd.DataFrame, list[str]]:
    """A list file of DeepFashion, and a note if its number of rows is wrong.

    The index names file and line. With ``words``, the last field may have several.
    """
    lines = numbered_lines(path)
    first, expected = next(lines, (1, ""))[1], f"rows of {' '.join(columns)}"
    if not first.isdigit():
        raise FlamError(
            f"{path} line 1: got {first!r}, expected the number of rows, then a line with the "
            f"names of the columns, then {expected}. Use the file as published."
        )
    next(lines, None)  # the names of the columns
    rows = {}
    for line, text in lines:
        fields = text.split(None, len(columns) - 1) if words else text.split()
        if fields and len(fields) != len(columns):
            got = f"{len(fields)} field(s), {text[:80]!r}"
            raise FlamError(f"{path} line {line}: got {got}; expected {len(columns)}: {expected}")
        if fields:
            rows[f"{path.name} line {line}"] = fields
    table = pd.DataFrame(list(rows.values()), list(rows), list(columns), dtype="string")
    if int(first) == len(rows):
        return table, []
    return table, [f"{path.name} announces {first} rows and has {len(rows)}"]


def integers(fields: Iterable[str], where: str) -> list[int]:
    numbers = []
    for text in fields:
        try:
            numbers.append(int(text))
        except ValueError as error:
            raise FlamError(f"{where}: got {text!r}, expected whole numbers") from error
    return numbers


def first_file(candidates: Sequence[Path]) -> Path:
    """The first file that is there, else the first candidate."""
    return next((path for path in candidates if path.is_file()), candidates[0])


def require_words(table: pd.DataFrame, column: str, known: Sequence[str]) -> None:
    wrong = table[~table[column].isin(known).to_numpy(bool)]
    if len(wrong):
        got = "nothing" if pd.isna(value := wrong[column].iloc[0]) else repr(value)
        raise FlamError(
            f"{wrong.index[0]}: column {column} has {got}; expected one of {', '.join(known)} "
            f"({len(wrong)} such row(s))"
        )


def attributes_of(
    types: Sequence[str], names: Mapping[str, str], known: Sequence[str], whose: str
) -> dict[str, str]:
    """Attribute type -> its name in the data set, one of ``known``."""
    attributes = {kind: names.get(kind, kind) for kind in types}
    unknown = [kind for kind, name in attributes.items() if name not in known]
    if unknown:
        all_types = ", ".join(dict.fromkeys((*names, *known)))
        raise FlamError(f"{whose} has no {', '.join(unknown)}; data.types knows {all_types}")
    return attributes


def keep_photos(
    table: pd.DataFrame, root: Path, folders: Sequence[str] = ("",), advice: str = ""
) -> tuple[pd.DataFrame, list[Dropped]]:
    """The rows whose photo is there, each file once, and what was left out.

    The index of the table names each row's place; photos lie in one of the ``folders``.
    """
    sample = table["path"].dropna()[:: max(1, len(table) // 100)]
    folder = max(folders, key=lambda f: sum(os.path.isfile(root / f / name) for name in sample))
    table = table.assign(path=f"{folder}/" + table["path"] if folder else table["path"])
    seen: set[str] = set()
    dropped, kept = [], []
    for where, path in table["path"].items():
        file = "" if pd.isna(path) else os.path.realpath(root / path)
        reason = "the same file was listed before" if file in seen else ""
        if not os.path.isfile(file):
            reason = "no image file" if file else "no path"
        if reason:
            dropped.append(Dropped(f"{where} ({path})" if file else str(where), reason))
        kept.append(not reason)
        seen.add(file)
    if not any(kept):
        places = ", ".join(str(root / folder) for folder in folders)
        raise FlamError(
            f"none of the {len(table)} photos that are listed is there, the first: "
            f"{next(iter(sample), 'no path at all')}; looked in {places}. "
            f"{advice or 'Unpack them there, or point data.root elsewhere.'}"
        )
    return table[kept], dropped
