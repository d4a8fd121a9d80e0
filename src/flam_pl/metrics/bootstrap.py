"""Bootstrap intervals (Efron, Annals of Statistics 1979).

Whole items are drawn, because the edits of one item succeed together: ``items (Q,)`` are codes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import chain

import numpy as np
from scipy.sparse import csr_matrix

BLOCK = 50  # draws per step, which bounds the memory
REMEMBERED = 10**7  # largest set of draws that is remembered, in numbers; four are: 80 MB each


@dataclass(frozen=True)
class Estimate:
    """A mean over ``n`` cases with its 95 % interval."""

    value: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    n: int = 0

    def to_dict(self) -> dict[str, float | int | None]:
        return {name: v if v == v else None for name, v in asdict(self).items()}


Draws = tuple[int, int]
"""Number of draws, and their seed."""


def bootstraps(
    hits: np.ndarray, counts: np.ndarray, names: Sequence[str], items: np.ndarray, draws: Draws
) -> dict[str, Estimate]:
    """F shares sum(hits) / sum(counts): hits ``(Q, F)``, counts ``(Q,)``, item codes ``(Q,)``.

    >>> hits = np.array([[1], [0], [1], [1]])
    >>> bootstraps(hits, np.ones(4), ["T@1"], np.arange(4), (1000, 0))
    {'T@1': Estimate(value=0.75, low=0.25, high=1.0, n=4)}
    """
    if counts.sum() == 0:
        return dict.fromkeys(names, Estimate())
    totals = resampled(np.column_stack([hits, counts]), items, draws)
    shares, n = ratio(totals[:, :-1], totals[:, -1:]), int(counts.sum())
    return {name: estimate_of(shares[:, f], n) for f, name in enumerate(names)}


def resampled(sums: np.ndarray, items: np.ndarray, draws: Draws) -> np.ndarray:
    """Column sums of ``sums (Q, C)``: as measured, then of each draw, ``(1 + draws, C)``.

    >>> resampled(np.ones((3, 2)), np.arange(3), (1, 0)).tolist()
    [[3.0, 3.0], [3.0, 3.0]]
    """
    codes, position = np.unique(items, return_inverse=True)
    of_items = np.zeros((len(codes), sums.shape[1]))
    np.add.at(of_items, position.reshape(-1), sums)
    drawn = [times @ of_items for times in _draws(len(codes), *draws)]
    return np.concatenate([of_items.sum(axis=0, keepdims=True), *drawn])


def _draws(items: int, resamples: int, seed: int) -> Iterable[np.ndarray]:
    """How often each draw takes each item, in blocks ``(at most BLOCK, items)``."""
    make = _new_draws if items * resamples > REMEMBERED else _remembered_draws
    return make(items, resamples, seed)


@lru_cache(maxsize=4)  # one evaluation asks for the same draws hundreds of times
def _remembered_draws(items: int, resamples: int, seed: int) -> list[np.ndarray]:
    return list(_new_draws(items, resamples, seed))


def _new_draws(items: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    rng, equal = np.random.default_rng(seed), np.full(items, 1 / items)
    for start in range(0, resamples, BLOCK):
        yield rng.multinomial(items, equal, size=min(BLOCK, resamples - start)).astype(np.float64)


def macro_bootstraps(
    hits: np.ndarray, groups: np.ndarray, names: Sequence[str], items: np.ndarray, draws: Draws
) -> dict[str, Estimate]:
    """Mean over ``groups (E,)`` of each group's share of hits ``(E, F)``; item codes ``(E,)``.

    >>> hits, groups = np.array([[1], [1], [1], [0]]), np.array([0, 0, 0, 1])
    >>> macro_bootstraps(hits, groups, ["T@1"], np.arange(4), (9, 0))["T@1"].value
    0.5
    """
    if not len(hits):
        return dict.fromkeys(names, Estimate())
    _, group = np.unique(groups, return_inverse=True)
    codes, item = np.unique(items, return_inverse=True)
    shape = (len(codes), int(group.max()) + 1)
    columns = (np.ones(len(group)), *hits.astype(float).T)
    counts, *sums = (csr_matrix((column, (item, group)), shape) for column in columns)
    means = []
    for times in chain([np.ones((1, len(codes)))], _draws(len(codes), *draws)):
        edits = times @ counts
        means.append(np.stack([np.nanmean(ratio(times @ of, edits), axis=1) for of in sums], 1))
    values = np.concatenate(means)
    return {name: estimate_of(values[:, f], len(hits)) for f, name in enumerate(names)}


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, of any shapes that broadcast; nan where below is 0.

    >>> ratio(np.array([1.0, 2.0]), np.array([0.0, 4.0]))
    array([nan, 0.5])
    """
    nothing = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    return np.divide(above, below, out=nothing, where=below > 0)


def estimate_of(values: np.ndarray, n: int) -> Estimate:
    """The estimate from ``values (1 + draws,)``, the measured value first; nan is left out.

    >>> estimate_of(np.array([0.5, 0.4, 0.6, np.nan]), n=10)
    Estimate(value=0.5, low=0.405, high=0.595, n=10)
    """
    value, drawn = float(values[0]), values[1:]
    if value != value or n == 0:
        return Estimate()
    known = drawn[drawn == drawn]
    low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (np.nan, np.nan)
    return Estimate(value, float(low), float(high), int(n))


class PairedShares:
    """Compares F shares (hits / edits) of methods on the same draws.

    ``sums``: per method, each query's hits ``(Q, F)``. ``counts``: each query's edits ``(Q,)``.

    >>> sums = {"weak": np.array([[1], [0]]), "strong": np.array([[2], [0]])}
    >>> paired = PairedShares(sums, np.array([2, 2]), ["T@1"], np.arange(2), (9, 0))
    >>> paired.divided_by("weak")["strong"]["T@1"].value
    2.0
    """

    def __init__(
        self,
        sums: Mapping[str, np.ndarray],
        counts: np.ndarray,
        names: Sequence[str],
        items: np.ndarray,
        draws: Draws,
    ) -> None:
        self.methods, self.names, self.count = tuple(sums), tuple(names), int(counts.sum())
        columns = np.concatenate([*sums.values(), counts[:, None]], axis=1)
        totals = resampled(columns, items, draws)
        shares = ratio(totals[:, :-1], totals[:, -1:])
        self.shares = shares.reshape(len(totals), len(self.methods), len(self.names))

    def divided_by(self, reference: str) -> dict[str, dict[str, Estimate]]:
        """Method -> name -> ratio to the share of ``reference``; n = 0 for a share of 0."""
        return self._against(reference, ratio)

    def minus(self, reference: str) -> dict[str, dict[str, Estimate]]:
        """Method -> name -> share minus that of ``reference``."""
        return self._against(reference, np.subtract)

    def _against(
        self, reference: str, compare: Callable[[np.ndarray, np.ndarray], np.ndarray]
    ) -> dict[str, dict[str, Estimate]]:
        values = compare(self.shares, self.shares[:, [self.methods.index(reference)]])
        return {
            method: {
                name: estimate_of(values[:, m, f], self.count) for f, name in enumerate(self.names)
            }
            for m, method in enumerate(self.methods)
        }
