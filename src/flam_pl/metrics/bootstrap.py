"""Bootstrap intervals: how much a figure would move if other queries had been drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.sparse import csr_matrix

BLOCK = 50
"""Resamples drawn at once: all thousand of 50,000 queries would take 400 MB, twice."""


@dataclass(frozen=True)
class Estimate:
    """A measured share with its 95 % interval; ``n`` counts what it was averaged over."""

    value: float
    low: float
    high: float
    n: int

    def to_dict(self) -> dict[str, float | int | None]:
        """Fit for JSON: None where nothing was counted."""
        return {name: v if v == v else None for name, v in asdict(self).items()}


NO_ESTIMATE = Estimate(float("nan"), float("nan"), float("nan"), 0)
"""Where nothing was counted."""


def bootstrap(
    hits: np.ndarray,
    counts: np.ndarray,
    *,
    resamples: int = 1000,
    seed: int = 0,
    items: np.ndarray | None = None,
) -> Estimate:
    """Share of hits with a percentile interval, resampled **by item**.

    The edits of one query, and the photos of one item, succeed or fail together: resampling single
    edits or single photos would give an interval that is far too narrow.

    Args:
        hits: hits of each query image, ``(Q,)``.
        counts: edits (or searches) of each query image, ``(Q,)``; the figure is
            sum(hits) / sum(counts).
        resamples: how many times the items are drawn with replacement.
        seed: of the draw: the same figure twice gives the same interval.
        items: item code of each query image, ``(Q,)``; None: each is an item of its own.

    Returns:
        The share; nan with n = 0 where nothing was counted.
    """
    found = bootstraps(hits[:, None], counts, ("",), resamples=resamples, seed=seed, items=items)
    return found[""]


def bootstraps(
    hits: np.ndarray,
    counts: np.ndarray,
    names: Sequence[str],
    *,
    resamples: int = 1000,
    seed: int = 0,
    items: np.ndarray | None = None,
) -> dict[str, Estimate]:
    """``bootstrap`` of several figures that are averaged over the same edits, with one draw.

    Args:
        hits: of each query image, a column a figure, ``(Q, F)``.
        names: of the figures.
    """
    if counts.sum() == 0:
        return dict.fromkeys(names, NO_ESTIMATE)
    sums = np.column_stack([hits, counts])
    totals = resampled(sums, resamples=resamples, seed=seed, items=items)
    shares, n = ratio(totals[:, :-1], totals[:, -1:]), int(counts.sum())
    return {name: estimate_of(shares[:, f], n) for f, name in enumerate(names)}


def resampled(
    sums: np.ndarray,
    *,
    resamples: int = 1000,
    seed: int = 0,
    items: np.ndarray | None = None,
) -> np.ndarray:
    """Totals over the query images, and over each resample of their items: many figures, one draw.

    Figures that are computed from columns of one call are resampled together, so that a ratio of
    two methods is paired: both of them meet the same queries.

    Args:
        sums: what was summed for each query image, ``(Q, columns)``; Q is at least 1.
        items: item code of each query image, ``(Q,)``; None: each is an item of its own.

    Returns:
        ``(1 + resamples, columns)`` float64, the totals as measured first.
    """
    sums = np.asarray(sums, dtype=np.float64)
    if items is not None:
        codes, position = np.unique(items, return_inverse=True)
        of_items = np.zeros((len(codes), sums.shape[1]))
        np.add.at(of_items, position.reshape(-1), sums)
        sums = of_items
    rng = np.random.default_rng(seed)
    equal = np.full(len(sums), 1 / len(sums))
    totals = [sums.sum(axis=0, keepdims=True)]
    for start in range(0, resamples, BLOCK):
        drawn = rng.multinomial(len(sums), equal, size=min(BLOCK, resamples - start))
        totals.append(drawn.astype(np.float64) @ sums)
    return np.concatenate(totals)


def macro_bootstraps(
    hits: np.ndarray,
    groups: np.ndarray,
    items: np.ndarray,
    names: Sequence[str],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Mean over groups of each group's share of hits: rare groups count as much as frequent ones.

    Args:
        hits: of each edit, a column per figure, ``(E, F)``.
        groups: what is averaged over, e.g. the wanted combination of each edit, ``(E,)``.
        items: what is resampled as one, ``(E,)``. A resample that misses a group leaves it out.
        names: of the figures.
    """
    if not len(hits):
        return dict.fromkeys(names, NO_ESTIMATE)
    _, group = np.unique(groups, return_inverse=True)
    codes, item = np.unique(items, return_inverse=True)
    shape = (len(codes), int(group.max()) + 1)
    counts = csr_matrix((np.ones(len(group)), (item, group)), shape)
    sums = [csr_matrix((hits[:, f].astype(float), (item, group)), shape) for f in range(len(names))]
    rng = np.random.default_rng(seed)
    equal = np.full(len(codes), 1 / len(codes))
    blocks = [np.ones((1, len(codes)))]  # as measured
    for start in range(0, resamples, BLOCK):
        number = min(BLOCK, resamples - start)
        blocks.append(rng.multinomial(len(codes), equal, number).astype(float))
    means = []
    for drawn in blocks:
        below = drawn @ counts
        means.append(np.stack([np.nanmean(ratio(drawn @ of, below), axis=1) for of in sums], 1))
    values = np.concatenate(means)
    return {name: estimate_of(values[:, f], len(hits)) for f, name in enumerate(names)}


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, nan where below is 0."""
    nothing = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    return np.divide(above, below, out=nothing, where=below > 0)


def estimate_of(values: np.ndarray, n: int) -> Estimate:
    """A figure and its percentile interval.

    Args:
        values: as measured, then of each resample, ``(1 + resamples,)``; resamples of nan, in
            which nothing was counted, are left out.
    """
    value, drawn = float(values[0]), values[1:]
    if value != value or n == 0:
        return NO_ESTIMATE
    low, high = np.quantile(drawn[drawn == drawn], [0.025, 0.975])
    return Estimate(value, float(low), float(high), int(n))
