"""The Catalog: one table for every data set."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flam_pl.attributes import UNLABELLED, AttributeSchema
from flam_pl.errors import FlamError
from flam_pl.images.files import UnreadableImage, read_file, view_seed
from flam_pl.terminal.progress import progress

SPLITS = ("train", "val", "evaluation")
DOMAINS = ("shop", "consumer")
COLUMNS = ("path", "item", "domain", "split", "view", "counterfactual_of", "garment")


@dataclass(frozen=True)
class Dropped:  # a line or photo that was left out
    where: str
    reason: str

    def __post_init__(self) -> None:  # a file name that is not UTF-8 could not be printed
        object.__setattr__(self, "where", os.fsencode(self.where).decode(errors="replace"))


@dataclass(frozen=True, eq=False)  # a table has no single truth value, so == stays identity
class Catalog:
    """A data set as one checked table with a row per photo or distorted view.

    Photos of one product share ``item``; products of one garment, e.g. in several colors, share
    ``garment``. ``view`` above 0 is a seeded distortion of the photo.

    >>> table = pd.DataFrame({"path": ["a.jpg", "b.jpg"], "split": ["train", "evaluation"]})
    >>> schema = AttributeSchema({"color": ("red", "blue")})
    >>> catalog = Catalog.build("mine", Path("photos"), table.assign(color="red"), schema)
    >>> catalog.rows("evaluation").tolist(), catalog.labels.tolist()
    ([1], [[0], [0]])
    """

    name: str
    root: Path  # folder that relative paths start from
    table: pd.DataFrame
    schema: AttributeSchema
    extra_attributes: tuple[str, ...] = ()  # attribute columns that no network trains on
    dropped: tuple[Dropped, ...] = ()
    notes: tuple[str, ...] = ()
    gallery: tuple[str, ...] = ("evaluation",)  # splits whose shop photos instance search searches
    contents: Mapping[str, str] = field(default_factory=dict)  # path -> SHA-256 of a file, if read
    pixels: Mapping[str, str] = field(default_factory=dict)  # path -> hash of decoded pixels
    intact: Mapping[str, int] = field(default_factory=dict)
    """SHA-256 -> shorter side, of photos that need no check."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", self.table.reset_index(drop=True))
        self._check_columns()
        self._check_values()

    @classmethod
    def build(
        cls, name: str, root: Path, table: pd.DataFrame, schema: AttributeSchema, **others: Any
    ) -> Catalog:
        """A Catalog from a table with ``path`` and ``split``. FlamError for a wrong value."""
        defaults: dict[str, Any] = dict.fromkeys((*COLUMNS, *schema.types), pd.NA)
        defaults |= {"domain": "shop", "view": 0}
        missing = [c for c in defaults if c not in (*table, "path", "split")]
        table = table.assign(**{c: defaults[c] for c in missing})
        own = [c for c in defaults if c in table]
        table = table[[*own, *(c for c in table if c not in own)]]
        table = table.astype({c: "string" for c in own if c != "view"})
        views = pd.to_numeric(table["view"], errors="coerce").astype(float)
        if (views % 1 == 0).all():  # else the check names the row
            table["view"] = views.astype("int64")
        table["garment"] = fill_garments(table)
        return cls(name, root, table, schema, **others)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def paths(self) -> list[Path]:
        return [self.root / path for path in self.table["path"]]

    @cached_property
    def labels(self) -> np.ndarray:
        """Class indices ``(N, types)``."""
        columns = [self.schema.encode(kind, self.table[kind]) for kind in self.schema.types]
        labels = np.stack(columns, axis=1)
        labels.setflags(write=False)  # every caller has the same array
        return labels

    @cached_property
    def items(self) -> np.ndarray:
        """Code of each row's item ``(N,)``, in sorted order; -1 for none."""
        codes = pd.factorize(self.table["item"].astype("string"), sort=True)[0].astype(np.int64)
        codes.setflags(write=False)
        return codes

    @property
    def pixel_codes(self) -> np.ndarray:
        """Codes ``(N,)``, equal for equal pixels."""
        names = self.table["path"].map(lambda path: self.pixels.get(path, path))
        return pd.factorize(names)[0].astype(np.int64)

    def rows(
        self,
        split: str | None = None,
        domain: str | None = None,
        dense: bool | None = None,
        labelled: bool | None = None,
    ) -> np.ndarray:
        """Indices ``(M,)`` of the rows that meet every condition. ``dense`` rows have every label,
        ``labelled`` rows at least one. FlamError for an unknown split or domain."""
        has_label, chosen = self.labels != UNLABELLED, np.ones(len(self), dtype=bool)
        for column, value, known in (("split", split, SPLITS), ("domain", domain, DOMAINS)):
            if value not in (None, *known):
                raise FlamError(f"no {column} {value!r}; expected one of {', '.join(known)}")
            if value is not None:
                chosen &= (self.table[column] == value).to_numpy(dtype=bool)
        if dense is not None:
            chosen &= has_label.all(axis=1) == dense
        if labelled is not None:
            chosen &= has_label.any(axis=1) == labelled
        return np.flatnonzero(chosen)

    def edit_rows(self, split: str) -> np.ndarray:
        """Rows ``(M,)`` whose edits are evaluated: rows with all labels if these are at least half
        of the rows with two or more labels, else the latter."""
        rows, dense = self.rows(split), self.rows(split, dense=True)
        several = rows[(self.labels[rows] != UNLABELLED).sum(axis=1) > 1]
        return dense if 2 * len(dense) >= len(several) else several

    def instance_rows(self) -> np.ndarray:
        """Rows ``(M,)`` of the instance search, which finds items: consumer photos of the
        evaluation are the queries, shop photos of ``gallery`` are searched."""
        searched = [self.rows(split, "shop") for split in dict.fromkeys(self.gallery)]
        rows = np.sort(np.concatenate([self.rows("evaluation", "consumer"), *searched]))
        return rows[self.items[rows] >= 0]

    def select(self, rows: np.ndarray | Sequence[int]) -> Catalog:
        return replace(self, table=self.table.iloc[np.asarray(rows, dtype=np.int64)])

    def without(self, bad: Mapping[int, str]) -> Catalog:
        """The catalog without rows ``bad`` (row -> reason). FlamError if none is left."""
        reasons = {self.table["path"].iloc[row]: reason for row, reason in bad.items()}
        moved = [Dropped(path, reason) for path, reason in reasons.items()]
        if len(bad) == len(self):
            first = f"the first: {moved[0].where}: {moved[0].reason}"
            raise FlamError(f"{self.name} ({self.root}): no photo can be used, {first}")
        rest = self.select(np.setdiff1d(np.arange(len(self)), list(bad)))
        return replace(rest, dropped=(*self.dropped, *moved))

    @cached_property
    def photo_keys(self) -> np.ndarray:
        """SHA-256 ``(N,)`` of each row's file and view."""
        contents, keys = dict(self.contents), []
        unread = [path for path in self.table["path"].unique() if path not in contents]
        for path in progress(unread, "hashing photos"):
            try:
                contents[path] = hashlib.sha256(read_file(self.root / path)).hexdigest()
            except UnreadableImage as error:
                lost = f"{self.root / path} cannot be read ({error.reason})"
                raise FlamError(f"{self.name}: {lost}, but it is listed: put it back") from error
        for path, view in zip(self.table["path"], self.table["view"], strict=True):
            key = contents[path]
            if view:
                seed = view_seed(self.root / path, int(view))
                key = hashlib.sha256(f"{key}?{seed}".encode()).hexdigest()
            keys.append(key.encode())
        return np.array(keys)

    def fingerprint(self) -> str:
        """SHA-256 of all that features depend on."""
        return hashlib.sha256(b"".join(self.photo_keys.tolist())).hexdigest()

    def label_fingerprint(self) -> str:
        """SHA-256 of all else that training and evaluation depend on."""
        # the JSON of {"schema": [...], "labels": [...], "split": [...], ...}, a column at a time
        schema = list(self.schema.to_dict().items())  # the order of the types counts
        found = hashlib.sha256(f'{{"schema": {json.dumps(schema)}'.encode())
        for name in ("labels", "split", "item", "domain", "counterfactual_of", "garment"):
            values: list[Any] = self.labels.tolist()
            if name != "labels":
                values = [None if pd.isna(value) else str(value) for value in self.table[name]]
            found.update(f', "{name}": {json.dumps(values)}'.encode())
        found.update(b"}")
        return found.hexdigest()

    def _check_columns(self) -> None:
        wanted = [*COLUMNS, *self.schema.types, *self.extra_attributes]
        have = [str(column) for column in self.table]
        meaning = f"attribute type, extra attribute, or one of {', '.join(COLUMNS)}"
        for column in wanted:
            if column not in have or wanted.count(column) > 1:
                what = f"one column {column!r}, with one meaning: {meaning}"
                raise FlamError(f"{self.name}: expected {what}; got {', '.join(have)}")
        if self.table.empty:
            got = f"the table has no rows ({len(self.dropped)} were left out)"
            raise FlamError(f"{self.name}: {got}. Check the data set under {self.root}.")

    def _check_values(self) -> None:
        table = self.table
        is_path = table["path"].map(lambda value: isinstance(value, str) and value != "")
        self._require("path", is_path, "a path relative to the root")
        for column, known in {"domain": DOMAINS, "split": SPLITS, **self.schema.classes}.items():
            may_lack = column in self.schema.classes
            right = table[column].isin(known) | (table[column].isna() & may_lack)
            self._require(column, right, f"one of {', '.join(known)}")
        views = pd.to_numeric(table["view"], errors="coerce").astype(float)
        self._require("view", (views % 1 == 0) & (views >= 0), "0 or a positive whole number")
        once = ~table.duplicated(["path", "view"])
        self._require("path", once, "each file and view once: this one came before")

    def _require(self, column: str, right: pd.Series, expected: str) -> None:
        wrong = np.flatnonzero(~right.to_numpy(dtype=bool, na_value=False))
        if len(wrong):
            first = self.table.iloc[wrong[0]]
            got = f"({first['path']}): column {column} has {first[column]!r}, expected {expected}"
            raise FlamError(f"row {wrong[0]} of {self.name} {got} ({len(wrong)} such row(s))")


def fill_garments(table: pd.DataFrame) -> pd.Series:
    """Garments of all rows: counterfactuals and all photos of their original share a garment."""
    found = table.reindex(columns=["item", "counterfactual_of", "garment"]).astype("string")
    item, made_from, given = (found[column] for column in found)
    original = made_from.fillna(item.where(item.isin(made_from.dropna())))
    if "view" in table:
        original = original.mask((table["view"] != 0).fillna(True).astype(bool))
    known = given.groupby(original).transform("first")
    return given.fillna(known).fillna(original).rename("garment")
