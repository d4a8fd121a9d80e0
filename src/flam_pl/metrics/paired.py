"""Paired comparison of methods over the same searches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from flam_pl.metrics.bootstrap import Estimate, estimate_of, ratio, resampled


class PairedShares:
    """F named shares (hits / edits) per method, with intervals of their differences and ratios.

    All methods are resampled with the same draws (``metrics.bootstrap``).

    ``sums`` are per method the hits of each query image, ``(Q, F)``; ``counts`` its edits ``(Q,)``.

    >>> sums = {"weak": np.array([[1], [0]]), "strong": np.array([[2], [0]])}
    >>> draws = {"items": np.arange(2), "resamples": 9, "seed": 0}
    >>> paired = PairedShares(sums, np.array([2, 2]), ["T@1"], **draws)
    >>> paired.divided_by("weak")["strong"]["T@1"].value
    2.0
    """

    def __init__(
        self,
        sums: Mapping[str, np.ndarray],
        counts: np.ndarray,
        names: Sequence[str],
        *,
        items: np.ndarray,
        resamples: int,
        seed: int,
    ) -> None:
        self.methods, self.names, self.count = tuple(sums), tuple(names), int(counts.sum())
        columns = np.concatenate([*sums.values(), counts[:, None]], axis=1)
        totals = resampled(columns, resamples=resamples, seed=seed, items=items)
        shares = ratio(totals[:, :-1], totals[:, -1:])
        self.shares = shares.reshape(len(totals), len(self.methods), len(self.names))

    def divided_by(self, reference: str) -> dict[str, dict[str, Estimate]]:
        """Method -> name -> share / the share of ``reference``; n = 0 where that is 0."""
        return self._against(reference, ratio)

    def minus(self, reference: str) -> dict[str, dict[str, Estimate]]:
        """Method -> name -> share - the share of ``reference``."""
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
