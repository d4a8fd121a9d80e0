"""Figures that are summed per query and averaged over edits."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np
from torch import Tensor

from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.metrics.bootstrap import Estimate, bootstraps


class QuerySums:
    """Per group: ``sums`` over a query's edits ``(Q, figures)``, ``counts`` of edits ``(Q,)``."""

    def __init__(self, data: EvaluationSet, groups: Iterable[str], figures: Iterable[str]) -> None:
        self.data, self.names = data, list(figures)
        shape = len(data.queries), len(self.names)
        self.sums = {group: np.zeros(shape) for group in groups}
        self.counts = {group: np.zeros(shape[0]) for group in self.sums}

    def count(self, group: str, numbers: np.ndarray, figures: Tensor) -> None:
        """Add figures ``(E, figures)``, one edit per query."""
        self.sums[group][numbers] += figures.cpu().numpy()
        self.counts[group][numbers] += 1

    def estimates(self, resamples: int, seed: int) -> dict[str, dict[str, Estimate]]:
        """Group -> figure, with intervals resampled by item."""
        items = self.data.query_items
        estimate = partial(bootstraps, resamples=resamples, seed=seed, items=items)
        return {g: estimate(of, self.counts[g], self.names) for g, of in self.sums.items()}
