"""Two methods set beside each other on the same searches: ratios and differences of T@k."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from flam_pl.editing.evaluation import EditResults
from flam_pl.retrieval.intervals import Figure, figure_of, ratio, resampled


class PairedShares:
    """T@k over all edits of several methods, resampled together.

    A query that is hard is hard for all: the interval of a ratio or of a difference is far
    narrower when each resample gives both methods the same queries than when it is guessed from
    the two methods' own intervals.
    """

    def __init__(self, results: Mapping[str, EditResults], resamples: int, seed: int) -> None:
        """Args:
        results: of each method, on the same ``EvaluationSet`` with the same cut-offs; one at least.
        """
        first = next(iter(results.values()))
        self.names, self.ks = tuple(results), first.ks
        _, counts = first.sums()
        sums = np.concatenate([of.sums()[0] for of in results.values()] + [counts[:, None]], axis=1)
        self.count = int(counts.sum())
        totals = resampled(sums, resamples=resamples, seed=seed, items=first.items)
        shares = ratio(totals[:, :-1], totals[:, -1:])
        self.shares = shares.reshape(len(totals), len(self.names), len(self.ks))
        """As measured, then of each resample, ``(1 + resamples, methods, len(ks))``."""

    def divided_by(self, reference: str) -> dict[str, dict[str, Figure]]:
        """Method -> T@k divided by that of ``reference``; n = 0 where that is 0."""
        return self._against(reference, ratio)

    def minus(self, reference: str) -> dict[str, dict[str, Figure]]:
        """Method -> T@k minus that of ``reference``."""
        return self._against(reference, np.subtract)

    def _against(
        self, reference: str, how: Callable[[np.ndarray, np.ndarray], np.ndarray]
    ) -> dict[str, dict[str, Figure]]:
        other = self.shares[:, self.names.index(reference)]
        return {
            name: {
                f"T@{k}": figure_of(how(self.shares[:, m, i], other[:, i]), self.count)
                for i, k in enumerate(self.ks)
            }
            for m, name in enumerate(self.names)
        }
