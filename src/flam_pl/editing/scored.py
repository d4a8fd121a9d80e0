"""Scoring with the embedders: the head of a search, re-ranked by what its photos are.

Not in the paper. phi(g) is computed from the stored feature, so nothing more is stored a photo.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flam_pl.editing.editor import Editor
from flam_pl.losses.distillation import LEAST
from flam_pl.nets.embedder import Embedders

SCORED = 500
"""Results that are looked at: beyond them no photo is near enough to x-tilde to come first."""


class Scored:
    """Another Editor's results in the order of cosine + weight x agreement.

    The agreement of a photo is the log-probability that it has the wanted class and, in every other
    type, the query's: the query's own probabilities are kept, not its most likely class, so a
    doubtful color asks for either.
    """

    def __init__(
        self, editor: Editor, embedders: Embedders, weight: float, depth: int, name: str
    ) -> None:
        """Args:
        weight: of the agreement beside the cosine; 0 leaves the order as it is.
        depth: results of the other Editor that are looked at.
        """
        self.editor, self.embedders = editor, embedders
        self.weight, self.depth, self.name = weight, depth, name

    def represent(self, features: Tensor) -> Tensor:
        """As the other Editor."""
        return self.editor.represent(features)

    def edit(self, features: Tensor, target_type: str, target_class: str) -> Tensor:
        """As the other Editor."""
        return self.editor.edit(features, target_type, target_class)

    def classes(self, gallery: Tensor) -> list[Tensor]:
        """Of each type how likely each photo has each class: stored features ``(G, D)`` ->
        ``(G, classes)``; measured once a gallery."""
        logs = self.embedders.log_probabilities(self.embedders(gallery))
        return [of_type.exp() for of_type in logs]

    def order(
        self,
        features: Tensor,
        target_type: str,
        target_class: str,
        cosines: Tensor,
        found: Tensor,
        classes: list[Tensor],
    ) -> Tensor:
        """The new order of the results.

        Args:
            features: of the queries, as stored, ``(Q, D)``.
            cosines, found: of the other Editor's search, ``(Q, N)``.
            classes: of the gallery, as ``classes`` gave them.

        Returns:
            Which of the N results comes first, second, ..., ``(Q, N)``.
        """
        schema = self.embedders.schema
        wanted = self.classes(features)
        t = schema.types.index(target_type)
        wanted[t] = torch.zeros_like(wanted[t])
        wanted[t][:, schema.index(target_type, target_class)] = 1
        agreement = torch.zeros_like(cosines)
        for asked, have in zip(wanted, classes, strict=True):
            agreement += (torch.einsum("qc,qnc->qn", asked, have[found]) + LEAST).log()
        return (cosines + self.weight * agreement).argsort(dim=1, descending=True, stable=True)
