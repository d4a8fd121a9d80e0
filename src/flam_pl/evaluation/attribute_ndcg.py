"""NDCG@k of edited searches: a result is graded by how many of the wanted attributes it has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from flam_pl.evaluation.searches import EditedSearch, EvaluationSet
from flam_pl.metrics.bootstrap import Estimate, estimate_of, ratio, resampled
from flam_pl.metrics.dcg import dcg_at, gain, ideal_dcg_at

CHUNK = 1024
"""Wanted combinations that are compared with the whole gallery at once."""


class AttributeNDCG:
    """Sums, for one method, NDCG@k over all, the target and the other attributes.

    As in ADDE (Hou et al., "Learning Attribute-driven Disentangled Representations for Interactive
    Fashion Retrieval", ICCV 2021): the relevance of a result is the share of the attribute types
    in which it has what is wanted, which is the new class in the edited type ("target") and the
    query's own class in every other type ("other"); "all" takes both together. Gain is
    2^relevance - 1, discounted by log2(rank + 1).

    The ideal order, by which each DCG is divided, is the gallery without the query sorted by that
    relevance: 1 is reached by whoever could not do better. (ADDE's published code divides by the
    DCG of k perfect results, whether the gallery has them or not; its figures are lower.)
    """

    def __init__(self, data: EvaluationSet, ks: Sequence[int]) -> None:
        """Args:
        ks: cut-offs. One larger than the gallery asks for all of it.
        """
        device = data.features.device
        self.types, self.ks = data.schema.types, tuple(ks)
        self.labels = torch.from_numpy(np.ascontiguousarray(data.labels.T)).to(device)
        # what can be wanted is what the gallery has: the ideals are those of its combinations
        self.combinations, first, images = np.unique(
            data.combinations, return_index=True, return_counts=True
        )
        self.wanted = torch.from_numpy(data.labels[first]).to(device)
        self.images = torch.from_numpy(images).to(device)
        self.ideals: dict[tuple[int, ...], dict[str, Tensor]] = {}
        queries = len(data.queries)
        self.items = data.query_items
        self.sums = {kind: np.zeros((queries, len(ks))) for kind in ("all", "target", "other")}
        self.counts = {kind: np.zeros(queries) for kind in self.sums}

    def add(self, search: EditedSearch) -> None:
        """Count what one edit found."""
        edited = (self.types.index(search.target_type),)
        rows = np.searchsorted(self.combinations, search.wanted)
        place = torch.from_numpy(rows).to(search.found.device)
        wanted = self.wanted[place]
        right = [self.labels[t][search.found] == wanted[:, t, None] for t in range(len(self.types))]
        if edited not in self.ideals:
            self.ideals[edited] = self.ideal(edited)
        for kind, types in self.groups(edited).items():
            matches = torch.stack([right[t] for t in types]).sum(dim=0)
            gains = gain_of_matches(len(types)).to(matches.device)[matches]
            ndcg = dcg_at(gains, self.ks) / self.ideals[edited][kind][place]
            self.sums[kind][search.numbers] += ndcg.cpu().numpy()
            self.counts[kind][search.numbers] += 1

    def groups(self, edited: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
        """Which attribute types each kind of relevance counts; none without types is there."""
        everything = tuple(range(len(self.types)))
        others = tuple(t for t in everything if t not in edited)
        kinds = {"all": everything, "target": edited, "other": others}
        return {kind: types for kind, types in kinds.items() if types}

    def ideal(self, edited: tuple[int, ...]) -> dict[str, Tensor]:
        """DCG@k of the ideal order for every combination that can be wanted, ``(V, len(ks))``.

        The query is not in its own gallery. It has another class in the edited types, and in the
        others just what is wanted.
        """
        found = {}
        for kind, types in self.groups(edited).items():
            counts = self.images_by_matches(types)
            counts[:, len(set(types) - set(edited))] -= 1
            found[kind] = ideal_dcg_at(
                counts, gain_of_matches(len(types)).to(counts.device), self.ks
            )
        return found

    def images_by_matches(self, types: Sequence[int]) -> Tensor:
        """Gallery images that match each combination in 0, 1, ... of the types,
        ``(V, len(types) + 1)``."""
        rows = []
        for part in torch.split(self.wanted, CHUNK):
            matches = torch.zeros(
                len(part), len(self.wanted), dtype=torch.uint8, device=part.device
            )
            for t in types:
                matches += part[:, t, None] == self.wanted[None, :, t]
            levels = [
                (matches == level).double() @ self.images.double()
                for level in range(len(types) + 1)
            ]
            rows.append(torch.stack(levels, dim=1).long())
        return torch.cat(rows)

    def figures(self, resamples: int, seed: int) -> dict[str, dict[str, Estimate]]:
        """Kind ("all", "target", "other") -> "NDCG@k", intervals resampled by item."""
        found: dict[str, dict[str, Estimate]] = {}
        for kind, counts in self.counts.items():
            if not counts.sum():
                continue
            sums = np.concatenate([self.sums[kind], counts[:, None]], axis=1)
            totals = resampled(sums, resamples=resamples, seed=seed, items=self.items)
            found[kind] = {
                f"NDCG@{k}": estimate_of(ratio(totals[:, i], totals[:, -1]), int(counts.sum()))
                for i, k in enumerate(self.ks)
            }
        return found


def gain_of_matches(types: int) -> Tensor:
    """Gain of 0, 1, ..., ``types`` attributes that are as wanted, ``(types + 1,)`` float64."""
    return gain(torch.arange(types + 1).double() / types)
