"""Means over edits, resampled by item."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from torch import Tensor

from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.metrics.bootstrap import Draws, Estimate, bootstraps


class QuerySums:
    """Per group of edits and per query: sums of figures ``(Q, figures)``, edit counts ``(Q,)``."""

    def __init__(self, data: EvaluationSet, groups: Iterable[str], figures: Iterable[str]) -> None:
        self.data, self.names = data, list(figures)
        shape = len(data.queries), len(self.names)
        self.sums = {group: np.zeros(shape) for group in groups}
        self.counts = {group: np.zeros(shape[0]) for group in self.sums}

    def count(self, group: str, numbers: np.ndarray, figures: Tensor) -> None:
        """Add figures ``(E, figures)`` of queries ``numbers (E,)``, one edit each."""
        self.sums[group][numbers] += figures.cpu().numpy()
        self.counts[group][numbers] += 1

    def estimates(self, draws: Draws) -> dict[str, dict[str, Estimate]]:
        """Group -> figure -> mean over edits, resampled by item."""
        each = self.names, self.data.query_items, draws
        return {group: bootstraps(of, self.counts[group], *each) for group, of in self.sums.items()}
