"""Scoring with the embedders: the head of a search, re-ranked by what its photos are.

Not in the paper. phi(g) is computed from the stored feature, so nothing more is stored a photo.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from flam_pl.editing.editor import Editor
from flam_pl.editing.wishes import Wish, wanted_probabilities
from flam_pl.losses.distillation import LEAST
from flam_pl.nets.embedder import Embedders

SCORED = 500
"""Results that are looked at: beyond them no photo is near enough to x-tilde to come first."""


class Scored:
    """Another Editor's results in the order of cosine + weight x agreement.

    The agreement of a photo is the log-probability that it has what is wished for and, in every
    other type, the query's: the query's own probabilities are kept, not its most likely class, so a
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

    def edit(self, features: Tensor, wishes: Sequence[Wish]) -> Tensor:
        """As the other Editor."""
        return self.editor.edit(features, wishes)

    def classes(self, features: Tensor) -> list[Tensor]:
        """Of each type how likely each photo has each class: stored features ``(B, D)`` ->
        ``(B, classes)``; read once a gallery."""
        return self.embedders.probabilities(self.embedders(features))

    def order(
        self,
        own: Sequence[Tensor],
        wishes: Sequence[Wish],
        cosines: Tensor,
        found: Tensor,
        classes: Sequence[Tensor],
    ) -> Tensor:
        """The new order of the results.

        The agreement weighs as much as the strongest wish: between the plain search, which is in
        the order of the cosine, and the edit there is a path without a jump.

        Args:
            own: of the queries, as ``classes`` gives them, ``(Q, classes)`` a type.
            cosines, found: of the other Editor's search, ``(Q, N)``.
            classes: of the gallery, as ``classes`` gave them.

        Returns:
            Which of the N results comes first, second, ..., ``(Q, N)``.
        """
        wanted = wanted_probabilities(own, wishes, self.embedders)
        weight = self.weight * max((wish.strength for wish in wishes), default=0)
        agreement = torch.zeros_like(cosines)
        for asked, have in zip(wanted, classes, strict=True):
            agreement += (torch.einsum("qc,qnc->qn", asked, have[found]) + LEAST).log()
        return (cosines + weight * agreement).argsort(dim=1, descending=True, stable=True)
