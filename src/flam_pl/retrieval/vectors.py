"""What is stored per photo and what a query asks with: vectors whose inner product is the score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from flam_pl.attributes import AttributeSchema
from flam_pl.editing.editor import Editor
from flam_pl.editing.edits import Edit, asked_shares, in_order, wanted_probabilities
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.concat import ConcatClassifiers
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
    def of_embedders(cls, embedders: AttributeEmbedders) -> Posteriors:
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


@dataclass(frozen=True)
class QueryParts:
    """What query vectors are added up from; only the weights are missing.

    Attributes:
        edited: unit edited features, ``(Q, R)``.
        moved: unit features of the query moved by the means of its classes, times the strength of
            the edit, ``(Q, R)``; None where the classifier has no means or nothing is edited.
        target: wanted probabilities of the edited types, times the strength, ``(Q, C)``.
        others: the query's own probabilities in the other types, times the strength, ``(Q, C)``.
    """

    edited: Tensor
    moved: Tensor | None
    target: Tensor
    others: Tensor

    def head(self, weights: ScoreWeights) -> Tensor:
        """What is compared with the unit features of the gallery, ``(Q, R)``."""
        if self.moved is None or not weights.moved:
            return self.edited
        return self.edited + weights.moved * self.moved

    def tail(self, weights: ScoreWeights) -> Tensor:
        """What is compared with the log-posteriors of the gallery, ``(Q, C)``."""
        return weights.target * self.target + weights.others * self.others


class SearchVectors:
    """Gallery vectors and query vectors of one method; their inner product is the whole score.

    R is the dimension of the features that the method compares, C the number of classes of all
    types. Gallery: ``[unit represent(x) ; log-posteriors of x]``. Query: ``QueryParts``, added up.
    Without an edit the tail of the query is zero and its head is the unit feature: the search is
    the plain one.
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

    def edited(self, features: Tensor, edits: Sequence[Edit]) -> Tensor:
        """Stored features ``(Q, D)`` and edits -> unit edited features ``(Q, R)``."""
        return F.normalize(self.editor.edit(features, edits), dim=-1)

    def queries(self, features: Tensor, edits: Sequence[Edit]) -> Tensor:
        """Stored features ``(Q, D)`` and edits -> vectors ``(Q, R + C)``.

        Raises:
            SchemaError, EditError: as ``in_order``.
        """
        if self.posteriors is None:
            return self.edited(features, edits)
        parts = self.parts(features, edits)
        return torch.cat([parts.head(self.weights), parts.tail(self.weights)], dim=-1)

    def parts(self, features: Tensor, edits: Sequence[Edit]) -> QueryParts:
        """What the queries are added up from, whatever the weights.

        The strength of an edit scales every part but the edited feature, which the Editor blends:
        there is a path without a jump from the plain search to the edited one.

        Raises:
            SchemaError, EditError: as ``in_order``.
            ValueError: there are no posteriors.
        """
        if self.posteriors is None:
            raise ValueError(f"{self.name} has no posteriors: its queries are the edited features")
        schema, own = self.posteriors.schema, self.posteriors.read(features)
        asked = {edit.attribute_type: edit for edit in in_order(edits, schema)}
        strongest = max((edit.strength for edit in asked.values()), default=0.0)
        of_target = [asked[n].strength if n in asked else 0.0 for n in schema.types]
        of_others = [0.0 if n in asked else strongest for n in schema.types]
        wanted = [
            asked_shares(asked[n], self.posteriors, p).expand_as(p) if n in asked else p
            for n, p in zip(schema.types, own, strict=True)
        ]
        moved = None
        if strongest and self.posteriors.means:
            after = wanted_probabilities(own, edits, self.posteriors)
            whole = moved_features(features, own, after, self.posteriors.means())
            moved = strongest * F.normalize(self.editor.represent(whole), dim=-1)
        return QueryParts(
            self.edited(features, edits),
            moved,
            weighted_posteriors(wanted, of_target),
            weighted_posteriors(own, of_others),
        )

    def head_dimension(self, vectors: Tensor) -> int:
        """R: how many of the numbers of a vector are the feature."""
        tail = sum(self.posteriors.schema.sizes) if self.posteriors else 0
        return vectors.shape[1] - tail


def search_vectors(editor: Editor | SearchVectors) -> SearchVectors:
    """An Editor that is scored by nothing but the cosine; SearchVectors as they are."""
    return editor if isinstance(editor, SearchVectors) else SearchVectors(editor)
