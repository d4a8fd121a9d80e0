"""Reader of a user's CSV or Parquet table with a row per photo."""

from __future__ import annotations

import csv
import hashlib
import logging
import os
import re
from array import array
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from flam_pl.attributes import AttributeSchema, did_you_mean, fold_spelling
from flam_pl.config.data import TableData
from flam_pl.datasets.assembly import Found, assemble
from flam_pl.datasets.catalog import DOMAINS, SPLITS, Catalog, fill_garments
from flam_pl.datasets.csv_dialect import DELIMITERS, NOTHING, delimiter_of
from flam_pl.datasets.labels import fold_id, join_spellings
from flam_pl.datasets.listings import keep_photos, place_of, require_garments, require_words
from flam_pl.datasets.splits import identical_files, leak_groups
from flam_pl.errors import FlamError
from flam_pl.images.files import UnreadableImage, read_file

SPLIT_WORDS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("evaluation", "eval", "test", "testing", "query", "gallery"), "evaluation"),
}
SEPARATORS = (";", "|", ",", "/")  # often between several labels in one cell
log = logging.getLogger(__name__)
OWN = ("path", "item", "domain", "split", "counterfactual_of", "garment")  # read if they are there
TOGETHER = ("item", "garment")
WRITTEN_OUT = re.compile(r"\[\s*['\"].*\]|\[[\d\s.,]*\]|\{.*:.*\}|b(['\"]).*\1", re.DOTALL)
"""The text that a program makes of a list, a record or bytes."""
PLAIN = r"(b|([!-Z\\-ac-z|-~]|b[!#-&(-~])([ -~]*[!-~])?)"
"""Texts that stay as they are: ASCII without outer spaces, not ``WRITTEN_OUT``."""
QUOTES = "Close each double quote; inside of a value, write it twice."
BLOCK = 2**16  # rows of a CSV file that are Python objects at one time


def read(root: Path, data: TableData, schema: AttributeSchema | None = None) -> Catalog:
    """The Catalog of a table with a column ``path`` or ``image``; without ``domain``, photos of the
    split "query" are consumer photos."""
    types = schema.types if schema else tuple(data.types)
    extra = tuple(dict.fromkeys(data.extra_attributes))
    for setting, names in {"types": types, "extra_attributes": extra}.items():
        for name in {*names} & {*OWN, "image", *(types if names is extra else ())}:
            has = "has a meaning of its own" if name in (*OWN, "image") else "is a type"
            raise FlamError(f"data.{setting} names {name!r}, which {has}; name other columns")
    table = _renamed(_load(root), data.columns, (*types, *extra), root)
    # no other column: the table's own "view" may mean "front" or "back"
    own = [c for c in dict.fromkeys((*OWN, *types, *extra)) if c in table]
    table = table[own]
    for name in own:  # one by one: a column is freed before the next one is made
        table[name] = _as_text(table[name], data.label_separator)
    table["path"] = table["path"].str.replace("\\", "/", regex=False)  # written on Windows
    notes = _one_label_each(table, types, data.label_separator)
    for column in TOGETHER:
        notes += join_spellings(table, column, fold=fold_id) if column in table else []
    if not data.recorded_split:
        require_garments(table, root)
    images = Path(data.images).expanduser() if data.images else root.parent
    advice = f"Set data.images to the folder that the column 'path' starts from (now {images})."
    table, dropped = keep_photos(table, images, advice=advice)
    table = _with_words(table.copy())
    if "counterfactual_of" in table:
        items: list[str] = table["item"].dropna().tolist() if "item" in table else []
        notes += join_spellings(table, "counterfactual_of", items, fold_id)
        lost = table["counterfactual_of"].dropna().loc[lambda ids: ~ids.isin(items)]
        if len(lost):
            notes.append(f"{len(lost)} counterfactuals of no item here, such as {lost.iloc[0]!r}")
    found = Found(root.stem, images, table, types, extra, dropped, notes)
    found.together, found.partial_labels, found.draws_validation = TOGETHER, True, True
    if data.recorded_split:
        table["split"] = _recorded(table, images, Path(data.recorded_split))
        found.draws_validation = False
        if isinstance(data.classes, dict):
            found.classes = AttributeSchema.from_dict(data.classes)
    return assemble(found, data, schema)


