"""What is stored per photo and what a query asks with: vectors whose inner product is the score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from flam_pl.attributes import AttributeSchema
from flam_pl.editing.editor import Editor
from flam_pl.editing.wishes import Wish, asked_shares, in_order, wanted_probabilities
from flam_pl.nets.concat import ConcatClassifiers
from flam_pl.nets.embedder import Embedders
from flam_pl.retrieval.inner_product import log_posteriors, moved_features, weighted_posteriors


@dataclass(frozen=True)
class Posteriors:
    """A classifier of stored features, by which photos are scored.

    Attributes:
        schema: attribute types and their classes.
        read: stored features ``(N, D)`` -> per type the probability of each class,
            ``(N, classes)``.
        means: per type the mean stored feature of each class, ``(classes, D)``; None where the
            classifier has none.
    """

    schema: AttributeSchema
    read: Callable[[Tensor], list[Tensor]]
    means: Callable[[], list[Tensor]] | None = None

    @classmethod
    def of_embedders(cls, embedders: Embedders) -> Posteriors:
        """The softmax over each dictionary."""
        return cls(
            embedders.schema,
            embedders.read,
            lambda: [embedders.of(name).class_means for name in embedders.schema.types],
        )

    @classmethod
    def of_classifiers(cls, classifiers: ConcatClassifiers) -> Posteriors:
        """The softmax of each classifier of Cls-Concat."""
        return cls(classifiers.schema, classifiers.read)

    def hardened(self) -> Posteriors:
        """All probability on the likeliest class: a filter instead of a score."""

        def read(features: Tensor) -> list[Tensor]:
            return [
                F.one_hot(of.argmax(dim=1), of.shape[1]).to(of.dtype) for of in self.read(features)
            ]

        return Posteriors(self.schema, read, self.means)


@dataclass(frozen=True)
class ScoreWeights:
    """What counts beside the cosine to the edited feature.

    Attributes:
        target: of the log-posteriors of the wanted classes, in the types that an edit names.
        others: of the log-posteriors of the query's own classes, in the other types.
        moved: of the cosine to the query moved by the means of its classes.
    """

    target: float = 0.0
    others: float = 0.0
    moved: float = 0.0


class SearchVectors:
    """Gallery vectors and query vectors of one method; their inner product is the whole score.

    Gallery: ``[unit represent(x) ; log-posteriors of x]``. Query: ``[unit edit(x) + moved x unit
    represent(moved query) ; weighted wanted posteriors]``. Without an edit the tail of the query is
    zero and its head is the unit feature: the search is the plain one.
    """

    def __init__(
        self,
        editor: Editor,
        posteriors: Posteriors | None = None,
        weights: ScoreWeights | None = None,
        name: str | None = None,
    ) -> None:
        """Args:
        editor: makes the heads.
        posteriors: make the tails; None: there are no tails, the score is the cosine.
        weights: of the tails and of the moved query.
        name: of the method; None: the editor's.
        """
        self.editor, self.posteriors = editor, posteriors
        self.weights = weights or ScoreWeights()
        self.name = name or editor.name

    def gallery(self, features: Tensor) -> Tensor:
        """Stored features ``(N, D)`` -> vectors ``(N, R + C)``; C is 0 without posteriors."""
        head = F.normalize(self.editor.represent(features), dim=-1)
        if self.posteriors is None:
            return head
        return torch.cat([head, log_posteriors(self.posteriors.read(features))], dim=-1)

    def queries(self, features: Tensor, wishes: Sequence[Wish]) -> Tensor:
        """Stored features ``(Q, D)`` and edits -> vectors ``(Q, R + C)``.

        The tail is scaled by the strength of the edits, so that there is a path without a jump
        from the plain search to the edited one.

        Raises:
            SchemaError, WishError: as ``in_order``.
        """
        head = F.normalize(self.editor.edit(features, wishes), dim=-1)
        if self.posteriors is None:
            return head
        own = self.posteriors.read(features)
        wanted, weights = wanted_and_weights(own, wishes, self.posteriors, self.weights)
        strength = max((wish.strength for wish in wishes), default=0.0)
        if self.weights.moved and strength and self.posteriors.means:
            after = wanted_probabilities(own, wishes, self.posteriors)
            moved = moved_features(features, own, after, self.posteriors.means())
            towards = F.normalize(self.editor.represent(moved), dim=-1)
            head = head + self.weights.moved * strength * towards
        return torch.cat([head, weighted_posteriors(wanted, weights)], dim=-1)

    def head_dimension(self, vectors: Tensor) -> int:
        """R: how many of the numbers of a vector are the feature."""
        tail = sum(self.posteriors.schema.sizes) if self.posteriors else 0
        return vectors.shape[1] - tail


def search_vectors(editor: Editor | SearchVectors) -> SearchVectors:
    """An Editor that is scored by nothing but the cosine; SearchVectors as they are."""
    return editor if isinstance(editor, SearchVectors) else SearchVectors(editor)


def wanted_and_weights(
    own: Sequence[Tensor], wishes: Sequence[Wish], posteriors: Posteriors, weights: ScoreWeights
) -> tuple[list[Tensor], list[float]]:
    """What the tail of a query asks for: per type the wanted probabilities ``(B, classes)`` and
    their weight.

    Args:
        own: per type the query's probabilities, ``(B, classes)``.
    """
    asked = {wish.attribute_type: wish for wish in in_order(wishes, posteriors.schema)}
    strongest = max((wish.strength for wish in asked.values()), default=0.0)
    wanted, per_type = [], []
    for name, of_query in zip(posteriors.schema.types, own, strict=True):
        wish = asked.get(name)
        if wish is None:
            wanted.append(of_query)
            per_type.append(strongest * weights.others)
        else:
            wanted.append(asked_shares(wish, posteriors, of_query).expand_as(of_query))
            per_type.append(wish.strength * weights.target)
    return wanted, per_type
