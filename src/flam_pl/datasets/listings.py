"""Text files of published data sets, and the photos that a table lists."""

from __future__ import annotations

import os
import re
import stat
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from flam_pl.attributes import fold_spelling
from flam_pl.datasets.catalog import Dropped
from flam_pl.errors import FlamError

GARMENT_PHOTOS, GARMENT_SHARE = 20, 0.05  # of one garment: at most so many, or this share


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
    """A list file of DeepFashion, and a note if its stated number of rows is wrong. With ``words``,
    the last field may have several words."""
    lines = numbered_lines(path)
    first, expected = next(lines, (1, ""))[1], f"rows of {' '.join(columns)}"
    if not first.isdigit():
        layout = f"the number of rows, then a line with the names of the columns, then {expected}"
        raise FlamError(f"{path} line 1: got {first!r}, expected {layout}")
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


def integers(fields: Sequence[str], where: str) -> list[int]:
    wrong = [text for text in fields if not re.fullmatch(r"[+-]?\d+", text)]
    if wrong:
        raise FlamError(f"{where}: got {wrong[0]!r}, expected whole numbers")
    return [int(text) for text in fields]


def first_file(candidates: Sequence[Path]) -> Path:
    """The first file that exists, else the first one."""
    return next((path for path in candidates if path.is_file()), candidates[0])


def place_of(table: pd.DataFrame | pd.Series, row: int) -> str:
    """File and line of a row, from the table's index."""
    return " ".join(str(part) for part in (table.index.name, table.index[row]) if part is not None)


def require_words(table: pd.DataFrame, column: str, known: Sequence[str]) -> None:
    wrong = table[~table[column].isin(known).to_numpy(bool)]
    if len(wrong):
        got = "nothing" if pd.isna(value := wrong[column].iloc[0]) else repr(value)
        expected = f"expected one of {', '.join(known)} ({len(wrong)} such row(s))"
        raise FlamError(f"{place_of(wrong, 0)}: column {column} has {got}; {expected}")


def require_garments(table: pd.DataFrame, root: Path) -> None:
    """Raise FlamError for a column ``garment`` that holds kinds of clothes: photos of one garment
    stay on one side of the split."""
    if "garment" not in table or table["garment"].isna().all():
        return
    counts = table["garment"].value_counts()
    if counts.iloc[0] > max(GARMENT_PHOTOS, len(table) * GARMENT_SHARE):
        raise FlamError(
            f"{root}: {counts.iloc[0]} photos have the garment {counts.index[0]!r}; expected the "
            "photos of one garment in several colors. Give a kind of clothes another column name, "
            "data.columns=[garment:shape]"
        )


def attributes_of(
    types: Sequence[str], names: Mapping[str, str], known: Sequence[str], whose: str
) -> dict[str, str]:
    """Attribute type -> its name in the data set. FlamError for an unknown type."""
    attributes = {kind: names.get(kind, kind) for kind in types}
    unknown = [kind for kind, name in attributes.items() if name not in known]
    if unknown:
        all_types = ", ".join(dict.fromkeys((*names, *known)))
        raise FlamError(f"{whose} has no {', '.join(unknown)}; data.types knows {all_types}")
    return attributes


def keep_photos(
    table: pd.DataFrame, root: Path, folders: Sequence[str] = ("",), advice: str = ""
) -> tuple[pd.DataFrame, list[Dropped]]:
    """The rows whose photo exists, each file once, and the dropped rows. Photos are in the one of
    ``folders`` with most of them. Paths get the case and Unicode form on disk."""
    names, sample = cache(_names_in), table["path"].dropna()[:: max(1, len(table) // 100)]
    found = [sum(os.path.isfile(_on_disk(root / f / p, names)) for p in sample) for f in folders]
    folder = folders[found.index(max(found))]
    table = table.assign(path=f"{folder}/" + table["path"] if folder else table["path"])
    table["path"] = table["path"].astype("string").fillna("")
    places, lost = dict[int, str](), dict[int, str]()
    start, home = os.path.join(root, ""), cache(os.path.realpath)
    keys = np.arange(len(table))
    for row, path in enumerate(texts(table["path"])):
        file = start + path
        if not _is_plain_file(path, file):
            photo = _on_disk(root / path, names)
            if not os.path.isfile(photo):
                lost[row] = "no image file" if path else "no path"
                continue
            inside = photo.relative_to(root) if photo.is_relative_to(root) else photo
            places[row], file = inside.as_posix(), os.path.realpath(photo)
        place, _, name = file.rpartition("/")
        keys[row] = hash((home(place or "/"), name))  # 64 bits: no two of 10^6 files agree
    kept = np.setdiff1d(np.arange(len(table)), [*lost])
    if not len(kept):
        first = next(iter(sample), "no path at all")
        looked_in = ", ".join(str(root / folder) for folder in folders)
        raise FlamError(
            f"none of the {len(table)} photos that are listed is there, the first: {first}; looked "
            f"in {looked_in}. {advice or 'Unpack them there, or point data.root elsewhere.'}"
        )
    again = _listed_before(table.drop(columns="path"), keys, kept)
    dropped = []
    for row, reason in sorted((lost | again).items()):
        where, path = place_of(table, row), table["path"].iloc[row]
        dropped.append(Dropped(f"{where} ({path})" if path else where, reason))
    if places:
        table.iloc[[*places], list(table).index("path")] = pd.array([*places.values()], "string")
    return table.iloc[np.setdiff1d(kept, [*again])] if dropped else table, dropped


def texts(column: pd.Series, block: int = 2**16) -> Iterator[str]:
    for start in range(0, len(column), block):
        yield from column.iloc[start : start + block].tolist()


def _is_plain_file(path: str, file: str) -> bool:
    """Whether a relative path without detours is a file and no link."""
    with suppress(OSError, ValueError):
        plain = not (path.startswith(("/", ".")) or "//" in path or "/." in path)
        return plain and stat.S_ISREG(os.lstat(file).st_mode)
    return False


def _listed_before(cells: pd.DataFrame, keys: np.ndarray, kept: np.ndarray) -> dict[int, str]:
    """Row -> reason of ``kept`` rows whose file, by ``keys`` ``(N,)``, came before."""
    _, first, of = np.unique(keys[kept], return_index=True, return_inverse=True)
    before, again = kept[first[of]], kept[first[of]] < kept
    rows = kept[again]
    now, then = (cells.iloc[n].astype("string").fillna("") for n in (rows, before[again]))
    differ = now.to_numpy(object) != then.to_numpy(object)
    reason = "the same file was listed before"
    return {
        row: ", with another ".join([reason, *cells.columns[columns]])
        for row, columns in zip(rows.tolist(), differ, strict=True)
    }


def _on_disk(path: Path, names: Callable[[Path], Mapping[str, Sequence[str]]]) -> Path:
    """The path, or the only one that differs in case, Unicode form or .jpeg for .jpg."""
    if os.path.exists(path) or path == path.parent:
        return path
    folder = _on_disk(path.parent, names)
    alike = names(folder).get(fold_spelling(path.name).replace(".jpeg", ".jpg"), ())
    return folder / (alike[0] if len(alike) == 1 else path.name)


def _names_in(folder: Path) -> Mapping[str, Sequence[str]]:
    names = defaultdict(list)
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        names[fold_spelling(name).replace(".jpeg", ".jpg")].append(name)
    return names