def _recorded(table: pd.DataFrame, images: Path, file: Path) -> pd.Series:
    """The recorded split of each file, else of its content; a new photo has that of its item,
    garment or an equal file, else the table's own, else "evaluation"."""
    try:
        recorded = pd.read_csv(file, dtype="string", keep_default_na=False)
        files = [os.path.realpath(images / path) for path in recorded["path"]]
        splits = recorded["split"].tolist()
        of_file = dict(zip(files, splits, strict=True))
        # runs of older versions recorded paths alone
        of_content, of_item = (
            dict(zip(recorded[name], splits, strict=True)) if name in recorded else {}
            for name in ("sha256", "item")
        )
    except (OSError, ValueError, KeyError) as error:
        raise FlamError(f"{file} cannot be read as a split ({error}); train again") from error
    paths = [images / path for path in table["path"]]
    found: list[str | None] = [of_file.get(os.path.realpath(path)) for path in paths]
    for row, path in enumerate(paths):
        if found[row] is None:
            with suppress(UnreadableImage):
                found[row] = of_content.get(hashlib.sha256(read_file(path)).hexdigest())
    known = pd.Series(found, table.index, dtype="string")
    if "item" in table:
        known = known.fillna(table["item"].map(of_item))
    table = table.assign(garment=fill_garments(table))
    groups = leak_groups(table, set(TOGETHER) & {*table}, identical_files(paths))
    beside = known.groupby(groups).transform("first")
    given = table["split"] if "split" in table else pd.Series("evaluation", table.index)
    return known.fillna(beside).fillna(given).fillna("evaluation").astype("string")


def _load(path: Path) -> pd.DataFrame:
    """The cells without blank rows; the index names file and row."""
    suffix = path.suffix.lower()
    if not path.is_file() or suffix not in (".csv", ".tsv", ".parquet"):
        problem = f"ends in {suffix!r}" if path.is_file() else "is not there"
        problem = "is a folder" if path.is_dir() else problem
        raise FlamError(f"data.root={path} {problem}; expected a .csv, .tsv or .parquet file")
    try:
        if suffix == ".parquet":
            table = pd.read_parquet(path, dtype_backend="pyarrow")  # else large numbers are rounded
            if any(name is not None for name in table.index.names):
                table = table.reset_index()  # pandas stored these columns as its index
            table.index = pd.RangeIndex(1, len(table) + 1, name=f"{path.name} row")
        else:
            table = _read_csv(path, "\t,;|" if suffix == ".tsv" else DELIMITERS)
    except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
        raise FlamError(f"{path} cannot be read as {suffix[1:]}: {error}") from error
    if table.empty:
        raise FlamError(f"{path} has no rows; expected a header and a row per photo")
    return table


