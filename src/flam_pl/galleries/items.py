"""The photos of stored galleries, the galleries' interface, and the checks of all galleries.

A gallery vector is ``[unit feature; log-posteriors]``, of V numbers. A photo's score is the inner
product of its vector with the query vector.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from flam_pl.errors import FlamError

Value = str | int | float | None
"""A photo's value in a column; ``None`` for no value."""


@dataclass(frozen=True)
class Range:
    """Numbers from ``least`` to ``most``, both included; ``None`` leaves an end open."""

    least: float | None = None
    most: float | None = None


Where = Mapping[str, Value | Sequence[Value] | Range]
"""Column -> the value, values or range that a photo must have; all conditions must hold."""

ITEM = "item"
"""The column with the item (product) that a photo shows; several photos may show one item."""
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
LONGEST_ID = 1000
PER_ITEM = 4  # photos of one item that a search for distinct ones expects


class UnknownItem(FlamError):
    """No photo of the gallery has this id."""

    def __init__(self, id: str) -> None:
        super().__init__(f"the gallery holds no photo {id!r}")
        self.id = id


@dataclass(frozen=True)
class Item:
    """A photo of a gallery."""

    id: str
    uri: str  # path, as given, or address
    columns: Mapping[str, Value]
    hash: str  # SHA-256 of the file's bytes, in hex
    vector: np.ndarray  # (V,) float16
    length: float = 1.0  # of the feature, before it was made a unit vector
    stamp: str = ""  # size and time of the file when it was hashed, and CRC-32 of the columns


@dataclass(frozen=True)
class Found:
    """Per query, ids and scores of the photos, best first; fewer than k in a small gallery."""

    ids: list[list[str]]
    scores: list[np.ndarray]


@dataclass(frozen=True)
class Sample:
    """Typical queries, for building and measuring an index."""

    queries: np.ndarray  # (Q, V)
    classes: Sequence[int] = ()  # per attribute type, of which a vector ends in log-posteriors


@dataclass(frozen=True)
class Info:
    """A description of a gallery."""

    address: str
    rows: int
    dimension: int
    space: str
    index: str  # "flat", "hnsw", "ivf_sq8", "ivf_pq", or the cluster's
    disk_bytes: int
    memory_bytes: int  # of the vectors and the index in this process, when it searches
    recall: float | None = None  # share of the exact first ten that the index finds
    agreement: float | None = None  # share of queries whose first ten are the exact ones
    hit_rates: tuple[float, float] | None = None  # T@10 of the index, and of the exact search
    columns: Mapping[str, str] = field(default_factory=dict)  # name -> "text" or "number"

    def lines(self) -> Iterator[str]:
        yield f"{self.rows:,} photos in {self.address}, {self.dimension} numbers each"
        each = max(self.rows, 1)
        disk, memory = self.disk_bytes / each, self.memory_bytes / each
        yield f"{disk:,.0f} bytes of disk and {memory:,.0f} bytes of memory per photo"
        found = "exact"
        if self.recall is not None and self.agreement is not None:
            found = quality(self.recall, self.agreement, self.hit_rates)
        yield f"index {self.index}: {found}"
        yield f"made by the bundle {self.space}"
        if self.columns:
            yield "columns: " + ", ".join(f"{n} ({kind})" for n, kind in self.columns.items())

    def __str__(self) -> str:
        return "\n".join(self.lines())


def quality(recall: float, agreement: float, hit_rates: Sequence[float] | None) -> str:
    """An approximate index compared with the exact search, in words.

    >>> quality(0.995, 0.97, (0.72, 0.73))
    'recall@10 0.995, same first ten for 97.0% of the queries, T@10 0.720 (exact 0.730)'
    """
    rates = ", T@10 {:.3f} (exact {:.3f})".format(*hit_rates) if hit_rates else ""
    return f"recall@10 {recall:.3f}, same first ten for {agreement:.1%} of the queries{rates}"


