"""Bootstrap intervals: how much a figure would move if other queries had been drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

BLOCK = 50
"""Resamples drawn at once: all thousand of 50,000 queries would take 400 MB, twice."""


@dataclass(frozen=True)
class Figure:
    """A measured share with its 95 % interval; ``n`` counts what it was averaged over."""

    value: float
    low: float
    high: float
    n: int

    def to_dict(self) -> dict[str, float | int | None]:
        """Fit for JSON: None where nothing was counted."""
        return {name: v if v == v else None for name, v in asdict(self).items()}


NOTHING = Figure(float("nan"), float("nan"), float("nan"), 0)
"""Where nothing was counted."""


def bootstrap(
    hits: np.ndarray, counts: np.ndarray, *, resamples: int = 1000, seed: int = 0
) -> Figure:
    """Share of hits with a percentile interval, resampled **by query image**.

    The edits of one query succeed or fail together, so resampling single edits would give an
    interval that is far too narrow.

    Args:
        hits: hits of each query image, ``(Q,)``.
        counts: edits (or searches) of each query image, ``(Q,)``; the figure is
            sum(hits) / sum(counts).
        resamples: how many times Q query images are drawn with replacement.
        seed: of the draw: the same figure twice gives the same interval.

    Returns:
        The share; nan with n = 0 where nothing was counted.
    """
    return bootstraps(hits[:, None], counts, ("",), resamples=resamples, seed=seed)[""]


def bootstraps(
    hits: np.ndarray,
    counts: np.ndarray,
    names: Sequence[str],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Figure]:
    """``bootstrap`` of several figures that are averaged over the same edits, with one draw.

    Args:
        hits: of each query image, a column a figure, ``(Q, F)``.
        names: of the figures.
    """
    if counts.sum() == 0:
        return dict.fromkeys(names, NOTHING)
    totals = resampled(np.column_stack([hits, counts]), resamples=resamples, seed=seed)
    shares, n = ratio(totals[:, :-1], totals[:, -1:]), int(counts.sum())
    return {name: figure_of(shares[:, f], n) for f, name in enumerate(names)}


def resampled(sums: np.ndarray, *, resamples: int = 1000, seed: int = 0) -> np.ndarray:
    """Totals over the query images, and over each resample of them: many figures, one draw.

    Figures that are computed from columns of one call are resampled together, so that a ratio of
    two methods is paired: both of them meet the same queries.

    Args:
        sums: what was summed for each query image, ``(Q, columns)``; Q is at least 1.

    Returns:
        ``(1 + resamples, columns)`` float64, the totals as measured first.
    """
    sums = np.asarray(sums, dtype=np.float64)
    rng = np.random.default_rng(seed)
    equal = np.full(len(sums), 1 / len(sums))
    totals = [sums.sum(axis=0, keepdims=True)]
    for start in range(0, resamples, BLOCK):
        drawn = rng.multinomial(len(sums), equal, size=min(BLOCK, resamples - start))
        totals.append(drawn.astype(np.float64) @ sums)
    return np.concatenate(totals)


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, nan where below is 0."""
    nothing = np.full(np.broadcast_shapes(above.shape, below.shape), np.nan)
    return np.divide(above, below, out=nothing, where=below > 0)


def figure_of(values: np.ndarray, n: int) -> Figure:
    """A figure and its percentile interval.

    Args:
        values: as measured, then of each resample, ``(1 + resamples,)``; resamples of nan, in
            which nothing was counted, are left out.
    """
    value, drawn = float(values[0]), values[1:]
    if value != value or n == 0:
        return NOTHING
    low, high = np.quantile(drawn[drawn == drawn], [0.025, 0.975])
    return Figure(value, float(low), float(high), int(n))
