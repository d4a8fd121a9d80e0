"""The index of a SQLite gallery in memory, as of one change."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from flam_pl.atomic_io import only_writer
from flam_pl.galleries.ann import KINDS, Approximate, build
from flam_pl.galleries.flat import Best, Flat, merged
from flam_pl.galleries.index_file import beside, read_index, write_index
from flam_pl.galleries.items import Sample, Where, quality
from flam_pl.galleries.sqlite_items import ItemTable

FEWEST = 1000  # photos of an approximate index
REBUILT, EXTENDED = 0.2, 0.02  # share of the photos that changed since the index was written
FILTERS = 8  # whose rows are remembered


class State:
    """All that a search needs, in memory. Immutable: a changed gallery gets a new state.

    ``base``: the approximate index from the file; ``gone``: rows of ``base`` deleted since;
    ``flat``: photos added since.
    """

    def __init__(self, changes: int, base: Approximate | None, gone: np.ndarray, flat: Flat):
        self.changes, self.base, self.gone, self.flat = changes, base, gone, flat
        self._filters: dict[str, np.ndarray] = {}

    @classmethod
    def empty(cls, table: ItemTable) -> State:
        return cls(0, None, np.empty(0, np.int64), Flat.empty(table.dimension))

    def __len__(self) -> int:
        return len(self.flat) + (len(self.base.rows) - len(self.gone) if self.base else 0)

    @property
    def bytes(self) -> int:
        return self.flat.bytes + (self.base.bytes if self.base else 0)

    def opened(
        self,
        table: ItemTable,
        kind: str,
        changes: int,
        sample: Sample | None = None,
        again: bool = False,
    ) -> State:
        """This empty state with the index of the file: read, extended or built."""
        rows = table.rows()
        if kind not in KINDS or len(rows) < FEWEST:
            return self
        path = beside(table.path)
        base = None if again else read_index(path, kind, table.key, changes)
        if base is None or not _fits(base, rows):
            with suppress(OSError), only_writer(path):  # OSError: the folder cannot be written
                base = None if again else read_index(path, kind, table.key, changes)
                base = self._renewed(table, base, kind, rows, changes, sample)
                write_index(path, base)
        if base is None:
            base = self._renewed(table, None, kind, rows, changes, sample)
        return State(0, base, np.setdiff1d(base.rows, rows, assume_unique=True), self.flat)

    def _renewed(
        self,
        table: ItemTable,
        base: Approximate | None,
        kind: str,
        rows: np.ndarray,
        changes: int,
        sample: Sample | None,
    ) -> Approximate:
        if base is not None and _changed(base, rows) <= REBUILT:
            return base.extended(rows[rows > base.rows[-1]], table, changes)
        made = build(kind, table, rows, sample, table.key, changes)
        facts = made.facts
        print(
            f"index {kind} of {len(rows):,} photos: built in {facts.seconds:.0f} s, "
            f"{quality(facts.recall, facts.agreement, facts.hit_rates)}, "
            f"{made.bytes / len(rows):,.0f} bytes of memory per photo",
            flush=True,
        )
        return made

    def refreshed(self, table: ItemTable, changes: int) -> State:
        """This state, after later additions and removals."""
        # the rows of an index that was just opened are compared already
        removed = table.removed(self.changes) if self.changes else np.empty(0, np.int64)
        flat, gone, last = self.flat.without(removed), self.gone, 0
        if self.base is not None:
            gone = np.union1d(gone, removed[np.isin(removed, self.base.rows)])
            last = int(self.base.rows[-1])
        if len(flat.rows):
            last = int(flat.rows[-1])
        fresh = table.rows(after=last)
        memory, part = flat.room(len(fresh))
        table.vectors(fresh, out=part)
        return State(changes, self.base, gone, flat.with_rows(fresh, memory))

    def search(
        self, table: ItemTable, queries: np.ndarray, k: int, allowed: np.ndarray | None
    ) -> Best:
        if self.base is None:
            return self.flat.search(queries, k, allowed)
        border = int(self.base.rows[-1])
        behind = None if allowed is None else allowed[allowed > border]
        best = self.base.search(table, queries, k, allowed, self.gone)
        return merged([best, self.flat.search(queries, k, behind)], k)

    def allowed(self, table: ItemTable, where: Where | None) -> np.ndarray | None:
        """The rows that fit ``where``, remembered for the next search."""
        if not where:
            return None
        key = repr(sorted(where.items(), key=lambda pair: pair[0]))
        rows = self._filters.get(key)
        if rows is None:
            rows = table.rows(where)
            if len(self._filters) >= FILTERS:
                self._filters.clear()
            self._filters[key] = rows
        return rows


def _changed(base: Approximate, rows: np.ndarray) -> float:
    """Added and deleted photos since the index, as a share of all photos."""
    fresh = int((rows > base.rows[-1]).sum())
    gone = len(base.rows) - (len(rows) - fresh)
    return (fresh + gone) / len(rows)


def _fits(base: Approximate, rows: np.ndarray) -> bool:
    return _changed(base, rows) <= EXTENDED