class StoredGallery(Protocol):
    """Photos by id, searched by vectors, filtered by columns."""

    space: str  # fingerprint of the networks that made the vectors
    dimension: int

    def __len__(self) -> int: ...

    def add(self, items: Sequence[Item]) -> None:
        """Add photos, or replace those of the same ids: all of them or none, durable on return."""
        ...

    def delete(self, ids: Sequence[str]) -> int:
        """Delete photos; return the number deleted. Unknown ids are ignored."""
        ...

    def search(
        self, vectors: np.ndarray, k: int, where: Where | None = None, distinct: bool = False
    ) -> Found:
        """Per query vector ``(Q, V)``, the k photos with the highest scores.

        ``distinct``: of photos with the same hash or the same value in column ``ITEM``, only the
        best is found.
        """
        ...

    def fetch(self, ids: Sequence[str]) -> list[Item]:
        """The photos with these ids, in this order.

        Raises:
            UnknownItem: the gallery has no photo of an id.
        """
        ...

    def ids(self, offset: int, limit: int, where: Where | None = None) -> list[str]:
        """A page of the catalogue, in the order in which the photos were first added."""
        ...

    def stamps(self) -> dict[str, tuple[str, str]]:
        """Id -> (stamp, hash) of every photo."""
        ...

    def count(self, where: Where | None = None) -> int: ...

    def facets(
        self, columns: Sequence[str], where: Where | None = None
    ) -> dict[str, dict[str, int]]:
        """Column -> value, as text -> number of photos; the most frequent value first."""
        ...

    def info(self) -> Info: ...

    def close(self) -> None: ...


class Distinct:
    """The hashes and items already found for one query."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, Value]] = set()

    def takes(self, hash: str, item: Value) -> bool:
        """Whether hash and item are new, and remember them. An item may be None.

        >>> found = Distinct()
        >>> [found.takes(*photo) for photo in [("a", 1), ("b", "1"), ("a", None), ("c", None)]]
        [True, False, False, True]
        """
        names = {("hash", hash)} | ({("item", str(item))} if item is not None else set())
        if names & self._seen:
            return False
        self._seen |= names
        return True


def check_gallery(
    address: str, found: tuple[str, int], space: str | None, dimension: int | None
) -> None:
    """Raise FlamError if space or dimension is not as expected."""
    if space is not None and found[0] != space:
        raise FlamError(
            f"{address}: this gallery was made by another bundle: its vectors are of {found[0]!r}, "
            f"not of {space!r}. Open it with the bundle that made it, or index the photos into "
            "another gallery"
        )
    if dimension is not None and found[1] != dimension:
        raise FlamError(
            f"{address}: the vectors of this gallery have {found[1]} numbers, not {dimension}"
        )


def no_gallery(address: str) -> FlamError:
    return FlamError(f"{address}: there is no gallery. Make one with `flam-pl index build`")


def checked_vectors(items: Sequence[Item], dimension: int) -> np.ndarray:
    """The photos' vectors ``(B, V)`` float16, after a check of all fields. Raises FlamError."""
    for item in items:
        check_names(item.id, item.uri, item.columns)
        if not math.isfinite(item.length):
            raise FlamError(f"photo {item.id!r}: its length is {item.length}, not a finite number")
        if np.shape(item.vector) != (dimension,):
            raise FlamError(
                f"photo {item.id!r}: its vector has the shape {np.shape(item.vector)}; this "
                f"gallery takes ({dimension},)"
            )
    vectors = np.zeros((len(items), dimension), np.float16)
    for row, item in enumerate(items):
        with np.errstate(over="ignore"):
            vectors[row] = item.vector
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        bad = items[int(np.argmin(finite))].id
        raise FlamError(f"photo {bad!r}: its vector holds a number that is not finite in float16")
    return vectors


