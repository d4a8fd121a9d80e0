"""kept@k: how much of what nobody asked to change an edited search keeps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from flam_pl.editing.searches import EditedSearch, EvaluationSet
from flam_pl.retrieval.intervals import Figure, figure_of, ratio, resampled

MEASURES = {"results": "kept", "hits": "kept_hits"}
"""Which results count, and what the share is called: all, or only those that have the wanted
combination. A miss can keep much (doing nothing keeps the most), so the two are read together."""

MEAN = "mean"
"""Beside the traits: the plain mean of their shares."""

RELATIVE = "_to_no_edit"
"""Ends the name of a measure that was divided by what the unedited search keeps."""


class KeptTraits:
    """Counts, for one method, the results that agree with the query in a trait.

    Traits are columns nobody trains on, as ``datasets.traits`` codes them. kept@k is the share of
    (query, edit, result among the first k) where query and result both have a value of the trait
    and it is equal; where either has none, nothing is counted.
    """

    def __init__(self, data: EvaluationSet, ks: Sequence[int]) -> None:
        """Args:
        ks: cut-offs. One larger than the depth of the searches asks for all there is.
        """
        device = data.features.device
        self.names, self.ks = tuple(data.traits), tuple(ks)
        self.codes = {n: torch.from_numpy(c).to(device) for n, c in data.traits.items()}
        self.combinations = torch.from_numpy(data.combinations).to(device)
        self.queries = torch.from_numpy(data.queries).to(device)
        shape = (len(data.queries), len(self.names), 4, len(ks))
        self.sums = np.zeros(shape, dtype=np.float32)  # whole numbers far below 2^24: exact
        """Of each query and trait, among the first k: agreeing results, comparable results, and
        the same two among the hits."""

    def add(self, search: EditedSearch) -> None:
        """Count what one edit found."""
        found, device = search.found, search.found.device
        asking = self.queries[torch.from_numpy(search.numbers).to(device)]
        wanted = torch.from_numpy(search.wanted).to(device)
        hit = self.combinations[found] == wanted[:, None]
        ranks = torch.arange(1, found.shape[1] + 1, device=device)
        first = (ranks[:, None] <= torch.tensor(self.ks, device=device)).float()  # (depth, ks)
        for position, name in enumerate(self.names):
            own, theirs = self.codes[name][asking][:, None], self.codes[name][found]
            known = (own >= 0) & (theirs >= 0)
            kept = known & (own == theirs)
            counted = torch.stack([kept, known, kept & hit, known & hit]).float() @ first
            self.sums[search.numbers, position] += counted.transpose(0, 1).cpu().numpy()

    def figures(
        self, unedited: KeptTraits, resamples: int, seed: int
    ) -> dict[str, dict[str, dict[str, Figure]]]:
        """Measure ("results", "hits") -> trait or "mean" -> "kept@k" or "kept_hits@k".

        And each measure divided by kept@k of the unedited search at the same k
        ("..._to_no_edit"); by that of all its results, also for the hits, since its few hits are
        a chosen lot. Intervals are resampled by query image, both sides of a ratio together.

        Args:
            unedited: the same edits of the same queries, answered by searching for the query.

        Returns:
            Nothing at all where the data set has no traits or nobody asks.
        """
        if not self.names or not len(self.sums):
            return {}
        both = np.stack([self.sums, unedited.sums], axis=1)
        totals = resampled(both.reshape(len(both), -1), resamples=resamples, seed=seed)
        totals = totals.reshape(-1, 2, len(self.names), 2, 2, len(self.ks))
        kept, known = totals[..., 0, :], totals[..., 1, :]  # (1 + resamples, 2, traits, 2, ks)
        shares = ratio(kept, known)
        measured = (~np.isnan(shares)).sum(axis=2, keepdims=True)
        mean = ratio(np.nansum(shares, axis=2, keepdims=True), measured)
        shares = np.concatenate([mean, shares], axis=2)
        known = np.concatenate([known.sum(axis=2, keepdims=True), known], axis=2)
        relative = ratio(shares[:, 0], shares[:, 1, :, :1])  # (1 + resamples, traits, 2, ks)
        counts = known[0, 0].astype(int)
        found = {}
        for m, (measure, called) in enumerate(MEASURES.items()):
            for ending, values in (("", shares[:, 0]), (RELATIVE, relative)):
                found[measure + ending] = {
                    name: {
                        f"{called}@{k}": figure_of(values[:, t, m, i], counts[t, m, i])
                        for i, k in enumerate(self.ks)
                    }
                    for t, name in enumerate((MEAN, *self.names))
                }
        return found
