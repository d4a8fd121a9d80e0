"""A gallery in one SQLite file, searched by an index in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from flam_pl.errors import FlamError
from flam_pl.galleries.flat import Best, Flat
from flam_pl.galleries.sqlite_items import ItemTable
from flam_pl.galleries.stored import Found, Info, Item, Where, checked_queries

KINDS = ("flat",)
FILTERS = 8  # whose rows are remembered


class SqliteGallery:
    """``index``: one of ``KINDS``; else the one that fits the number of photos.

    Several processes and threads may search while one writes. A search finds every batch that was
    committed before it began.
    """

    def __init__(
        self,
        path: str | Path,
        space: str | None = None,
        dimension: int | None = None,
        *,
        index: str | None = None,
    ) -> None:
        if index is not None and index not in KINDS:
            raise FlamError(f"there is no index {index!r}; choose one of {', '.join(KINDS)}")
        self.table = ItemTable(Path(path), space, dimension)
        self.space, self.dimension = self.table.space, self.table.dimension
        self._lock = threading.Lock()
        self._kind = index
        self._state = State(0, Flat.empty(self.dimension))

    def __len__(self) -> int:
        return self.table.count()

    def add(self, items: Sequence[Item]) -> None:
        self.table.add(items)

    def delete(self, ids: Sequence[str]) -> int:
        return self.table.delete(ids)

    def fetch(self, ids: Sequence[str]) -> list[Item]:
        return self.table.fetch(ids)

    def ids(self, offset: int, limit: int, where: Where | None = None) -> list[str]:
        return self.table.ids(offset, limit, where)

    def stamps(self) -> dict[str, tuple[str, str]]:
        return self.table.stamps()

    def count(self, where: Where | None = None) -> int:
        return self.table.count(where)

    def facets(
        self, columns: Sequence[str], where: Where | None = None
    ) -> dict[str, dict[str, int]]:
        return self.table.facets(columns, where)

    def close(self) -> None:
        self.table.close()
        self._state = State(0, Flat.empty(self.dimension))

    # -- searching

    def search(
        self, vectors: np.ndarray, k: int, where: Where | None = None, distinct: bool = False
    ) -> Found:
        queries = checked_queries(vectors, k, self.dimension)
        while True:
            # a state that another thread made is newer than this transaction: begin another
            with self.table.transaction():
                state = self._refreshed()
                if state.changes == self.table.changes():
                    allowed = state.allowed(self.table, where)
                    return self._found(state, queries, k, allowed, distinct)

    def _found(
        self, state: State, queries: np.ndarray, k: int, allowed: np.ndarray | None, distinct: bool
    ) -> Found:
        """Found photos; with ``distinct``, more are searched until k are left of every query."""
        most = len(state.flat) if allowed is None else len(allowed)
        scores, rows = state.search(queries, min(k, most), allowed)
        if not distinct:
            return self._named(scores, rows, k)
        ids: list[list[str]] = [[]] * len(queries)
        kept: list[np.ndarray] = [np.empty(0, np.float32)] * len(queries)
        open_queries, wanted = np.arange(len(queries)), min(k, most)
        while True:
            found = self._named(scores, rows, k, distinct=True)
            for at, query in enumerate(open_queries):
                ids[query], kept[query] = found.ids[at], found.scores[at]
            open_queries = np.array([q for q in open_queries if len(ids[q]) < k], int)
            if not len(open_queries) or wanted >= most:
                return Found(ids, kept)
            wanted = min(2 * wanted, most)
            scores, rows = state.search(queries[open_queries], wanted, allowed)

    def _named(self, scores: np.ndarray, rows: np.ndarray, k: int, distinct: bool = False) -> Found:
        known = self.table.describe(np.unique(rows[rows >= 0]))
        found = Found([], [])
        for each, of_query in zip(scores, rows, strict=True):
            seen: set[str] = set()
            ids: list[str] = []
            best: list[float] = []
            for score, row in zip(each, of_query.tolist(), strict=True):
                if row < 0 or len(ids) == k:
                    break
                id, hash = known[row]
                if not distinct or hash not in seen:
                    seen.add(hash)
                    ids.append(id)
                    best.append(score)
            found.ids.append(ids)
            found.scores.append(np.array(best, np.float32))
        return found

    def _refreshed(self) -> State:
        """The state of this transaction, or the newer one of another thread."""
        changes = self.table.changes()
        if self._state.changes >= changes:
            return self._state
        with self._lock:
            if self._state.changes < changes:
                self._state = self._state.refreshed(self.table, changes)
            return self._state

    def info(self) -> Info:
        with self.table.transaction():
            rows = len(self)
            columns = self.table.columns()
        beside = (self.table.path, Path(f"{self.table.path}-wal"))
        return Info(
            address=str(self.table.path),
            rows=rows,
            dimension=self.dimension,
            space=self.space,
            index="flat",
            disk_bytes=sum(path.stat().st_size for path in beside if path.exists()),
            memory_bytes=rows * (4 * self.dimension + 9),
            columns=columns,
        )


class State:
    """The index at one count of changes; another one is made when the gallery has changed."""

    def __init__(self, changes: int, flat: Flat) -> None:
        self.changes, self.flat = changes, flat
        self._filters: dict[str, np.ndarray] = {}

    def refreshed(self, table: ItemTable, changes: int) -> State:
        flat = self.flat.without(table.removed(self.changes))
        last = int(self.flat.rows[-1]) if len(self.flat.rows) else 0
        fresh = table.rows(after=last)
        memory, part = flat.room(len(fresh))
        table.vectors(fresh, out=part)
        return State(changes, flat.with_rows(fresh, memory))

    def search(self, queries: np.ndarray, k: int, allowed: np.ndarray | None) -> Best:
        return self.flat.search(queries, k, allowed)

    def allowed(self, table: ItemTable, where: Where | None) -> np.ndarray | None:
        """The rows that ``where`` lets through, remembered for the next search."""
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
