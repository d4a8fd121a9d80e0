"""Bootstrap intervals: how much a figure would move if other queries had been drawn."""

from __future__ import annotations

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
    hits, counts = np.asarray(hits, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    if counts.sum() == 0:
        return Figure(float("nan"), float("nan"), float("nan"), 0)
    rng = np.random.default_rng(seed)
    equal = np.full(len(hits), 1 / len(hits))
    shares = []
    for start in range(0, resamples, BLOCK):
        drawn = rng.multinomial(len(hits), equal, size=min(BLOCK, resamples - start))
        totals = drawn @ counts
        shares.append((drawn @ hits)[totals > 0] / totals[totals > 0])
    low, high = np.quantile(np.concatenate(shares), [0.025, 0.975])
    return Figure(float(hits.sum() / counts.sum()), float(low), float(high), int(counts.sum()))