def _read_csv(path: Path, delimiters: str) -> pd.DataFrame:
    """The cells as text, so that "NA" and "007" stay."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as text:
            delimiter, told = delimiter_of(text.readline(), delimiters)
            text.seek(0)
            reader = csv.reader(text, delimiter=delimiter, strict=True)
            if told:
                next(reader)
            header = [name.strip() for name in next(reader, [])]
            while header and not header[-1]:
                header.pop()
            is_short = bool(header) and reader.line_num == 1
            table = _plain_rows(path, delimiter, len(header)) if is_short else None
            lines: Any = range(2, 2 + len(table or ()))
            if table is None:
                table, lines = _rows(path, reader, len(header), delimiter)
    except csv.Error as error:
        raise FlamError(f"{path} line 1: {error}. {QUOTES}") from error
    except UnicodeDecodeError as error:
        before = re.split("[\udc80-\udcff]", path.read_bytes().decode(errors="surrogateescape"))[0]
        line = before.count("\n") + 1
        raise FlamError(f"{path} line {line} is no UTF-8; save the table in UTF-8") from error
    cells = table.to_pandas(types_mapper={pa.large_string(): pd.StringDtype()}.get)
    return cells.set_axis(header, axis=1).set_axis(pd.Index(lines, name=f"{path.name} line"))


def _plain_rows(path: Path, delimiter: str, width: int) -> pa.Table | None:
    """``_rows``, ten times as fast, without quotes, blank rows and faults."""
    names = [str(number) for number in range(width)]
    try:
        table = pa.csv.read_csv(
            path,
            pa.csv.ReadOptions(column_names=names, skip_rows=1),
            pa.csv.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=False),
            pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.large_string())),
        )
    except pa.ArrowInvalid:
        return None
    blank = np.ones(len(table), bool)
    for column in table.columns:
        if pc.any(pc.match_substring(column, '"')).as_py():
            return None
        if blank.any():
            blank &= pc.equal(pc.utf8_trim_whitespace(column), "").to_numpy()
    return None if blank.any() else table


def _rows(path: Path, reader: Any, width: int, delimiter: str) -> tuple[pa.Table, array[int]]:
    """All rows that are not blank, and the line of each."""
    lines, several, rows, parts = array("q"), [], list[list[str]](), list[pa.Table]()
    line = reader.line_num + 1  # of the row's start: a quoted value may have line breaks
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                if len(row) < width or any(row[width:]):
                    remedy = f"Leave unknown ones empty, put quotes around one with {delimiter!r}"
                    got = f"got {len(row)} values, expected {width}"
                    raise FlamError(f"{path} line {line}: {got}. {remedy}.")
                rows.append(row)
                lines.append(line)
            if reader.line_num > line:
                several.append(line)
            line = reader.line_num + 1
            if len(rows) == BLOCK:
                parts.append(_columns(rows, width))
                rows = []
    except csv.Error as error:
        raise FlamError(f"{path} line {line}: {error}. {QUOTES}") from error
    if several:
        what = "rows take several lines; if no value has line breaks, a double quote is missing"
        log.warning("%s: %d %s, first in line %d", path, len(several), what, several[0])
    return pa.concat_tables([*parts, _columns(rows, width)]), lines


def _columns(rows: Sequence[Sequence[str]], width: int) -> pa.Table:
    columns = islice(zip(*rows, strict=False), width) if rows else [()] * width
    arrays = [pa.array(column, pa.large_string()) for column in columns]
    return pa.Table.from_arrays(arrays, [str(number) for number in range(width)])


def _renamed(
    table: pd.DataFrame, columns: Sequence[str], wanted: Sequence[str], path: Path
) -> pd.DataFrame:
    have = [str(column) for column in table]
    names = dict(pair.rpartition(":")[::2] for pair in columns)
    for own, name in names.items():
        if not own or not name:
            raise FlamError(f"data.columns is {columns}; expected own_name:name, e.g. photo:path")
        if own not in have:
            like = f"; did you mean {name}:{own}?" if name in have else did_you_mean(own, have)
            but = f"{path} has no such column{like}; it has {', '.join(have)}"
            raise FlamError(f"data.columns renames {own!r} to {name!r}, but {but}")
    table = table.rename(columns=names)
    have = [str(column) for column in table]
    ours = [name for name in (*OWN, "image", *wanted) if name not in table]  # "Item", " COLOR"
    spelled = {c: n for n in ours for c in table if fold_spelling(str(c)) == fold_spelling(n)}
    table = table.rename(columns=spelled)
    if "path" not in table:
        table = table.rename(columns={"image": "path"})
    for name in (*OWN, *wanted):
        times = list(table).count(name)
        if times > 1 or (times == 0 and name in ("path", *wanted)):
            near = "" if times else did_you_mean(name, have)
            expected = f"expected one column {name!r}, got {times}{near}; it has {', '.join(have)}"
            remedy = f"Name the right one, data.columns=[my_column:{name}], or drop it from"
            raise FlamError(f"{path}: {expected}. {remedy} data.types or data.extra_attributes.")
    return table


def _as_text(cells: pd.Series, separator: str | None) -> pd.Series:
    """Text without outer spaces; NA if nothing is visible."""
    found = pd.Series(pd.NA, cells.index, dtype="string", name=cells.name)
    rows = codes = np.arange(len(cells))
    different: Iterable[Any] = cells
    if pd.api.types.is_string_dtype(cells.dtype):
        found = cells.astype("string")
        plain = found.str.fullmatch(PLAIN).fillna(True).to_numpy(bool)
        rows = np.flatnonzero(~plain)
        codes, different = pd.factorize(found.iloc[rows])
    values = []
    for code, value in enumerate(different):
        try:
            values.append(_text(value, separator))
        except ValueError as error:
            where = place_of(cells, rows[codes.tolist().index(code)])
            got = f"{where}: column {cells.name} has {str(value)[:60]}, expected one value"
            remedy = "Write bytes as UTF-8, a picture into a file, a record into columns; to use"
            labels = "the first of several labels, set data.label_separator, e.g. to ';'"
            raise FlamError(f"{got}. {remedy} {labels}.") from error
    if len(rows):
        found.iloc[rows] = pd.array(values, dtype="string").take(codes)
    if cells.name in OWN:
        found = found.mask(found.str.lower().isin(NOTHING).fillna(False))
        found = found.str.replace(r"^(-?\d+)\.0+$", r"\1", regex=True)  # 3.0 in a column with gaps
    return found


def _text(value: Any, separator: str | None) -> str | None:
    """A cell's text, None for nothing; raises ValueError for several."""
    if isinstance(value, bytes):
        value = value.decode().rstrip("\0")
    if isinstance(value, list) and (len(value) < 2 or separator):
        value = (separator or "").join(_text(part, separator) or "" for part in value)
    if isinstance(value, list | dict | tuple):
        raise ValueError
    if pd.isna(value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    if text[:1] in ("[", "{", "b") and WRITTEN_OUT.fullmatch(text):
        raise ValueError
    visible = text if text.isascii() and text.isprintable() else fold_spelling(text)
    return text if visible else None


def _one_label_each(table: pd.DataFrame, types: Sequence[str], separator: str | None) -> list[str]:
    """With a separator, reduces each cell to its first label, in place; returns notes."""
    notes = []
    for kind in types:
        labels = table[kind].str.strip(f" {separator}") if separator else table[kind]
        counts = labels.value_counts()
        known = {fold_spelling(name) for name in counts.index}
        if words := [name for name in counts.index if fold_spelling(name) in NOTHING]:
            note = f"{counts[words].sum()} {kind} cell(s) hold words such as {words[0]!r}, which"
            notes.append(f"{note} are classes: leave cells empty that mean 'not known'")
        for mark in [separator] if separator else SEPARATORS:
            listed = [name for name in counts.index if mark in name]
            todo = "the first one is used"
            if not separator:  # then the parts must also be labels of other cells
                parts = (map(fold_spelling, name.split(mark)) for name in listed)
                listed = [name for name, of in zip(listed, parts, strict=True) if known >= {*of}]
                todo = f"set data.label_separator='{mark}', else each such text is one class"
            if listed:
                number = f"{counts[listed].sum()} {kind} cell(s)"
                notes.append(f"{number} list several labels, such as {listed[0]!r}: {todo}")
        if separator:
            table[kind] = labels.str.split(separator, regex=False).str[0].str.strip()
    return notes


def _with_words(table: pd.DataFrame) -> pd.DataFrame:
    if "split" in table:
        words = _folded(table["split"])
        table["split"] = words.map(SPLIT_WORDS).fillna(table["split"])
        require_words(table, "split", SPLITS)
        if "domain" not in table and (words == "query").any():
            table["domain"] = words.map({"query": "consumer"}).fillna("shop")
    if "domain" in table:
        table["domain"] = _folded(table["domain"]).fillna("shop")
        require_words(table, "domain", DOMAINS)
    return table


def _folded(words: pd.Series) -> pd.Series:
    return words.map({word: fold_spelling(word) for word in words.dropna().unique()})
