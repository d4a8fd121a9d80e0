"""What a search would be that knew the labels: all that has the wanted combination comes first.

An edit that finds what was asked for leaves the query's neighbourhood, and with it some of what
nobody asked to change. How much it leaves at best, by the cosine of the stored features, is seen
here, not at a search that stays where it is. No bound of its own: a list of one hit and of the
query's neighbours keeps more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from flam_pl.editing.editor import NoEdit
from flam_pl.editing.edits import Edit
from flam_pl.evaluation.searches import EvaluationSet, Searcher

NEAREST = "labels_known"
"""Row of the tables: of the images with the wanted combination those nearest to the query first."""

CHUNK = 1024
"""Queries compared with the gallery at once: memory does not grow with their number."""


class OracleRanking(Searcher):
    """Every image that has exactly the wanted combination, then all others."""

    @torch.inference_mode()
    def __init__(self, data: EvaluationSet, depth: int) -> None:
        super().__init__(NoEdit(), data, depth)

    @torch.inference_mode()
    def __call__(self, numbers: np.ndarray, edits: Sequence[Edit]) -> tuple[Tensor, Tensor, Tensor]:
        """As a ``Searcher``; one edit, for a class.

        Raises:
            ValueError: other edits.
        """
        if len(edits) != 1 or not isinstance(edits[0].wanted, str):
            raise ValueError(f"got the edits {list(map(str, edits))}; expected one for one class")
        schema = self.data.schema
        t = schema.types.index(edits[0].attribute_type)
        wanted = self.data.labels[self.data.queries[numbers]].copy()
        wanted[:, t] = schema.index(edits[0].attribute_type, edits[0].wanted)
        starts = range(CHUNK, len(numbers), CHUNK)
        parts = [
            self._first(*part)
            for part in zip(np.split(numbers, starts), np.split(wanted, starts), strict=True)
        ]
        found, scores = (torch.cat(of_parts) for of_parts in zip(*parts, strict=True))
        return found, scores, torch.ones(len(numbers), device=scores.device)

    def _first(self, numbers: np.ndarray, wanted: np.ndarray) -> tuple[Tensor, Tensor]:
        """Results of some queries and their cosines, ``(E, depth)``, each with its wanted
        classes ``(E, types)``; what is not labelled in the query is not labelled in a hit."""
        has = (self.data.labels == wanted[:, None]).all(axis=2)
        positions = torch.from_numpy(self.data.queries[numbers]).to(self.gallery.device)
        cosines = self.gallery[positions] @ self.gallery.T
        # further apart than two cosines can be
        order = cosines + 3 * torch.from_numpy(has).to(cosines)
        order[torch.arange(len(order)), positions] = -torch.inf
        found = order.topk(min(self.depth, self.searched), dim=1).indices
        return found, cosines.gather(1, found)
