"""NDCG@k of edited searches: the relevance of a result is its share of wanted labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from flam_pl.evaluation.searches import EditedSearch, EvaluationSet
from flam_pl.evaluation.sums import QuerySums
from flam_pl.metrics.bootstrap import Draws, Estimate
from flam_pl.metrics.dcg import dcg_at, gain, ideal_dcg_at


class AttributeNDCG(QuerySums):
    """NDCG@k over "all" types, the "target" (edited) type and the "other" types.

    Relevance as in ADDE (Hou et al., ICCV 2021); the ideal is the best order of the gallery.
    """

    def __init__(
        self, data: EvaluationSet, ks: Sequence[int], like: AttributeNDCG | None = None
    ) -> None:
        """Reuses the best orders of ``like``, on the same data."""
        super().__init__(data, ("all", "target", "other"), [f"NDCG@{k}" for k in ks])
        self.ks = tuple(ks)
        counts = range(len(data.schema.types) + 1)
        # row m: the gains of 0, 1, ..., m wanted labels out of m
        gains = [gain(torch.arange(m + 1).double() / max(m, 1)) for m in counts]
        self.ideals: dict[tuple[int, int, str], Tensor] = like.ideals if like else {}
        self.gains = pad_sequence(gains, batch_first=True).to(data.features.device)

    def add(self, search: EditedSearch) -> None:
        distinct, place = np.unique(search.wanted, axis=0, return_inverse=True)
        wanted = torch.from_numpy(distinct).to(search.found.device)
        row = torch.from_numpy(place.reshape(-1)).to(wanted.device)
        every = list(range(wanted.shape[1]))
        others, target = [t for t in every if t != search.t], search.matches[..., search.t].byte()
        groups = {
            "all": (every, search.matched),
            "target": ([search.t], target),
            "other": (others, search.matched - target),
        }
        for group, (types, matched) in groups.items():
            if not types:
                continue
            compared = (wanted[:, types] >= 0).sum(dim=1)
            dcg = dcg_at(self.gains[compared[row, None], matched.int()], self.ks)
            key = search.t, search.c, group
            if key not in self.ideals:
                own = compared - int(search.t in types)
                self.ideals[key] = self.ideal(wanted, types, compared, own)[row]
            self.count(group, search.numbers, dcg / self.ideals[key])

    def ideal(self, wanted: Tensor, types: Sequence[int], compared: Tensor, own: Tensor) -> Tensor:
        """DCG@k of the best order, per row of wanted labels ``(U, types)``, on ``types``.

        Numbers of labels: ``compared (U,)`` are known; the query, never a result, has ``own (U,)``.
        """
        counts = self.data.count_matches(wanted, types, self.data.combinations[1])
        counts[torch.arange(len(counts)), own] -= 1
        found = torch.empty(len(wanted), len(self.ks), dtype=torch.double, device=wanted.device)
        for m in torch.unique(compared).tolist():
            rows = compared == m
            found[rows] = ideal_dcg_at(counts[rows, : m + 1], self.gains[m, : m + 1], self.ks)
        return found

    def estimates(self, draws: Draws) -> dict[str, dict[str, Estimate]]:
        found = super().estimates(draws)
        return {group: of for group, of in found.items() if self.counts[group].any()}
