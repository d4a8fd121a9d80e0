"""The oracle ranking: how much a perfect edit would preserve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from flam_pl.attributes import UNLABELLED
from flam_pl.editing.edits import Edit
from flam_pl.evaluation.searches import EvaluationSet, Searcher
from flam_pl.galleries.exact import queries_at_once

ORACLE = "oracle"  # its name among the methods


class OracleRanking(Searcher):
    """All hits, then all other photos, each by the cosine to the unedited query."""

    def __init__(self, data: EvaluationSet, depth: int) -> None:
        self.data, self.depth = data, min(depth, len(data.labels) - 1)
        self.heads = F.normalize(data.features, dim=1)

    @torch.inference_mode()
    def __call__(self, numbers: np.ndarray, edits: Sequence[Edit]) -> Tensor:
        """Raises ValueError for anything but one edit to one class."""
        if len(edits) != 1 or not isinstance(edits[0].wanted, str):
            raise ValueError(f"got the edits {list(map(str, edits))}; expected one to one class")
        name, schema = edits[0].attribute_type, self.data.schema
        rows = torch.from_numpy(self.data.queries[numbers]).to(self.heads.device)
        wanted = self.data.label_tensor[rows]
        wanted[:, schema.types.index(name)] = schema.index(name, edits[0].wanted)
        found = []
        chunk = queries_at_once(len(self.heads))
        for own, goal in zip(torch.split(rows, chunk), torch.split(wanted, chunk), strict=True):
            scores = self.heads[own] @ self.heads.T
            is_hit = torch.ones_like(scores, dtype=torch.bool)
            for of_query, of_photo in zip(
                goal.T[:, :, None], self.data.label_tensor.T, strict=True
            ):
                is_hit &= (of_photo == of_query) | (of_query == UNLABELLED)
            scores.add_(is_hit, alpha=3)  # two cosines differ by 2 at most
            scores[torch.arange(len(own)), own] = -torch.inf
            found.append(scores.topk(self.depth, dim=1).indices)
        return torch.cat(found)
