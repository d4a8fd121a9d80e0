"""Reader of any catalogue of a user's own: a CSV or Parquet table that names image files."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flam_pl.attributes import AttributeSchema
from flam_pl.datasets.catalog import DOMAINS, SPLITS, Catalog, Dropped
from flam_pl.datasets.garments import fill_garments, garment_note
from flam_pl.datasets.splits import (
    EVERY_DENSE_ROW,
    has_item_pairs,
    identical_files,
    identical_on_two_sides,
    keep_classes,
    leak_groups,
    split_dense,
    top_classes,
    with_distorted_views,
)
from flam_pl.errors import FlamError

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "evaluation": "evaluation",
    "eval": "evaluation",
    "test": "evaluation",
    "testing": "evaluation",
    "query": "evaluation",
    "gallery": "evaluation",
}
"""What tables call the splits, and what a Catalog calls them."""


def read_table(
    path: Path,
    *,
    types: Sequence[str] = ("shape", "color", "pattern"),
    columns: Mapping[str, str] | None = None,
    images: Path | None = None,
    extras: Sequence[str] = (),
    traits: Sequence[str] = (),
    classes: int = 10,
    evaluation: int = 1200,
    validation: int = 300,
    seed: int = 0,
    schema: AttributeSchema | None = None,
) -> Catalog:
    """A table of images as a Catalog.

    The table needs a column ``path`` (or ``image``) and one column per attribute type; ``item``,
    ``domain``, ``split``, ``counterfactual_of`` and ``garment`` are taken where they are there.
    Without ``split`` the rows are split at random (see ``split_dense``): images of one item or
    garment, and identical files, on one side. A ``split`` of the table is kept, and a note says
    which identical files it sets apart.
    With the splits "query" and "gallery" and no ``domain``, queries are "consumer" images. Where
    no item of the evaluation has two images, val and evaluation rows get a distorted view each,
    so that FIR can be measured (see ``with_distorted_views``).

    Args:
        path: a .csv, .tsv or .parquet file.
        types: attribute types to read; with a ``schema`` its types are read instead.
        columns: renames, column of the file -> name here, such as ``{"photo": "path"}``.
        images: folder the image paths are relative to; None means the table's own folder.
        extras: further columns to keep for inspection (names after renaming).
        traits: further columns that an edited search should keep (names after renaming).
        classes: most frequent classes to keep a type; rarer ones become unlabelled.
        evaluation: dense rows to evaluate, where the table has no split.
        validation: dense rows to validate on, where the table has no split.
        seed: of the split.
        schema: the schema of a trained run, to evaluate that run on this catalogue: classes
            outside it become unlabelled and, where the table has no split, every dense row is
            evaluated.

    Raises:
        FlamError: a file, column, split or domain that is missing or not known; no image found.
    """
    path = Path(path)
    images = path.parent if images is None else Path(images)
    types = tuple(types) if schema is None else schema.types
    extras = tuple(dict.fromkeys((*extras, *traits)))
    table = _renamed(_load(path), columns or {}, path)
    _require_columns(table, (*types, *extras), path)
    # Nothing else comes along: a user's own "view" may mean "front" or "back".
    known = ("path", "item", "domain", "split", "counterfactual_of", "garment", *types, *extras)
    table = _as_text(table[[column for column in dict.fromkeys(known) if column in table]])
    table, dropped = _with_files(table, images, path)
    if "split" in table:
        table = _with_known_splits(table, path)
    if "domain" in table:
        table = _with_known_domains(table, path)
    if schema is None:
        schema = top_classes(table, types, classes, _training_positions(table))
    elif "split" not in table:
        evaluation = EVERY_DENSE_ROW
    table, notes = keep_classes(table, schema, str(path))
    table["garment"] = fill_garments(table)
    contents = identical_files([images / name for name in table["path"]])
    if "split" in table:
        notes += identical_on_two_sides(table, contents)
    else:
        table["split"] = split_dense(
            table,
            types,
            evaluation=evaluation,
            validation=validation,
            seed=seed,
            groups=leak_groups(table, table.columns.intersection(["item", "garment"]), contents),
        )
    notes += garment_note(table)
    if "domain" not in table:
        # without the word of the table, an item's first photo is the one that is searched for
        alone = "item" not in table
        first = True if alone else ~table["item"].duplicated() | table["item"].isna()
        table["domain"] = np.where(first, "shop", "consumer")
    if not has_item_pairs(table):
        table = with_distorted_views(table, types, contents)
    return Catalog.build(path.stem, images, table, schema, extras, dropped, notes, traits=traits)


def _load(path: Path) -> pd.DataFrame:
    """The file as it is, without blank rows, each row at its place (see ``_with_places``)."""
    if not path.is_file():
        raise FlamError(f"{path} is not there; expected a .csv, .tsv or .parquet file")
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".tsv", ".parquet"):
        raise FlamError(f"{path} ends in {suffix!r}; expected a .csv, .tsv or .parquet file")
    try:
        if suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            # As text and without guessing: "NA", "None" and "007" are values like any other.
            table = pd.read_csv(
                path,
                sep=_separator(path),
                dtype=str,
                keep_default_na=False,
                encoding="utf-8-sig",
                index_col=False,  # a comma at the end of each row must not shift the columns
                skip_blank_lines=False,  # they are lines, too, when rows are told by their line
            )
    except pd.errors.EmptyDataError as error:
        raise FlamError(f"{path} is empty; expected a header and a row an image") from error
    except (
        OSError,
        ValueError,
    ) as error:  # ParserError, ArrowInvalid and bad UTF-8 are ValueErrors
        raise FlamError(f"{path} cannot be read as {suffix[1:]}: {error}") from error
    table = _with_places(table, path)
    if table.empty:
        raise FlamError(f"{path} has no rows; expected a row an image")
    return table


def _with_places(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The table with an index that messages can name, also after rows were dropped.

    The line that a row starts on, the header's being 1; blank lines and line breaks inside of
    quotes are counted. A Parquet file has no lines: its rows are counted from 1.
    """
    if path.suffix.lower() == ".parquet":
        return table.set_index(pd.RangeIndex(1, len(table) + 1, name="row"))
    ends: list[int] = []
    with path.open(encoding="utf-8-sig", newline="") as file, suppress(csv.Error):
        reader = csv.reader(file, delimiter=_separator(path))
        ends.extend(reader.line_num for _ in reader)  # of the header, then of each row
    starts = np.array(ends[: len(table)]) + 1  # after the end of the one before
    if len(starts) != len(table):  # pandas reads some files that are no proper CSV
        starts = np.arange(2, len(table) + 2)
    table = table.set_index(pd.Index(starts, name="line"))
    return table[~table.isin(["", None]).all(axis=1)]


