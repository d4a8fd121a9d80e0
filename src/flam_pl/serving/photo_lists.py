"""Lists of the photos of a shop: a folder, or a table with a row per photo."""

from __future__ import annotations

import csv
import math
import os
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from string import Formatter
from typing import Any

from flam_pl.datasets.csv_dialect import NOTHING, delimiter_of
from flam_pl.errors import FlamError
from flam_pl.galleries.items import ITEM, Value, number_in

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
PATHS = ("path", "image", "photo", "file", "filename", "uri")
"""Names of the column that holds the path, unless the caller names another."""
NO_NUMBER = NOTHING | {"", "-"}  # in a column of numbers


@dataclass(frozen=True)
class Listed:
    """A photo of a list."""

    id: str
    path: Path
    columns: Mapping[str, Value]
    address: str = ""  # of a photo that is no file of this machine, such as s3://shop/1.jpg

    @property
    def uri(self) -> str:
        return self.address or str(self.path)

    @property
    def columns_hash(self) -> int:
        """CRC-32 of everything but the photo's content."""
        plain = f"{self.path} {sorted(self.columns.items())}"
        return zlib.crc32(plain.encode(errors="surrogateescape"))


def list_photos(
    source: str | Path,
    image: str = "",
    id: str = "",
    columns: Sequence[str] = (),
    only: Sequence[str] = (),
    item: str = "",
) -> list[Listed]:
    """The photos of a folder with its subfolders, or of a CSV or Parquet table.

    Args:
        image: column with the path, relative to the table, or the address, or a pattern such as
            ``images/{id}.jpg``.
        id: column with the id. By default "id" if there is one, else the path.
        columns: columns to store; by default all others.
        only: rows of a table to list, as ``column=value``; all must hold.
        item: column with the item (product) of a photo, stored as "item". By default "item" if
            there is one.

    Raises FlamError for a list that is missing or empty, an unknown column, or an id twice.
    """
    found = list(iter_photos(source, image, id, columns, only, item))
    if not found:
        files = f"expected files that end in {', '.join(sorted(SUFFIXES))}"
        rows = f"expected rows with a path{''.join(f' and {each}' for each in only)}"
        raise FlamError(
            f"{source} lists no photo; {files if Path(source).expanduser().is_dir() else rows}"
        )
    ids = Counter(each.id for each in found if each.id)
    double = [(name, n) for name, n in ids.most_common(1) if n > 1]
    if double:
        name, count = double[0]
        raise FlamError(f"{source} has the id {name!r} {count} times; expected it once")
    return found


def iter_photos(
    source: str | Path,
    image: str = "",
    id: str = "",
    columns: Sequence[str] = (),
    only: Sequence[str] = (),
    item: str = "",
) -> Iterator[Listed]:
    """As ``list_photos``, one after the other, without its checks."""
    source = Path(source).expanduser()
    if source.is_dir():
        return in_folder(source)
    if source.is_file():
        return in_table(source, image, id, columns, only, item)
    raise FlamError(f"photos={source} is neither a folder nor a table; expected one of them")


def in_folder(folder: Path) -> Iterator[Listed]:
    top = folder.absolute()
    for place, folders, names in os.walk(top):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inside = Path(place).relative_to(top).as_posix()
        columns = {} if inside == "." else {"folder": inside}
        for name in sorted(names):
            if os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith("."):
                id = name if inside == "." else f"{inside}/{name}"
                yield Listed(id, Path(place, name), columns)


