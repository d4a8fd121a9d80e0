"""CF@k: a photo of the very same garment that has the wanted class is among the first k.

In the wardrobe and in the Fashion Product Images the photos of a garment differ in one attribute
only, so that it is the garment with just that attribute changed. In a table of one's own the column
``garment`` says what is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from flam_pl.editing.editor import Editor
from flam_pl.editing.edits import Edit
from flam_pl.evaluation.searches import EvaluationSet, Searcher
from flam_pl.metrics.bootstrap import Estimate, bootstraps
from flam_pl.retrieval.vectors import SearchVectors


@dataclass(frozen=True)
class CounterfactualEdits:
    """Edits whose answer is known by name: another photo of the query's garment has the class.

    Attributes:
        numbers: which query asks, ``(E,)``.
        types, classes: the edit, as positions of the schema, ``(E,)`` each.
    """

    numbers: np.ndarray
    types: np.ndarray
    classes: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)

    @classmethod
    def of(cls, data: EvaluationSet) -> CounterfactualEdits:
        """Every one that the photos of ``data`` answer, sorted by query."""
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
        columns = np.array(sorted(edits), dtype=np.int64).reshape(-1, 3)
        return cls(*columns.T)


@dataclass(frozen=True)
class CounterfactualResults:
    """Rank of the first photo of the wanted garment, per edit.

    Attributes:
        numbers: which query asked, ``(E,)``.
        ranks: from 1, ``(E,)``; infinite where the photo is not among the results.
        items: what is resampled as one, ``(E,)``: the garment.
    """

    numbers: np.ndarray
    ranks: np.ndarray
    items: np.ndarray

    def reciprocal(self) -> float:
        """Mean of 1 / rank; 0 without edits."""
        return float((1 / self.ranks).mean()) if len(self.ranks) else 0.0

    def hits(self, ks: Sequence[int]) -> np.ndarray:
        """Whether the photo is among the first k, ``(E, len(ks))`` bool."""
        return self.ranks[:, None] <= np.array(ks)

    def figures(self, ks: Sequence[int], resamples: int, seed: int) -> dict[str, Estimate]:
        """Each "CF@k", with an interval resampled by garment."""
        hits = self.hits(ks)
        names = [f"CF@{k}" for k in ks]
        ones = np.ones(len(hits))
        return bootstraps(hits, ones, names, resamples=resamples, seed=seed, items=self.items)


@torch.inference_mode()
def evaluate_counterfactuals(
    editor: Editor | SearchVectors | Searcher,
    data: EvaluationSet,
    edits: CounterfactualEdits,
    depth: int,
) -> CounterfactualResults:
    """Search with every edit among all photos of ``data``, the query left out.

    Args:
        editor: the method, or a Searcher of it.
        data: queries and gallery; a photo that lacks labels may be part of it.
        depth: results of each search that are looked at.
    """
    search = editor if isinstance(editor, Searcher) else Searcher(editor, data, depth)
    ranks = np.full(len(edits), np.inf)
    pairs = np.unique(np.stack([edits.types, edits.classes], axis=1), axis=0)
    for t, c in pairs:
        rows = np.flatnonzero((edits.types == t) & (edits.classes == c))
        name = data.schema.types[t]
        found, *_ = search(edits.numbers[rows], [Edit(name, data.schema.of(name)[c])])
        positions = found.cpu().numpy()
        garments = data.garments[data.queries[edits.numbers[rows]]]
        right = (data.garments[positions] == garments[:, None]) & (data.labels[positions, t] == c)
        first = np.where(right.any(axis=1), right.argmax(axis=1) + 1.0, np.inf)
        ranks[rows] = first
    return CounterfactualResults(edits.numbers, ranks, data.query_items[edits.numbers])
