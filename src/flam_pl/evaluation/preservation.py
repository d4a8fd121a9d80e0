"""kept_of_wanted@k: share of results that keep an extra attribute, one that no edit changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from flam_pl.evaluation.searches import EditedSearch, EvaluationSet
from flam_pl.metrics.bootstrap import Draws, Estimate, estimate_of, ratio, resampled

MEAN = "mean"  # beside the attributes: the plain mean of their shares


class Preservation:
    """The share with the query's value, among the results with the wanted class."""

    def __init__(self, data: EvaluationSet, ks: Sequence[int]) -> None:
        device = data.features.device
        self.names, self.ks, self.items = tuple(data.extra_attributes), tuple(ks), data.query_items
        codes = np.zeros((len(data.labels), len(self.names)), np.int32)
        for position, of in enumerate(data.extra_attributes.values()):
            codes[:, position] = of
        self.codes = torch.from_numpy(codes).to(device)
        self.queries = torch.from_numpy(data.queries).to(device)
        # per query, attribute and k: results with the query's value, results with any value
        shape = (len(data.queries), len(self.names), 2, len(ks))
        self.sums = np.zeros(shape, dtype=np.float32)  # whole numbers below 2^24: exact

    def add(self, search: EditedSearch) -> None:
        found, device = search.found, search.found.device
        queries = self.queries[torch.from_numpy(search.numbers).to(device)]
        ranks = torch.arange(1, found.shape[1] + 1, device=device)
        first = (ranks[:, None] <= torch.tensor(self.ks, device=device)).float()  # (K, ks)
        own, theirs = self.codes[queries][:, None], self.codes[found]  # (E, K, attributes)
        known = search.matches[..., search.t, None] & (own >= 0) & (theirs >= 0)
        for position, of in enumerate((known & (own == theirs), known)):
            counts = of.transpose(1, 2).float() @ first  # (E, attributes, ks)
            self.sums[search.numbers, :, position] += counts.cpu().numpy()

    def estimates(self, draws: Draws) -> dict[str, dict[str, Estimate]]:
        if not self.sums.size:
            return {}
        flat = self.sums.reshape(len(self.sums), -1)
        totals = resampled(flat, self.items, draws)
        kept, known = np.moveaxis(totals.reshape(-1, *self.sums.shape[1:]), 2, 0)
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
