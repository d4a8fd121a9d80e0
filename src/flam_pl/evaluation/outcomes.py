"""What edited searches seemed to find and what they found: to be sure by, and to be judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from flam_pl.editing.edits import Edit, wanted_probabilities
from flam_pl.evaluation.searches import EvaluationSet, Progress, edited_searches
from flam_pl.retrieval.posteriors import (
    answer_probabilities,
    result_probabilities,
)
from flam_pl.retrieval.vectors import Posteriors, SearchVectors

KINDS = ("attribute", "combination", "answer")
"""What is said of a search: a result has the wanted classes; a result has the whole wanted
combination; some photo of the gallery has that combination."""

DEPTH = 20
"""Results of each search that are looked at."""


@dataclass(frozen=True)
class Outcomes:
    """Every edit of every query, also those that no photo can answer.

    Attributes:
        raw: of each of ``KINDS`` how likely the embedders took it to be: of the results ``(E, N)``,
            of the answer ``(E,)``.
        true: whether it was so, bool, of the same shapes.
        item: number of the item of each search's query, ``(E,)``: what is resampled as one.
    """

    raw: Mapping[str, np.ndarray]
    true: Mapping[str, np.ndarray]
    item: np.ndarray

    @classmethod
    @torch.inference_mode()
    def of(
        cls,
        vectors: SearchVectors,
        posteriors: Posteriors,
        data: EvaluationSet,
        progress: Progress = lambda edits: edits,
    ) -> Outcomes:
        """Search with every edit and look up what was found.

        Args:
            vectors: the method that searches.
            posteriors: must be calibrated.
            progress: as for ``edited_searches``.
        """
        have = posteriors.read(data.features)
        _, items = np.unique(data.query_items, return_inverse=True)
        parts = []
        for search in edited_searches(vectors, data, DEPTH, impossible=True, progress=progress):
            edit = Edit(search.target_type, search.target_class)
            rows = torch.from_numpy(data.queries[search.numbers]).to(data.features.device)
            own = [of_type[rows] for of_type in have]
            asked = wanted_probabilities(own, [edit], posteriors)
            t = data.schema.types.index(search.target_type)
            seen = raw_probabilities(asked, have, search.found, [t], exclude=rows)
            found = search.found.cpu().numpy()
            c = data.schema.index(search.target_type, search.target_class)
            true = {
                "attribute": data.labels[found][:, :, t] == c,
                "combination": data.combinations[found] == search.wanted[:, None],
                "answer": np.isin(search.wanted, data.combinations),
            }
            raw = {kind: of_kind.cpu().numpy() for kind, of_kind in seen.items()}
            parts.append(cls(raw, true, items[search.numbers]))
        return cls.joined(parts)

    @classmethod
    def joined(cls, parts: Sequence[Outcomes]) -> Outcomes:
        """Those of several searches, or of several galleries, one after the other.

        Raises:
            ValueError: there are none.
        """
        return cls(
            {kind: np.concatenate([part.raw[kind] for part in parts]) for kind in KINDS},
            {kind: np.concatenate([part.true[kind] for part in parts]) for kind in KINDS},
            np.concatenate([part.item for part in parts]),
        )


def raw_probabilities(
    asked: Sequence[Tensor],
    have: Sequence[Tensor],
    found: Tensor,
    types: Sequence[int],
    exclude: Tensor | None = None,
) -> dict[str, Tensor]:
    """Of each of ``KINDS`` how likely the embedders take it to be: ``(Q, N)`` twice, ``(Q,)``.

    Args:
        asked: of each type how likely each class is asked for, ``(Q, classes)``.
        have: of each type how likely each photo of the gallery has each class, ``(G, classes)``.
        found: gallery positions of the results, best first, ``(Q, N)``.
        types: positions of the types that the edit names.
        exclude: of each query the gallery position that does not count, -1 for none, ``(Q,)``.
    """
    every_type = range(len(have))
    return {
        "attribute": result_probabilities(asked, have, found, types),
        "combination": result_probabilities(asked, have, found, every_type),
        "answer": answer_probabilities(asked, have, exclude),
    }
