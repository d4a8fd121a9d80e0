"""P@k, as_it_was@k and utility@k of edited searches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from flam_pl.evaluation.searches import EditedSearch, EvaluationSet
from flam_pl.evaluation.sums import QuerySums
from flam_pl.metrics.bootstrap import Draws, Estimate
from flam_pl.metrics.dcg import dcg_at, ideal_dcg_at

PER_KEPT = 4.0  # factor of the utility per other label that a result shares with the query


def utility(right: Tensor, kept: Tensor) -> Tensor:
    """0 without the wanted class, else ``PER_KEPT ** kept``; ``kept``: number of other labels
    shared with the query."""
    return right * PER_KEPT ** kept.double()


class Precision(QuerySums):
    """Figures of the first k results, over "all" edits and per type.

    P@k: share with the wanted class. as_it_was@k: share with all labels of the unedited query.
    utility@k: discounted ``utility``, divided by that of the best order.
    """

    def __init__(
        self, data: EvaluationSet, ks: Sequence[int], like: Precision | None = None
    ) -> None:
        """Reuses the best orders of ``like``, on the same data."""
        names = [f"{name}@{k}" for name in ("P", "as_it_was", "utility") for k in ks]
        super().__init__(data, data.schema.types, names)
        self.ks = tuple(ks)
        self.ideals: dict[tuple[int, int], Tensor] = like.ideals if like else {}

    def add(self, search: EditedSearch) -> None:
        right = search.matches[..., search.t]
        own = self.data.labels[self.data.queries[search.numbers]]
        shares = self.share(right), self.share(self.data.hits(search.found, own))
        figures = torch.cat([*shares, self.utilities(search)], dim=1)
        self.count(self.data.schema.types[search.t], search.numbers, figures)

    def utilities(self, search: EditedSearch) -> Tensor:
        """utility@k of each search, ``(E, len(ks))``."""
        t, c = search.t, search.c
        right = search.matches[..., t]
        kept = search.matched - right.byte()
        if (t, c) not in self.ideals:
            self.ideals[t, c] = self.ideal(t, c)
        ideal = self.ideals[t, c][torch.from_numpy(search.numbers).to(right.device)]
        return dcg_at(utility(right, kept), self.ks) / ideal

    def share(self, is_so: Tensor) -> Tensor:
        ks = [min(k, is_so.shape[1]) for k in self.ks]
        so_far = is_so.double().cumsum(dim=1)[:, [k - 1 for k in ks]]
        return so_far / torch.tensor(ks, device=is_so.device)

    def ideal(self, t: int, c: int) -> Tensor:
        """Per query, the discounted utility of the best order, ``(Q, len(ks))``."""
        data, device = self.data, self.data.features.device
        own, place = np.unique(data.labels[data.queries], axis=0, return_inverse=True)
        others = [other for other in range(own.shape[1]) if other != t]
        labels, photos = data.combinations
        right = photos * (labels[:, t] == c)  # never the query itself
        counts = data.count_matches(torch.from_numpy(own).to(device), others, right)
        kept = torch.arange(counts.shape[1], device=device)
        ideal = ideal_dcg_at(counts, utility(torch.ones_like(kept), kept), self.ks)
        return ideal[torch.from_numpy(place.reshape(-1)).to(device)]

    def all_sums(self) -> np.ndarray:
        return np.sum(list(self.sums.values()), axis=0)

    def estimates(self, draws: Draws) -> dict[str, dict[str, Estimate]]:
        every = QuerySums(self.data, ["all"], self.names)
        every.sums["all"] = self.all_sums()
        every.counts["all"] = np.sum(list(self.counts.values()), axis=0)
        return every.estimates(draws) | super().estimates(draws)