def _separator(path: Path) -> str:
    return "\t" if path.suffix.lower() == ".tsv" else ","


def _renamed(table: pd.DataFrame, columns: Mapping[str, str], path: Path) -> pd.DataFrame:
    have = ", ".join(map(str, table.columns))
    for column in columns:
        if column not in table:
            raise FlamError(
                f"data.columns renames {column!r} to {columns[column]!r}, but {path} has no such "
                f"column; it has {have}"
            )
    table = table.rename(columns=dict(columns))
    if "path" not in table and "image" in table:
        table = table.rename(columns={"image": "path"})
    twice = table.columns[table.columns.duplicated()].unique()
    if len(twice):
        raise FlamError(
            f"{path} has, after renaming, more than one column {twice[0]!r}; it has {have}. "
            "Rename one of them to another name by data.columns."
        )
    return table


def _require_columns(table: pd.DataFrame, wanted: Sequence[str], path: Path) -> None:
    have = ", ".join(map(str, table.columns))
    if "path" not in table:
        raise FlamError(
            f"{path} has no column with the image's path, expected 'path' or 'image'; it has "
            f"{have}. Name the right one by data.columns, for example data.columns=[photo:path]."
        )
    missing = [column for column in wanted if column not in table]
    if missing:
        raise FlamError(
            f"{path} has no column for {', '.join(missing)}; it has {have}. Name the right columns "
            f"by data.columns, for example data.columns=[my_column:{missing[0]}], or name in "
            "data.types (and data.extras, data.traits) what the table has."
        )


