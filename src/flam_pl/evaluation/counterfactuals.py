"""CF@k: a photo of the same garment with the wanted class is among the first k results.

In the wardrobe and in the Fashion Product Images, photos of a garment differ in one attribute only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from flam_pl.evaluation.searches import EvaluationSet, Method, edit_to, searcher_of
from flam_pl.metrics.bootstrap import Estimate, bootstraps


def counterfactual_edits(data: EvaluationSet) -> np.ndarray:
    """Edits of a query to the class of another photo of its garment: number of the query, type,
    class, ``(E, 3)``, sorted."""
    edits: set[tuple[int, int, int]] = set()
    of_garment: dict[int, list[int]] = {}
    for row in np.flatnonzero(data.garments >= 0):
        of_garment.setdefault(int(data.garments[row]), []).append(int(row))
    for number, query in enumerate(data.queries):
        own = data.labels[query]
        for other in of_garment.get(int(data.garments[query]), []):
            theirs = data.labels[other]
            changed = (theirs != own) & (theirs >= 0) & (own >= 0)
            edits |= {(number, int(t), int(theirs[t])) for t in np.flatnonzero(changed)}
    return np.array(sorted(edits), dtype=np.int64).reshape(-1, 3)


@dataclass(frozen=True)
class CounterfactualResults:
    """Ranks of the counterfactuals from 1, infinite where they are not among the results ``(E,)``,
    and the garments, which are resampled as one ``(E,)``."""

    ranks: np.ndarray
    items: np.ndarray

    def hits(self, ks: Sequence[int]) -> np.ndarray:
        """Whether the rank is k or less, ``(E, len(ks))`` bool."""
        return self.ranks[:, None] <= np.array(ks)

    def estimates(self, ks: Sequence[int], resamples: int, seed: int) -> dict[str, Estimate]:
        """Each "CF@k", with an interval resampled by garment."""
        each = self.hits(ks), np.ones(len(self.ranks)), [f"CF@{k}" for k in ks]
        return bootstraps(*each, resamples=resamples, seed=seed, items=self.items)


@torch.inference_mode()
def evaluate_counterfactuals(
    method: Method, data: EvaluationSet, edits: np.ndarray, depth: int
) -> CounterfactualResults:
    """Search with every edit of ``counterfactual_edits`` and look at so many results."""
    search = searcher_of(method, data, depth)
    ranks = np.full(len(edits), np.inf)
    for t, c in np.unique(edits[:, 1:], axis=0):
        rows = (edits[:, 1:] == (t, c)).all(axis=1)
        numbers = edits[rows, 0]
        found = search(numbers, [edit_to(data.schema, t, c)]).cpu().numpy()
        garments = data.garments[data.queries[numbers]]
        right = (data.garments[found] == garments[:, None]) & (data.labels[found, t] == c)
        ranks[rows] = np.where(right.any(axis=1), right.argmax(axis=1) + 1.0, np.inf)
    return CounterfactualResults(ranks, data.query_items[edits[:, 0]])
