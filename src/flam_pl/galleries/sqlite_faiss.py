"""A gallery in one SQLite file, searched by an index in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from flam_pl.errors import FlamError
from flam_pl.galleries.index_file import beside
from flam_pl.galleries.items import (
    PER_ITEM,
    Distinct,
    Found,
    Info,
    Item,
    Sample,
    Where,
    checked_queries,
)
from flam_pl.galleries.sqlite_items import ItemTable
from flam_pl.galleries.sqlite_state import State

KINDS = ("flat", "hnsw", "ivf_sq8", "ivf_pq")
MOST_FLAT, MOST_SQ8 = 50_000, 20_000_000  # photos


class SqliteGallery:
    """``index``: one of ``KINDS``; None: by the number of photos.

    Several processes and threads may search while one writes. A search sees every batch committed
    before its start.
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
        self._state = State.empty(self.table)

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
        self._state = State.empty(self.table)

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
        """The found photos. With ``distinct``, search more until every query has k photos."""
        most = len(state) if allowed is None else len(allowed)
        wanted = min(k * PER_ITEM if distinct and self.table.has_items() else k, most)
        scores, rows = state.search(self.table, queries, wanted, allowed)
        if not distinct:
            return self._named(scores, rows, k)
        ids: list[list[str]] = [[]] * len(queries)
        kept: list[np.ndarray] = [np.empty(0, np.float32)] * len(queries)
        open_queries = np.arange(len(queries))
        while True:
            found = self._named(scores, rows, k, distinct=True)
            for at, query in enumerate(open_queries):
                ids[query], kept[query] = found.ids[at], found.scores[at]
            open_queries = np.array([q for q in open_queries if len(ids[q]) < k], int)
            if not len(open_queries) or wanted >= most:
                return Found(ids, kept)
            wanted = min(2 * wanted, most)
            scores, rows = state.search(self.table, queries[open_queries], wanted, allowed)

    def _named(self, scores: np.ndarray, rows: np.ndarray, k: int, distinct: bool = False) -> Found:
        known = self.table.describe(np.unique(rows[rows >= 0]))
        found = Found([], [])
        for each, of_query in zip(scores, rows, strict=True):
            photos = Distinct()
            ids: list[str] = []
            best: list[float] = []
            for score, row in zip(each, of_query.tolist(), strict=True):
                if row < 0 or len(ids) == k:
                    break
                id, hash, item = known[row]
                if not distinct or photos.takes(hash, item):
                    ids.append(id)
                    best.append(score)
            found.ids.append(ids)
            found.scores.append(np.array(best, np.float32))
        return found

    # -- the index

    def _refreshed(self) -> State:
        """The state of this transaction, or a newer state made by another thread."""
        changes = self.table.changes()
        if self._state.changes >= changes:
            return self._state
        with self._lock:
            if self._state.changes < changes:
                state = self._state
                if state.changes == 0:
                    state = state.opened(self.table, self._fitting_kind(), changes)
                self._state = state.refreshed(self.table, changes)
            return self._state

    def _fitting_kind(self) -> str:
        if self._kind is not None:
            return self._kind
        rows = len(self)
        return "flat" if rows <= MOST_FLAT else "ivf_sq8" if rows <= MOST_SQ8 else "ivf_pq"

    def build_index(self, sample: Sample | None = None) -> Info:
        """Build the index again for all present photos, and measure it.

        Without a sample, queries are made from photos.
        """
        if sample is not None:
            checked_queries(sample.queries, 10, self.dimension)
        with self.table.transaction(), self._lock:
            changes, kind = self.table.changes(), self._fitting_kind()
            state = State.empty(self.table).opened(self.table, kind, changes, sample, again=True)
            self._state = state.refreshed(self.table, changes)
        return self.info()

    def info(self) -> Info:
        with self.table.transaction():
            state, rows, columns = self._refreshed(), len(self), self.table.columns()
        base = state.base
        own = (self.table.path, Path(f"{self.table.path}-wal"), beside(self.table.path))
        return Info(
            address=str(self.table.path),
            rows=rows,
            dimension=self.dimension,
            space=self.space,
            index=base.facts.kind if base else "flat",
            disk_bytes=sum(path.stat().st_size for path in own if path.exists()),
            memory_bytes=state.bytes,
            recall=base.facts.recall if base else None,
            agreement=base.facts.agreement if base else None,
            hit_rates=base.facts.hit_rates if base else None,
            columns=columns,
        )
