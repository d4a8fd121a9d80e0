"""Reader of any catalogue of your own: a CSV or Parquet table with a row per photo."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flam_pl.attributes import AttributeSchema, did_you_mean, fold_spelling
from flam_pl.config.data import TableData
from flam_pl.datasets.assembly import Found, assemble
from flam_pl.datasets.catalog import DOMAINS, SPLITS, Catalog
from flam_pl.datasets.listings import keep_photos, require_words
from flam_pl.errors import FlamError

SPLIT_WORDS = {
    **{word: word for word in SPLITS},
    **dict.fromkeys(("training",), "train"),
    **dict.fromkeys(("valid", "validation", "dev"), "val"),
    **dict.fromkeys(("eval", "test", "testing", "query", "gallery"), "evaluation"),
}
SEPARATORS = (";", "|", ",", "/")  # what often stands between several labels in one cell
OWN = ("path", "item", "domain", "split", "counterfactual_of", "garment")  # read if they are there


def read(root: Path, data: TableData, schema: AttributeSchema | None = None) -> Catalog:
    """The Catalog of a .csv, .tsv or .parquet file with a column ``path`` or ``image``.

    Without ``domain``, photos of the split "query" are consumer photos.
    """
    types = schema.types if schema else tuple(data.types)
    extra = tuple(dict.fromkeys(data.extra_attributes))
    table = _renamed(_load(root), data.columns, (*types, *extra), root)
    # nothing else comes along: the table's own "view" may mean "front" or "back"
    table = table[[c for c in dict.fromkeys((*OWN, *types, *extra)) if c in table]]
    table = table.apply(lambda cells: _as_text(cells, data.label_separator))
    table["path"] = table["path"].str.replace("\\", "/", regex=False)  # written on Windows
    table, notes = _one_label_each(table, types, data.label_separator)
    if "counterfactual_of" in table:
        named = table["counterfactual_of"].dropna()
        lost = named[~named.isin(table.get("item", []))]
        if len(lost):
            notes.append(f"{len(lost)} counterfactuals of no item here, such as {lost.iloc[0]!r}")
    images = Path(data.images).expanduser() if data.images else root.parent
    advice = f"Set data.images to the folder that the column 'path' starts from (now {images})."
    table, dropped = keep_photos(table, images, advice=advice)
    table = _with_words(table.copy())
    if data.recorded_split and "split" not in table:
        table["split"] = _recorded(table["path"], Path(data.recorded_split))
    found = Found(root.stem, images, table, types, extra, dropped, notes)
    found.together, found.partial_labels = ("item", "garment"), True
    return assemble(found, data, schema)


def _recorded(paths: pd.Series, file: Path) -> pd.Series:
    try:
        recorded = pd.read_csv(file, dtype="string").set_index("path")["split"]
    except (OSError, ValueError, KeyError) as error:
        raise FlamError(f"{file} cannot be read as a split ({error}); train again") from error
    return paths.map(recorded[~recorded.index.duplicated()]).fillna("evaluation").astype("string")


def _load(path: Path) -> pd.DataFrame:
    """The cells of the file, without blank rows; the index names file and line or row."""
    suffix = path.suffix.lower()
    if not path.is_file() or suffix not in (".csv", ".tsv", ".parquet"):
        problem = f"ends in {suffix!r}" if path.is_file() else "is not there"
        raise FlamError(f"{path} {problem}; expected a .csv, .tsv or .parquet file")
    try:
        if suffix == ".parquet":
            table = pd.read_parquet(path)
            table.index = pd.Index([f"{path.name} row {n}" for n in range(1, len(table) + 1)])
        else:
            table = _read_csv(path, "\t" if suffix == ".tsv" else ",")
    except (OSError, ValueError, csv.Error) as error:  # ArrowInvalid and bad UTF-8 are ValueErrors
        raise FlamError(f"{path} cannot be read as {suffix[1:]}: {error}") from error
    if table.empty:
        raise FlamError(f"{path} has no rows; expected a header and a row per photo")
    return table


def _read_csv(path: Path, delimiter: str) -> pd.DataFrame:
    """The cells as text, so that "NA" and "007" are values like any other."""
    rows = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        header = next(reader, [])
        line = reader.line_num + 1  # of the row's start: a quoted value may have line breaks
        for row in reader:
            if any(row[len(header) :]):
                raise FlamError(
                    f"{path} line {line}: got {len(row)} values, expected {len(header)}, one per "
                    "column. Put a value with a comma into double quotes."
                )
            if any(row):
                rows[f"{path.name} line {line}"] = [*row, *[""] * len(header)][: len(header)]
            line = reader.line_num + 1
    return pd.DataFrame(list(rows.values()), list(rows), header, dtype="object")


def _renamed(
    table: pd.DataFrame, columns: Sequence[str], wanted: Sequence[str], path: Path
) -> pd.DataFrame:
    have = [str(column) for column in table]
    names = dict(pair.rpartition(":")[::2] for pair in columns)
    for own, name in names.items():
        if not own or not name:
            raise FlamError(f"data.columns is {columns}; expected own_name:name, e.g. photo:path")
        if own not in have:
            raise FlamError(
                f"data.columns renames {own!r} to {name!r}, but {path} has no such column"
                f"{did_you_mean(own, have)}; it has {', '.join(have)}"
            )
    table = table.rename(columns=names)
    if "path" not in table:
        table = table.rename(columns={"image": "path"})
    for name in (*OWN, *wanted):
        times = list(table).count(name)
        if times > 1 or (times == 0 and name in ("path", *wanted)):
            near = "" if times else did_you_mean(name, have)
            raise FlamError(
                f"{path}: expected one column {name!r}, got {times}{near}; it has "
                f"{', '.join(have)}. Name the right one, data.columns=[my_column:{name}], or name "
                "in data.types and data.extra_attributes only what the table has."
            )
    return table


def _as_text(cells: pd.Series, separator: str | None) -> pd.Series:
    """Text without outer spaces; NA where nothing is visible."""

    def text(where: object, value: Any) -> str | None:
        if isinstance(value, bytes):
            value = value.decode(errors="replace")
        if isinstance(value, list | np.ndarray) and (len(value) < 2 or separator):
            value = (separator or "").join(map(str, value))
        if isinstance(value, list | np.ndarray | dict):
            advice = "Set data.label_separator, e.g. to ';', to use the first one of several labels"
            if isinstance(value, dict):
                advice = "Write the record's parts into columns, a picture into a file"
            got = f"{where}: column {cells.name} has {str(value)[:60]}"
            raise FlamError(f"{got}, expected one value. {advice}.")
        if isinstance(value, float | np.floating) and float(value).is_integer():
            value = int(value)
        return str(value).strip() if not pd.isna(value) and fold_spelling(str(value)) else None

    values = [text(where, value) for where, value in cells.items()]
    found = pd.Series(values, cells.index, dtype="string")
    if cells.name in OWN[1:]:  # numbers that a column with gaps turned into 3.0
        found = found.str.replace(r"^(\d+)\.0+$", r"\1", regex=True)
    return found


def _one_label_each(
    table: pd.DataFrame, types: Sequence[str], separator: str | None
) -> tuple[pd.DataFrame, list[str]]:
    """The table with the first label of each cell, and notes; without a separator, the cells
    stay."""
    notes = []
    for kind in types:
        labels = table[kind].str.strip(f" {separator}") if separator else table[kind]
        counts = labels.value_counts()
        known = {fold_spelling(name) for name in counts.index}
        for mark in [separator] if separator else SEPARATORS:
            listed = [  # without a set separator, the parts must also stand alone
                name
                for name in counts.index
                if mark in name
                and (separator or known.issuperset(map(fold_spelling, name.split(mark))))
            ]
            if listed:
                number, example = counts[listed].sum(), listed[0]
                todo = f"set data.label_separator='{mark}', else each such text is one class"
                notes.append(
                    f"{number} {kind} cell(s) list several labels, such as {example!r}: "
                    f"{'the first one is used' if separator else todo}"
                )
        if separator:
            table[kind] = labels.str.split(separator, regex=False).str[0].str.strip()
    return table, notes


def _with_words(table: pd.DataFrame) -> pd.DataFrame:
    if "split" in table:
        words = table["split"].str.lower()
        table["split"] = words.map(SPLIT_WORDS).fillna(table["split"])
        require_words(table, "split", SPLITS)
        if "domain" not in table and (words == "query").any():
            table["domain"] = words.map({"query": "consumer"}).fillna("shop")
    if "domain" in table:
        table["domain"] = table["domain"].str.lower().fillna("shop")
        require_words(table, "domain", DOMAINS)
    return table
