"""The Catalog: ONE validated table for every data set, a row an image.

A reader only turns a layout on disk into a Catalog; everything after it is the same for all data
sets. What a Catalog holds is therefore checked here, once, and trusted everywhere else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flam_pl.attributes import UNLABELLED, AttributeSchema
from flam_pl.datasets.garments import fill_garments
from flam_pl.errors import FlamError
from flam_pl.images import view_seed
from flam_pl.progress import progress

SPLITS = ("train", "val", "evaluation")
DOMAINS = ("shop", "consumer")
COLUMNS = ("path", "item", "domain", "split", "view", "counterfactual_of", "garment")
"""Columns of every catalog; one column per attribute type and the extras follow them."""


class CatalogError(FlamError):
    """A table that is not a valid Catalog: the column, the row and the value are named."""


@dataclass(frozen=True)
class Dropped:
    """A row (or image) that was left out, and why."""

    where: str
    reason: str


@dataclass(frozen=True, eq=False)  # a table has no single truth value, so == stays identity
class Catalog:
    """One validated table for every data set: a row an image.

    Attributes:
        name: name of the data set, used in messages and file names.
        root: folder that the paths are relative to.
        table: RangeIndex; the columns ``path`` (str, posix, relative to ``root``, or absolute where
            the file lies elsewhere), ``item`` (str or NA), ``domain``, ``split``, ``view`` (int;
            0 = the file as it is, v > 0 = the v-th seeded distortion of the same file),
            ``counterfactual_of`` (item of the original, or NA), ``garment`` (what photos of one
            garment share, though their classes differ: real counterfactuals of each other; or NA),
            one nullable string column per attribute type, then the extras.
        schema: attribute types and their classes; a label outside it is an error, not "unlabelled".
        extras: columns nobody trains on (gender, season, ...), kept for inspection.
        traits: those extras that an edited search should keep: what of an item no edit asks about.
        dropped: what the reader left out, and why.
        notes: what the reader found worth saying: counts that differ from the published ones, ...
        gallery: splits whose shop images are searched in instance retrieval.
        contents: path -> SHA-256 of the file, where ``check_photos`` has read it.
    """

    name: str
    root: Path
    table: pd.DataFrame
    schema: AttributeSchema
    extras: tuple[str, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    notes: tuple[str, ...] = ()
    gallery: tuple[str, ...] = ("evaluation",)
    traits: tuple[str, ...] = ()
    contents: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises: CatalogError: naming the first column, row and value that is not allowed."""
        object.__setattr__(self, "root", Path(self.root))
        object.__setattr__(self, "table", self.table.reset_index(drop=True))
        self._check_columns()
        self._check_values()

    @classmethod
    def build(
        cls,
        name: str,
        root: Path,
        table: pd.DataFrame,
        schema: AttributeSchema,
        extras: Sequence[str] = (),
        dropped: Sequence[Dropped] = (),
        notes: Sequence[str] = (),
        gallery: Sequence[str] = ("evaluation",),
        traits: Sequence[str] = (),
    ) -> Catalog:
        """A Catalog from a table that may lack what has an obvious default.

        Defaults: ``item`` and ``counterfactual_of`` NA, ``domain`` "shop", ``view`` 0, a missing
        attribute column all unlabelled; ``garment`` is what ``counterfactual_of`` tells (see
        ``fill_garments``), else NA. Columns come out in the canonical order and with nullable
        string types; columns that are neither known nor named in ``extras`` are left behind.
        """
        filled = table.copy()
        defaults: dict[str, Any] = {
            "item": pd.NA,
            "domain": "shop",
            "view": 0,
            "counterfactual_of": pd.NA,
            "garment": pd.NA,
            **{kind: pd.NA for kind in schema.types},
        }
        for column, value in defaults.items():
            if column not in filled:
                filled[column] = value
        wanted = dict.fromkeys((*COLUMNS, *schema.types, *extras))
        filled = filled[[column for column in wanted if column in filled]]
        strings = [c for c in (*COLUMNS, *schema.types) if c != "view" and c in filled]
        filled = filled.astype({column: "string" for column in strings})
        if pd.api.types.is_string_dtype(filled["view"]):  # a CSV that was read as text
            with suppress(ValueError):  # no number: the check names the row
                filled["view"] = filled["view"].astype("int64")
        filled["garment"] = fill_garments(filled)
        return cls(
            name,
            Path(root),
            filled,
            schema,
            tuple(extras),
            tuple(dropped),
            tuple(notes),
            tuple(gallery),
            tuple(traits),
        )

    def __len__(self) -> int:
        return len(self.table)

    @property
    def paths(self) -> list[Path]:
        """The file of every row; ``(N,)``."""
        return [self.root / path for path in self.table["path"]]

    @cached_property
    def labels(self) -> np.ndarray:
        """Class index of every row and attribute type, ``(N, types)`` int64; UNLABELLED is -1."""
        columns = [self.schema.encode(kind, self.table[kind]) for kind in self.schema.types]
        labels = np.stack(columns, axis=1)
        labels.setflags(write=False)  # shared by every caller
        return labels

    @cached_property
    def items(self) -> np.ndarray:
        """Item code of every row, ``(N,)`` int64: position among the sorted items, -1 for none."""
        codes, _ = pd.factorize(self.table["item"].astype("string"), sort=True)
        codes = codes.astype(np.int64)
        codes.setflags(write=False)
        return codes

    def rows(
        self,
        split: str | None = None,
        domain: str | None = None,
        dense: bool | None = None,
        labelled: bool | None = None,
    ) -> np.ndarray:
        """Indices ``(M,)`` int64 of the rows that meet every condition given (None = any).

        Args:
            split: one of ``SPLITS``.
            domain: one of ``DOMAINS``.
            dense: whether every attribute type is labelled.
            labelled: whether at least one attribute type is labelled.

        Raises:
            CatalogError: an unknown split or domain.
        """
        keep = np.ones(len(self), dtype=bool)
        for column, value, known in (("split", split, SPLITS), ("domain", domain, DOMAINS)):
            if value is None:
                continue
            if value not in known:
                raise CatalogError(f"no {column} {value!r}; expected one of {', '.join(known)}")
            keep &= (self.table[column] == value).to_numpy(dtype=bool)
        has_label = self.labels != UNLABELLED
        if dense is not None:
            keep &= has_label.all(axis=1) == dense
        if labelled is not None:
            keep &= has_label.any(axis=1) == labelled
        return np.flatnonzero(keep).astype(np.int64)

    def instance_rows(self) -> np.ndarray:
        """Rows ``(M,)`` that instance retrieval is measured on, each with an item.

        The consumer images of the evaluation ask; the shop images of ``gallery`` are searched.
        """
        asking = self.rows("evaluation", "consumer")
        searched = [self.rows(split, "shop") for split in dict.fromkeys(self.gallery)]
        rows = np.sort(np.concatenate([asking, *searched]))
        return rows[self.items[rows] >= 0]

    def select(self, rows: np.ndarray | Sequence[int]) -> Catalog:
        """The catalog of these rows, in this order."""
        chosen = np.asarray(rows, dtype=np.int64)
        self._check_row_numbers(chosen)
        return replace(self, table=self.table.iloc[chosen])

    def without(self, bad: Mapping[int, str]) -> Catalog:
        """The catalog without these rows (row -> reason), which move to ``dropped``."""
        gone = np.array(sorted(bad), dtype=np.int64)
        self._check_row_numbers(gone)
        moved = tuple(Dropped(self.image(int(row)), bad[int(row)]) for row in gone)
        kept = np.setdiff1d(np.arange(len(self)), gone)
        if not len(kept):
            raise CatalogError(
                f"{self.name}: all {len(self)} rows are unusable, the first one: {moved[0].where}: "
                f"{moved[0].reason}. Check the images folder {self.root}."
            )
        return replace(self, table=self.table.iloc[kept], dropped=self.dropped + moved)

    @cached_property
    def photo_keys(self) -> np.ndarray:
        """What the feature of each row depends on, ``(N,)`` bytes: the SHA-256 of its file or, for
        a distorted view, of that and the seed of the distortion.

        Raises:
            CatalogError: a file that is not there.
        """
        contents, keys = dict(self.contents), []
        unread = [path for path in self.table["path"].unique() if path not in contents]
        contents |= {path: self._content(path) for path in progress(unread, "hashing photos")}
        for path, view in zip(self.table["path"], self.table["view"], strict=True):
            key = contents[path]
            if view:
                seed = view_seed(self.root / path, int(view))
                key = hashlib.sha256(f"{key}?{seed}".encode()).hexdigest()
            keys.append(key.encode())
        return np.array(keys)

    def _content(self, path: str) -> str:
        try:
            return hashlib.sha256((self.root / path).read_bytes()).hexdigest()
        except OSError as error:
            raise CatalogError(
                f"{self.name}: {self.root / path} cannot be read ({error.strerror}). It was there "
                "when the catalog was made: put it back, or make the catalog again."
            ) from error

    def fingerprint(self) -> str:
        """SHA-256 over ``photo_keys``: what the features depend on, and no label or split."""
        return hashlib.sha256(b"".join(self.photo_keys.tolist())).hexdigest()

    def label_fingerprint(self) -> str:
        """SHA-256 of what training and evaluation depend on besides the features."""
        columns = ("split", "item", "domain", "counterfactual_of", "garment")
        content = {
            # A list of pairs, since the order of the types is part of the schema.
            "schema": list(self.schema.to_dict().items()),
            "labels": self.labels.tolist(),
            **{c: [None if pd.isna(v) else str(v) for v in self.table[c]] for c in columns},
        }
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def image(self, row: int) -> str:
        """A row as messages name it; the line that it came from is known to its reader only."""
        path, view = self.table["path"].iloc[row], self.table["view"].iloc[row]
        return f"{path} (view {view})" if view else str(path)

    def _check_row_numbers(self, rows: np.ndarray) -> None:
        outside = rows[(rows < 0) | (rows >= len(self))]
        if len(outside):
            raise CatalogError(f"{self.name} has the rows 0 to {len(self) - 1}, got {outside[0]}")

    def _check_columns(self) -> None:
        taken = sorted(set(COLUMNS) & {*self.schema.types, *self.extras})
        if taken:
            raise CatalogError(
                f"{self.name}: {', '.join(taken)} cannot name an attribute type or an extra, since "
                f"every catalog has the columns {', '.join(COLUMNS)}. Rename the column."
            )
        unknown = [name for name in self.traits if name not in self.extras]
        if unknown:
            raise CatalogError(
                f"{self.name}: the trait(s) {', '.join(unknown)} are no extra; a trait is one of "
                f"the columns nobody trains on: {', '.join(self.extras) or 'there are none'}"
            )
        wanted = (*COLUMNS, *self.schema.types, *self.extras)
        missing = [column for column in wanted if column not in self.table]
        if missing:
            raise CatalogError(
                f"{self.name}: the table lacks the column(s) {', '.join(missing)}; "
                f"it has {', '.join(map(str, self.table.columns))}"
            )
        if self.table.empty:
            left_out = f" ({len(self.dropped)} were left out)" if self.dropped else ""
            raise CatalogError(
                f"{self.name}: the table has no rows{left_out}; expected at least one image. "
                f"Check the data set under {self.root}."
            )

    def _check_values(self) -> None:
        table = self.table
        is_path = table["path"].map(lambda value: isinstance(value, str) and value != "")
        self._refuse("path", ~is_path.astype(bool), "a path relative to the root")
        for column, known in self._allowed():
            present = table[column].notna()
            optional = column not in ("domain", "split")
            wrong = ~table[column].isin(known) & (present if optional else True)
            self._refuse(column, wrong, f"one of {', '.join(known)}")
        if not pd.api.types.is_integer_dtype(table["view"]):
            whole = pd.to_numeric(table["view"], errors="coerce") % 1 == 0
            self._refuse("view", ~whole, "0 or a positive number")
            raise CatalogError(
                f"{self.name}: column view is {table['view'].dtype}, expected integers"
            )
        self._refuse("view", table["view"].isna() | (table["view"] < 0), "0 or a positive number")
        twice = table.duplicated(["path", "view"])
        self._refuse("path", twice, "each file and view once: this one came before")

    def _allowed(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        yield "domain", DOMAINS
        yield "split", SPLITS
        for kind in self.schema.types:
            yield kind, self.schema.of(kind)

    def _refuse(self, column: str, wrong: pd.Series, expected: str) -> None:
        """Raises: CatalogError: for the first row where ``wrong`` is true."""
        rows = np.flatnonzero(wrong.to_numpy(dtype=bool, na_value=True))
        if len(rows):
            row = int(rows[0])
            raise CatalogError(
                f"row {row} of {self.name} ({self.table['path'].iloc[row]}): column {column} has "
                f"{self.table[column].iloc[row]!r}, expected {expected} ({len(rows)} such row(s))"
            )
