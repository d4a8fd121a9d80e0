"""Exact search: the product of the queries with every vector, in memory.

NumPy's product uses all cores and is faster than a flat index of FAISS on the same vectors.
"""

from __future__ import annotations

import numpy as np

MOST_SCORES = 2**25  # at once: 128 MB
DEAD = 0.2  # share of removed vectors at which the others move together
FEW = 0.1  # share of the vectors below which they are copied, rather than all multiplied

Best = tuple[np.ndarray, np.ndarray]
"""Scores and rows ``(Q, k)``, best first; row -1 for no result."""


class Flat:
    """Vectors in memory, by ascending row number. Immutable: an update makes a new object.

    The new object appends its vectors in the same memory, so other threads may search the old
    object meanwhile.
    """

    kind = "flat"

    def __init__(self, rows: np.ndarray, memory: np.ndarray, alive: np.ndarray) -> None:
        self.rows, self.alive = rows, alive
        self._memory = memory  # (capacity, V); the first len(rows) are in use
        self._dead = int((~alive).sum())

    @classmethod
    def empty(cls, dimension: int) -> Flat:
        memory = np.empty((0, dimension), np.float32)
        return cls(np.empty(0, np.int64), memory, np.empty(0, bool))

    def __len__(self) -> int:
        return len(self.rows) - self._dead

    @property
    def bytes(self) -> int:
        return self.rows.nbytes + self.alive.nbytes + len(self.rows) * self._memory.strides[0]

    def without(self, rows: np.ndarray) -> Flat:
        """A copy without these rows; unknown rows are ignored."""
        gone = np.isin(self.rows, rows) & self.alive
        if not gone.any():
            return self
        alive = self.alive & ~gone
        if alive.sum() < (1 - DEAD) * len(alive):
            return Flat(self.rows[alive], self._memory[: len(alive)][alive], alive[alive])
        return Flat(self.rows, self._memory, alive)

    def room(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Memory for ``count`` more vectors, and the part to fill."""
        used = len(self.rows)
        memory = self._memory
        if used + count > len(memory):
            # pages that are not written take no memory
            memory = np.empty((used + count + max(1024, used // 4), memory.shape[1]), np.float32)
            memory[:used] = self._memory[:used]
        return memory, memory[used : used + count]

    def with_rows(self, rows: np.ndarray, memory: np.ndarray) -> Flat:
        """A new index with further rows, whose vectors were written to ``room``."""
        alive = np.concatenate([self.alive, np.ones(len(rows), bool)])
        return Flat(np.concatenate([self.rows, rows]), memory, alive)

    def search(self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None) -> Best:
        """``allowed``: ascending rows of this object that may be found; None: all rows."""
        vectors, rows = self._memory[: len(self.rows)], self.rows
        held = self.alive if self._dead else None
        if allowed is not None:
            inside = np.zeros(len(rows), bool)
            inside[np.searchsorted(rows, allowed)] = True
            held = inside if held is None else inside & held
            if held.sum() < FEW * len(rows):
                vectors, rows, held = vectors[held], rows[held], None
        return best_of(queries, vectors, rows, k, held)


def best_of(
    queries: np.ndarray,
    vectors: np.ndarray,
    rows: np.ndarray,
    k: int,
    held: np.ndarray | None = None,
) -> Best:
    """The k best of ``vectors (N, V)`` whose ``held (N,)`` is true."""
    count = min(k, len(rows))
    chunk = max(1, MOST_SCORES // max(1, len(rows)))
    scores = np.empty((len(queries), count), np.float32)
    found = np.full((len(queries), count), -1, np.int64)
    for start in range(0, len(queries), chunk):
        part = products(queries[start : start + chunk], vectors)
        if held is not None:
            part[:, ~held] = -np.inf
        for at, row in enumerate(part, start):
            scores[at], found[at] = top(row, rows, count)
    return scores, found


def products(queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Scores ``(Q, N)``; for one query by a matrix-vector product, which is faster."""
    if len(queries) == 1:
        return (vectors @ queries[0])[None]
    return queries @ vectors.T


def top(scores: np.ndarray, rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``count`` best, best first; of equal scores, the lower row first. Score -inf: row -1."""
    best = np.arange(len(scores))
    if count < len(scores):
        best = np.argpartition(scores, len(scores) - count)[len(scores) - count :]
    best = best[np.lexsort((rows[best], -scores[best]))]
    return scores[best], np.where(scores[best] > -np.inf, rows[best], -1)


def merged(parts: list[Best], k: int) -> Best:
    """The k best results of several searches with the same queries."""
    scores = np.concatenate([part[0] for part in parts], axis=1)
    rows = np.concatenate([part[1] for part in parts], axis=1)
    scores = np.where(rows >= 0, scores, -np.inf)
    pairs = [top(s, r, min(k, len(s))) for s, r in zip(scores, rows, strict=True)]
    shape = (len(scores), min(k, scores.shape[1]))
    return (
        np.array([pair[0] for pair in pairs], np.float32).reshape(shape),
        np.array([pair[1] for pair in pairs], np.int64).reshape(shape),
    )
