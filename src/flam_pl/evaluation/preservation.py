"""kept_of_wanted@k: what the results that have the wanted class keep of the query's item."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from flam_pl.evaluation.searches import EditedSearch, EvaluationSet
from flam_pl.metrics.bootstrap import Estimate, estimate_of, ratio, resampled

MEAN = "mean"
"""Beside the traits: the plain mean of their shares."""


class Preservation:
    """Counts, for one method, the results with the wanted class that agree with the query.

    Traits are columns nobody trains on, as ``datasets.traits`` codes them. kept_of_wanted@k is the
    share of (query, edit, result with the wanted class among the first k) where query and result
    both have a value of the trait and the values are equal. A result without the wanted class says
    nothing of what an edit keeps: doing nothing would keep the most.
    """

    def __init__(self, data: EvaluationSet, ks: Sequence[int]) -> None:
        """Args:
        ks: cut-offs. One larger than the depth of the searches asks for all there is.
        """
        device = data.features.device
        self.names, self.ks = tuple(data.traits), tuple(ks)
        self.codes = {n: torch.from_numpy(c).to(device) for n, c in data.traits.items()}
        self.schema, self.items = data.schema, data.query_items
        self.labels = torch.from_numpy(data.labels).to(device)
        self.queries = torch.from_numpy(data.queries).to(device)
        shape = (len(data.queries), len(self.names), 2, len(ks))
        self.sums = np.zeros(shape, dtype=np.float32)  # whole numbers far below 2^24: exact
        """Of each query and trait, among the first k results with the wanted class: agreeing and
        comparable ones."""

    def add(self, search: EditedSearch) -> None:
        """Count what one edit found."""
        found, device = search.found, search.found.device
        asking = self.queries[torch.from_numpy(search.numbers).to(device)]
        t = self.schema.types.index(search.target_type)
        c = self.schema.index(search.target_type, search.target_class)
        wanted = self.labels[found][..., t] == c
        ranks = torch.arange(1, found.shape[1] + 1, device=device)
        first = (ranks[:, None] <= torch.tensor(self.ks, device=device)).float()  # (depth, ks)
        for position, name in enumerate(self.names):
            own, theirs = self.codes[name][asking][:, None], self.codes[name][found]
            known = wanted & (own >= 0) & (theirs >= 0)
            counted = torch.stack([known & (own == theirs), known]).float() @ first
            self.sums[search.numbers, position] += counted.transpose(0, 1).cpu().numpy()

    def figures(self, resamples: int, seed: int) -> dict[str, dict[str, Estimate]]:
        """Trait or "mean" -> "kept_of_wanted@k", with intervals resampled by item.

        Returns:
            Nothing at all where the data set has no traits or nobody asks.
        """
        if not self.names or not len(self.sums):
            return {}
        flat = self.sums.reshape(len(self.sums), -1)
        totals = resampled(flat, resamples=resamples, seed=seed, items=self.items)
        kept, known = np.moveaxis(totals.reshape(-1, *self.sums.shape[1:]), 2, 0)
        shares = ratio(kept, known)  # (1 + resamples, traits, ks)
        measured = (~np.isnan(shares)).sum(axis=1, keepdims=True)
        mean = ratio(np.nansum(shares, axis=1, keepdims=True), measured)
        shares = np.concatenate([mean, shares], axis=1)
        counts = np.concatenate([known[0].sum(axis=0, keepdims=True), known[0]]).astype(int)
        return {
            name: {
                f"kept_of_wanted@{k}": estimate_of(shares[:, t, i], counts[t, i])
                for i, k in enumerate(self.ks)
            }
            for t, name in enumerate((MEAN, *self.names))
        }
