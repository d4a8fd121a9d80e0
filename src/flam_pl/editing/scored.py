"""Scoring: the head of a search, re-ranked by what its photos are and by how like the query.

Not in the paper. Both are computed from the stored feature, so nothing more is stored a photo.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from flam_pl.editing.editor import Editor
from flam_pl.editing.wishes import Wish, wanted_probabilities
from flam_pl.losses.distillation import LEAST
from flam_pl.nets.embedder import Embedders
from flam_pl.retrieval.search import cosines_at

SCORED = 500
"""Results that are looked at: beyond them no photo is near enough to x-tilde to come first."""


@dataclass(frozen=True)
class Weights:
    """Of what is added to the cosine to x-tilde; 0 and 0 leave the order as it is.

    Attributes:
        agreement: of the log-probability that a photo has what is wished for and, in every other
            type, the query's.
        likeness: of the cosine to the query itself: what nobody asked to change, and no embedder
            knows, is kept.
    """

    agreement: float = 0.0
    likeness: float = 0.0


@dataclass(frozen=True)
class Read:
    """What the scoring reads in photos, once.

    Attributes:
        classes: of each type how likely each photo has each class, ``(N, classes)``.
        directions: stored features of unit length, ``(N, D)``.
    """

    classes: Sequence[Tensor]
    directions: Tensor

    def at(self, positions: Tensor) -> Read:
        """Some of the photos."""
        return Read([of_type[positions] for of_type in self.classes], self.directions[positions])


class Scored:
    """Another Editor's results in the order of cosine + weighted agreement + weighted likeness.

    The query's own probabilities are kept in the types that no wish names, not its most likely
    class, so a doubtful color asks for either.
    """

    def __init__(
        self, editor: Editor, embedders: Embedders, weights: Weights, depth: int, name: str
    ) -> None:
        """Args:
        depth: results of the other Editor that are looked at.
        """
        self.editor, self.embedders = editor, embedders
        self.weights, self.depth, self.name = weights, depth, name

    def represent(self, features: Tensor) -> Tensor:
        """As the other Editor."""
        return self.editor.represent(features)

    def edit(self, features: Tensor, wishes: Sequence[Wish]) -> Tensor:
        """As the other Editor."""
        return self.editor.edit(features, wishes)

    def read(self, features: Tensor) -> Read:
        """Stored features ``(N, D)`` as ``order`` takes them."""
        classes = self.embedders.probabilities(self.embedders(features))
        return Read(classes, F.normalize(features, dim=-1))

    def agreement(
        self, queries: Read, wishes: Sequence[Wish], found: Tensor, gallery: Read
    ) -> Tensor:
        """Log-probability that each result has what is wanted, ``(Q, N)``.

        Args:
            found: gallery positions, ``(Q, N)``.
        """
        wanted = wanted_probabilities(queries.classes, wishes, self.embedders)
        agreement = torch.zeros(found.shape, device=found.device)
        for asked, have in zip(wanted, gallery.classes, strict=True):
            agreement += (torch.einsum("qc,qnc->qn", asked, have[found]) + LEAST).log()
        return agreement

    def order(
        self,
        queries: Read,
        wishes: Sequence[Wish],
        cosines: Tensor,
        found: Tensor,
        gallery: Read,
    ) -> Tensor:
        """The new order of the results.

        The agreement weighs as much as the strongest wish: between the plain search, which is in
        the order of the cosine, and the edit there is a path without a jump.

        Args:
            cosines, found: of the other Editor's search, ``(Q, N)``.

        Returns:
            Which of the N results comes first, second, ..., ``(Q, N)``.
        """
        strength = max((wish.strength for wish in wishes), default=0)
        agreement = self.agreement(queries, wishes, found, gallery)
        scores = cosines + strength * self.weights.agreement * agreement
        if self.weights.likeness:
            likeness = cosines_at(queries.directions, gallery.directions, found)
            scores += self.weights.likeness * likeness
        return scores.argsort(dim=1, descending=True, stable=True)
