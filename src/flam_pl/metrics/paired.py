"""Two methods set beside each other on the same searches: ratios and differences of figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from flam_pl.metrics.bootstrap import Estimate, estimate_of, ratio, resampled


class PairedShares:
    """Figures of several methods, averaged over the same edits and resampled together.

    A query that is hard is hard for all: the interval of a ratio or of a difference is far
    narrower when each resample gives both methods the same queries than when it is guessed from
    the two methods' own intervals.
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
        """Args:
        sums: of each method, what each query image adds to each figure, ``(Q, F)``; one method at
            least.
        counts: edits of each query image, the same for all methods, ``(Q,)``.
        names: of the F figures, e.g. "T@10".
        items: item code of each query image, ``(Q,)``: what is resampled as one.
        """
        self.methods, self.names, self.count = tuple(sums), tuple(names), int(counts.sum())
        columns = np.concatenate([*sums.values(), counts[:, None]], axis=1)
        totals = resampled(columns, resamples=resamples, seed=seed, items=items)
        shares = ratio(totals[:, :-1], totals[:, -1:])
        self.shares = shares.reshape(len(totals), len(self.methods), len(self.names))
        """As measured, then of each resample, ``(1 + resamples, methods, F)``."""

    def divided_by(self, reference: str) -> dict[str, dict[str, Estimate]]:
        """Method -> its figures divided by those of ``reference``; n = 0 where that is 0."""
        return self._against(reference, ratio)

    def minus(self, reference: str) -> dict[str, dict[str, Estimate]]:
        """Method -> its figures minus those of ``reference``."""
        return self._against(reference, np.subtract)

    def _against(
        self, reference: str, how: Callable[[np.ndarray, np.ndarray], np.ndarray]
    ) -> dict[str, dict[str, Estimate]]:
        other = self.shares[:, self.methods.index(reference)]
        return {
            method: {
                name: estimate_of(how(self.shares[:, m, f], other[:, f]), self.count)
                for f, name in enumerate(self.names)
            }
            for m, method in enumerate(self.methods)
        }
