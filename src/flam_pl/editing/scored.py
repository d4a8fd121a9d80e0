"""Scoring: the head of a search, re-ranked by what its photos are and by how like they are to what
the query would be.

Not in the paper. Both are computed from the stored feature, so nothing more is stored a photo.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from flam_pl.editing.editor import Editor
from flam_pl.editing.in_turn import in_turn
from flam_pl.editing.scores import Parts, Weights, at_once
from flam_pl.editing.wishes import Wish, wanted_probabilities
from flam_pl.losses.distillation import LEAST
from flam_pl.nets.embedder import Embedders
from flam_pl.retrieval.search import cosines_at

SCORED = 500
"""Results that are looked at: beyond them no photo is near enough to x-tilde to come first."""


@dataclass(frozen=True)
class Read:
    """What the scoring reads in photos, once.

    Attributes:
        classes: of each type how likely each photo has each class, ``(N, classes)``.
        directions: stored features less their mean, of unit length, ``(N, D)``.
        lengths: those that they had, ``(N, 1)``.
    """

    classes: Sequence[Tensor]
    directions: Tensor
    lengths: Tensor

    def at(self, positions: Tensor) -> Read:
        """Some of the photos."""
        classes = [of_type[positions] for of_type in self.classes]
        return Read(classes, self.directions[positions], self.lengths[positions])


class Scored:
    """Another Editor's results in the order of cosine + weighted agreement + weighted likeness,
    each given those before it.

    The query's own probabilities are kept in the types that no wish names, not its most likely
    class, so a doubtful color asks for either.
    """

    def __init__(
        self,
        editor: Editor,
        embedders: Embedders,
        weights: Weights,
        depth: int,
        name: str,
        in_turn: bool = True,
    ) -> None:
        """Args:
        depth: results of the other Editor that are looked at.
        in_turn: false: the score of each result counts alone.
        """
        self.editor, self.embedders = editor, embedders
        self.weights, self.depth, self.name = weights, depth, name
        self.in_turn = in_turn

    def represent(self, features: Tensor) -> Tensor:
        """As the other Editor."""
        return self.editor.represent(features)

    def edit(self, features: Tensor, wishes: Sequence[Wish]) -> Tensor:
        """As the other Editor."""
        return self.editor.edit(features, wishes)

    def read(self, features: Tensor) -> Read:
        """Stored features ``(N, D)`` as ``order`` takes them."""
        classes = self.embedders.probabilities(self.embedders(features))
        centred = features - self.embedders.space.mean
        return Read(classes, F.normalize(centred, dim=-1), centred.norm(dim=-1, keepdim=True))

    def parts(
        self,
        queries: Read,
        wishes: Sequence[Wish],
        cosines: Tensor,
        found: Tensor,
        gallery: Read,
    ) -> Parts:
        """What the order of the results is made of.

        Args:
            cosines: to x-tilde, ``(Q, N)``.
            found: gallery positions, ``(Q, N)``.
        """
        wanted = wanted_probabilities(queries.classes, wishes, self.embedders)
        agreement = torch.zeros(found.shape, device=found.device)
        for asked, have in zip(wanted, gallery.classes, strict=True):
            agreement += (torch.einsum("qc,qnc->qn", asked, have[found]) + LEAST).log()
        likeness = cosines_at(self.changed(queries, wanted), gallery.directions, found)
        return Parts(cosines, agreement, likeness, wanted, found, gallery.classes)

    def changed(self, queries: Read, wanted: Sequence[Tensor]) -> Tensor:
        """Roughly what the wanted photo is like: the query less the mean of the classes that it has
        plus the mean of those that are wanted. Next to the query itself an edit would lose by being
        what it should be.

        Args:
            wanted: of each type how likely each class is wanted, ``(Q, classes)``.

        Returns:
            Directions about the mean, ``(Q, D)``.
        """
        changed = queries.directions * queries.lengths
        for t, (asked, have) in enumerate(zip(wanted, queries.classes, strict=True)):
            means = self.embedders.of(self.embedders.schema.types[t]).class_means
            changed = changed + (asked - have) @ means
        return F.normalize(changed, dim=-1)

    def order(self, parts: Parts, wishes: Sequence[Wish], places: int) -> Tensor:
        """The new order of the results.

        Both weigh as much as the strongest wish: between the plain search, which is in the order of
        the cosine, and the edit there is a path without a jump.

        Args:
            parts: of the other Editor's search with these wishes.
            places: so many results are wanted; the order of these does not depend on their number.

        Returns:
            Which of the N results comes first, second, ..., ``(Q, N)``.
        """
        strength = max((wish.strength for wish in wishes), default=0)
        own = self.weights
        weights = Weights(strength * own.agreement, strength * own.likeness)
        return in_turn(parts, weights, places) if self.in_turn else at_once(parts, weights)
