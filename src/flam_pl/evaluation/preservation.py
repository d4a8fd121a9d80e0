"""kept_of_wanted@k: share of results that keep an extra attribute, one that no edit changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from flam_pl.evaluation.searches import EditedSearch, EvaluationSet, rows_at, smallest
from flam_pl.metrics.bootstrap import Draws, Estimate, estimate_of, ratio, resampled

MEAN = "mean"  # beside the attributes: the plain mean of their shares


class Preservation:
    """The share with the query's value, among the results with the wanted class."""

    def __init__(self, data: EvaluationSet, ks: Sequence[int]) -> None:
        device = data.features.device
        self.names, self.ks, self.items = tuple(data.extra_attributes), tuple(ks), data.query_items
        codes = np.zeros((len(data.labels), len(self.names)), np.int64)
        for position, of in enumerate(data.extra_attributes.values()):
            codes[:, position] = of
        self.codes = smallest(codes, int(codes.max(initial=0))).to(device)
        self.queries = torch.from_numpy(data.queries).to(device)
        # results with the query's value, results with any value: per query, k and attribute
        shape = (2, len(data.queries), len(ks), len(self.names))
        self.sums = np.zeros(shape, dtype=np.float32)  # whole numbers below 2^24: exact

    def add(self, search: EditedSearch) -> None:
        found, device = search.found, search.found.device
        queries = self.queries[torch.from_numpy(search.numbers).to(device)]
        ranks = torch.arange(1, found.shape[1] + 1, device=device)
        first = (ranks <= torch.tensor(self.ks, device=device)[:, None]).float()  # (ks, K)
        own, theirs = rows_at(self.codes, queries)[:, None], rows_at(self.codes, found)
        known = search.matches[..., search.t, None] & (theirs >= 0)  # (E, K, attributes)
        for sums, of in zip(self.sums, (known & (own == theirs), known), strict=True):
            counts = (first @ of.float()) * (own >= 0)  # (E, ks, attributes)
            sums[search.numbers] += counts.cpu().numpy()

    def estimates(self, draws: Draws) -> dict[str, dict[str, Estimate]]:
        if not self.sums.size:
            return {}
        shape = (-1, len(self.ks), len(self.names))
        totals = (resampled(of.reshape(len(of), -1), self.items, draws) for of in self.sums)
        kept, known = (of.reshape(shape).swapaxes(1, 2) for of in totals)
        shares = ratio(kept, known)  # (1 + resamples, attributes, ks)
        measured = (~np.isnan(shares)).sum(axis=1, keepdims=True)
        mean = ratio(np.nansum(shares, axis=1, keepdims=True), measured)
        shares = np.concatenate([mean, shares], axis=1)
        counts = np.concatenate([known[0].sum(axis=0, keepdims=True), known[0]]).astype(int)
        names = [f"kept_of_wanted@{k}" for k in self.ks]
        return {
            name: {of: estimate_of(shares[:, t, i], counts[t, i]) for i, of in enumerate(names)}
            for t, name in enumerate((MEAN, *self.names))
        }