def in_table(
    table: Path, image: str, id: str, columns: Sequence[str], only: Sequence[str], item: str
) -> Iterator[Listed]:
    first = next(rows_of(table), None)
    if first is None:
        return
    names = list(first)
    image = image or next((name for name in PATHS if name in names), "")
    id = id or ("id" if "id" in names else "")
    item = item or (ITEM if ITEM in names else "")
    pattern = fields_of(image) if "{" in image else []
    wanted = {name: value for name, _, value in (each.partition("=") for each in only)}
    asked = [*((name, "image") for name in pattern or [image]), (id, "id"), (item, "item")]
    asked += [(each, "columns") for each in columns]
    for name, setting in [*asked, *((each, "only") for each in wanted)]:
        if name not in names and (name or setting == "image"):
            raise FlamError(
                f"{table} has no column {name or 'with a path'!r}; its columns are "
                f"{', '.join(names)}. Choose with {setting}=<column>"
            )
    stored = list(columns) or [name for name in names if name not in (image, id)]

    def kept() -> Iterator[dict[str, Any]]:
        for row in rows_of(table):  # read twice: a large table does not fit into memory
            if all(str(row[name]) == value for name, value in wanted.items()):
                yield row

    numeric, some = set(stored) - {item}, set[str]()
    for row in kept():
        some |= {name for name in numeric - some if not is_empty(row.get(name))}
        numeric -= {name for name in numeric if not is_number(row.get(name))}
    numeric &= some  # with no number at all, such a word is a text
    for row in kept():
        place = filled(image, row) if pattern else text_of(row[image])
        if not place.strip():
            continue
        if "\\" in place and not (table.parent / place).exists():
            place = place.replace("\\", "/")  # written on Windows
        values = {name: row.get(name) for name in stored}
        if item:
            values[ITEM] = text_of(row[item])
        known = {
            name: number_in(value) if name in numeric and isinstance(value, str) else value
            for name, value in values.items()
            if value not in (None, "") and not (name in numeric and is_empty(value))
        }
        path = (table.parent / place).absolute()
        address = place if "://" in place else ""
        yield Listed(text_of(row[id]) if id else place, path, known, address)


def fields_of(pattern: str) -> list[str]:
    """The columns that a pattern names, such as ``id`` of ``images/{id}.jpg``."""
    try:
        return [name for _, name, _, _ in Formatter().parse(pattern) if name is not None]
    except ValueError as error:
        raise no_pattern(pattern, error) from error


def filled(pattern: str, row: Mapping[str, Any]) -> str:
    try:
        return pattern.format_map(row)
    except (ValueError, TypeError) as error:  # {id:d} of a text
        raise no_pattern(pattern, error) from error


def no_pattern(pattern: str, error: Exception) -> FlamError:
    return FlamError(f"image={pattern} is no pattern such as images/{{id}}.jpg: {error}")


def text_of(value: Any) -> str:
    return "" if value is None else str(value)


def is_empty(value: Any) -> bool:
    """Whether a cell among numbers holds none."""
    return value is None or isinstance(value, str) and value.strip().lower() in NO_NUMBER


def is_number(value: Any) -> bool:
    """Whether a cell is a number or empty."""
    if is_empty(value) or isinstance(value, int | float):
        return True
    return isinstance(value, str) and number_in(value) is not None


def plain_value(value: Any) -> Value:
    """A cell of Parquet as a number or a text that can be stored; None for nan and infinity.

    >>> plain_value(7), plain_value(float("nan")), plain_value(2**63)
    (7, None, '9223372036854775808')
    """
    if isinstance(value, float) and not math.isfinite(value):
        return None
    storable = isinstance(value, int | float) and abs(value) < 2**63
    return value if value is None or storable else str(value)


def rows_of(table: Path) -> Iterator[dict[str, Any]]:
    try:
        if table.suffix.lower() in (".parquet", ".pq"):
            import pyarrow.parquet as parquet

            for batch in parquet.ParquetFile(table).iter_batches():
                for cells in batch.to_pylist():
                    yield {name: plain_value(value) for name, value in cells.items()}
            return
        with open(table, newline="", encoding="utf-8-sig") as file:
            delimiter, told = delimiter_of(file.readline())
            if not told:
                file.seek(0)
            rows = csv.reader(file, delimiter=delimiter)
            names = [name.strip() for name in next(rows, [])]
            for cells in rows:
                while len(cells) > len(names) and not cells[-1]:
                    cells.pop()
                if cells:
                    # a delimiter without quotes in the last column
                    last = delimiter.join(cells[len(names) - 1 :])
                    row = dict(zip_longest(names, [*cells[: len(names) - 1], last]))
                    row.pop("", None)  # the row numbers that pandas writes
                    yield row
    except UnicodeDecodeError as error:
        raise FlamError(
            f"{table} is not UTF-8 text ({error.reason}): save it as CSV in UTF-8"
        ) from error
    except (csv.Error, ValueError) as error:  # ValueError: of pyarrow
        raise FlamError(f"{table} cannot be read as a table: {error}. Save it again.") from error