def _as_text(table: pd.DataFrame) -> pd.DataFrame:
    """Every value as stripped text, nothing as NA; 3.0 in a number column with gaps reads "3"."""

    def text(value: Any) -> str | None:
        if isinstance(value, float | np.floating) and float(value).is_integer():
            value = int(value)
        return None if pd.isna(value) else (str(value).strip() or None)

    converted = {
        column: pd.Series([text(v) for v in table[column]], index=table.index, dtype="string")
        for column in table
    }
    return pd.DataFrame(converted)


def _with_files(
    table: pd.DataFrame, images: Path, source: Path
) -> tuple[pd.DataFrame, tuple[Dropped, ...]]:
    """The rows whose file is there, each file once, and what was left out.

    Raises:
        FlamError: no file at all.
    """
    # Tables written on Windows; a backslash inside a file name is not worth supporting.
    table["path"] = table["path"].str.replace("\\", "/", regex=False)
    exists = {name: (images / name).is_file() for name in table["path"].dropna().unique()}
    repeated = table["path"].duplicated()
    dropped: dict[int, Dropped] = {}
    for (row, name), again in zip(table["path"].items(), repeated, strict=True):
        if pd.isna(name):
            reason = "no path"
        elif not exists[name]:
            reason = "no image file"
        elif again:
            reason = "the same file was listed before"
        else:
            continue
        where = f"{source.name} {table.index.name} {row}"
        dropped[int(str(row))] = Dropped(where if pd.isna(name) else f"{where} ({name})", reason)
    kept = table.drop(index=list(dropped))
    if kept.empty:
        tried = next((images / name for name in exists), images)
        raise FlamError(
            f"{source}: none of the {len(table)} rows has its image; the first path tried is "
            f"{tried}. Set data.images to the folder that the column 'path' is relative to "
            f"(now {images})."
        )
    return kept, tuple(dropped.values())


def _with_known_splits(table: pd.DataFrame, source: Path) -> pd.DataFrame:
    words = table["split"].str.lower()
    split = words.map(SPLIT_WORDS)
    _refuse(
        table, "split", split.isna(), source, f"one of {', '.join(SPLITS)} (or {_other_words()})"
    )
    table = table.assign(split=split)
    if "domain" not in table and (words == "query").any():
        table["domain"] = words.map({"query": "consumer"}).fillna("shop")
    return table


def _with_known_domains(table: pd.DataFrame, source: Path) -> pd.DataFrame:
    domain = table["domain"].str.lower().fillna("shop")
    _refuse(table, "domain", ~domain.isin(DOMAINS), source, f"one of {', '.join(DOMAINS)}")
    return table.assign(domain=domain)


def _refuse(
    table: pd.DataFrame, column: str, wrong: pd.Series, source: Path, expected: str
) -> None:
    if wrong.any():
        row = wrong.idxmax()
        value: Any = table.at[row, column]
        file: Any = table.at[row, "path"]
        got = "nothing" if pd.isna(value) else repr(value)
        raise FlamError(
            f"{source} {table.index.name} {row} ({file}): column {column} has {got}, expected "
            f"{expected}. {int(wrong.sum())} row(s) are so; correct them, or leave the column out."
        )


def _training_positions(table: pd.DataFrame) -> np.ndarray | None:
    """Rows on which classes are counted: a class that nobody can be trained on is of no use."""
    if "split" not in table or not (table["split"] == "train").any():
        return None
    return np.flatnonzero((table["split"] == "train").to_numpy(dtype=bool))


def _other_words() -> str:
    return ", ".join(word for word in SPLIT_WORDS if word not in SPLITS)