def check_names(id: str, uri: str, columns: Mapping[str, Value]) -> None:
    """Raise FlamError for an id, an address or columns that cannot be stored."""
    if not id or len(id) > LONGEST_ID:
        raise FlamError(
            f"the id of photo {uri!r} has {len(id):,} letters; expected 1 to {LONGEST_ID:,}"
        )
    for what, text in (("id", id), ("uri", uri)):
        check_text(f"the {what} of a photo", text)
    for name, value in columns.items():
        check_text("the name of a column", name)
        check_value(name, value, f"photo {id!r}")


def checked_queries(vectors: np.ndarray, k: int, dimension: int) -> np.ndarray:
    """The query vectors ``(Q, V)`` as float32. FlamError for a wrong shape, nan or k below 1."""
    vectors = np.asarray(vectors, np.float32)
    if vectors.ndim != 2 or vectors.shape[1] != dimension:
        raise FlamError(
            f"query vectors have the shape {vectors.shape}; this gallery takes (Q, {dimension})"
        )
    if not np.isfinite(vectors).all():
        raise FlamError("a query vector holds a number that is not finite")
    if k < 1:
        raise FlamError(f"k is {k}: at least one photo must be wanted")
    return np.ascontiguousarray(vectors)


def check_text(what: str, text: str) -> None:
    """Raise FlamError for text that cannot be stored: half a surrogate pair, or NUL."""
    if not isinstance(text, str):
        raise FlamError(f"{what} is {text!r}, not a text")
    if "\0" in text or not text.isascii() and text.encode("utf-8", "ignore").decode() != text:
        raise FlamError(f"{what} is {text!r}, which is not a text of Unicode")


def check_value(column: str, value: Value, where: str) -> None:
    if isinstance(value, str):
        check_text(f"{where}: column {column!r}", value)
    elif value is not None and not isinstance(value, (int, float)):
        raise FlamError(f"{where}: column {column!r} is {value!r}, neither a text nor a number")
    elif value is not None and not (math.isfinite(value) and abs(value) < 2**63):
        raise FlamError(f"{where}: column {column!r} is {value!r}, not a number that can be stored")


def check_where(where: Where | None, columns: Sequence[str]) -> None:
    """Raise FlamError for an unknown column, and for a value that no column can have."""
    for name, wanted in (where or {}).items():
        if name not in columns:
            known = ", ".join(columns) or "none"
            raise FlamError(f"the gallery has no column {name!r}; its columns are: {known}")
        for value in wanted_values(wanted):
            check_value(name, value, "filter")


def wanted_values(wanted: Value | Sequence[Value] | Range) -> list[Value]:
    """The values of one condition; the ends of a range.

    >>> wanted_values("red"), wanted_values(["red", None]), wanted_values(Range(most=5))
    (['red'], ['red', None], [None, 5])
    """
    if isinstance(wanted, Range):
        return [wanted.least, wanted.most]
    if wanted is None or isinstance(wanted, (str, int, float)):
        return [wanted]
    if isinstance(wanted, Sequence):
        return list(wanted)
    raise FlamError(f"a filter is {wanted!r}: not a value, values, or a range")


def number_in(text: str) -> int | float | None:
    """The number that a text is; None for words, and for codes such as 007 and 1e2.

    >>> [number_in(text) for text in ("7", "-0.50", "007", "1e2", "9" * 20)]
    [7, -0.5, None, None, None]
    """
    if not NUMBER.fullmatch(text) or abs(float(text)) >= 2**63:
        return None
    return float(text) if "." in text else int(text)


def either_form(values: Sequence[Value]) -> list[Value]:
    """The values; also each number as a text, and each text of a number as the number. A column can
    hold both.

    >>> either_form(["red", 36, "7.5", "007", None])
    ['red', 36, '36', '7.5', 7.5, '007', None]
    """
    found: list[Value] = []
    for value in values:
        other: Value = number_in(value) if isinstance(value, str) else None
        if isinstance(value, int | float):
            other = str(int(value) if value == int(value) else value)
        found += [value] if other is None else [value, other]
    return found
