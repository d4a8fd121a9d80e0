"""Gallery vectors and query vectors of a method. Their inner product is the score.

A gallery vector is the unit feature and the log-posteriors of all classes c of all types t. A query
vector is a feature (the head) and the wanted probabilities, weighted by type (the tail):

    score = head . unit x + sum_t w_t sum_c p_t(c) log p_t(c | x)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from flam_pl.editing.editor import Editor
from flam_pl.editing.edits import Edit, in_order
from flam_pl.editing.targets import wanted_probabilities, wanted_shares
from flam_pl.retrieval.posteriors import Posteriors

FLOOR = 1e-3  # least posterior: one confident mistake of a classifier must not hide a photo


@dataclass(frozen=True)
class ScoreWeights:
    """Weights of a score: of log-posteriors in the edited and in the other types, and of the cosine
    to the query moved by class means. The edited feature's cosine has weight 1."""

    target: float = 0.0
    others: float = 0.0
    moved: float = 0.0


@dataclass(frozen=True)
class QueryParts:
    """The parts of query vectors, before their weights. All but ``edited`` hold the strength."""

    edited: Tensor  # unit edited features, (Q, R)
    moved: Tensor | None  # unit features moved by class means, (Q, R)
    target: Tensor  # wanted probabilities of the edited types, (Q, C)
    others: Tensor  # the query's own probabilities in the other types, (Q, C)


class SearchVectors:
    """Makes the vectors of one method: R dimensions, C classes. Without an edit, a query's tail is
    zero.

    >>> from flam_pl.editing.editor import NoEdit
    >>> SearchVectors(NoEdit()).gallery(torch.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """

    def __init__(
        self,
        editor: Editor,
        posteriors: Posteriors | None = None,
        weights: ScoreWeights | None = None,
        name: str | None = None,
    ) -> None:
        self.editor, self.posteriors = editor, posteriors
        self.weights = weights or ScoreWeights()
        self.name = name or editor.name

    def heads(self, features: Tensor) -> Tensor:
        """Stored features ``(N, D)`` -> unit features ``(N, R)``."""
        return F.normalize(self.editor.represent(features), dim=-1)

    def read(self, features: Tensor) -> list[Tensor] | None:
        """Per type, posteriors ``(N, classes)`` of stored features ``(N, D)``; None if unused."""
        return self.posteriors.read(features) if self.posteriors else None

    def gallery(self, features: Tensor, own: Sequence[Tensor] | None = None) -> Tensor:
        """Stored features ``(N, D)`` -> gallery vectors ``(N, R + C)``. ``own`` is
        ``read(features)``."""
        heads, own = self.heads(features), own or self.read(features)
        return heads if own is None else torch.cat([heads, log_posteriors(own)], dim=-1)

    def queries(
        self, features: Tensor, edits: Sequence[Edit], own: Sequence[Tensor] | None = None
    ) -> Tensor:
        """Stored features ``(Q, D)`` -> query vectors ``(Q, R + C)``. ``own`` is
        ``read(features)``."""
        return self.weighted(self.parts(features, edits, own))

    def weighted(self, parts: QueryParts) -> Tensor:
        head, w = parts.edited, self.weights
        if parts.moved is not None and w.moved:
            head = head + w.moved * parts.moved
        return torch.cat([head, w.target * parts.target + w.others * parts.others], dim=-1)

    def parts(
        self, features: Tensor, edits: Sequence[Edit], own: Sequence[Tensor] | None = None
    ) -> QueryParts:
        """The parts of ``queries``; without posteriors, C is 0."""
        edited = F.normalize(self.editor.edit(features, edits), dim=-1)
        if self.posteriors is None:
            nothing = edited.new_zeros(len(edited), 0)
            return QueryParts(edited, None, nothing, nothing)
        schema, own = self.posteriors.schema, own or self.posteriors.read(features)
        edit_of = {edit.attribute_type: edit for edit in in_order(edits, schema)}
        strongest = max((edit.strength for edit in edit_of.values()), default=0.0)
        of_target = [edit_of[n].strength if n in edit_of else 0.0 for n in schema.types]
        of_others = [0.0 if n in edit_of else strongest for n in schema.types]
        wanted = [
            wanted_shares(edit_of[n], self.posteriors, p).expand_as(p) if n in edit_of else p
            for n, p in zip(schema.types, own, strict=True)
        ]
        moved = None
        if strongest and self.posteriors.means:
            after = wanted_probabilities(own, edits, self.posteriors)
            whole = moved_features(features, own, after, self.posteriors.means())
            moved = strongest * self.heads(whole)
        target, others = weighted_posteriors(wanted, of_target), weighted_posteriors(own, of_others)
        return QueryParts(edited, moved, target, others)


def log_posteriors(posteriors: Sequence[Tensor], floor: float = FLOOR) -> Tensor:
    """Tails of gallery vectors: per type ``(N, classes)`` -> ``(N, C)``.

    >>> log_posteriors([torch.tensor([[1.0, 0.0]])], floor=0.25).exp()
    tensor([[1.0000, 0.2500]])
    """
    return torch.cat([of_type.clamp_min(floor).log() for of_type in posteriors], dim=-1)


def weighted_posteriors(wanted: Sequence[Tensor], weights: Sequence[float] | Tensor) -> Tensor:
    """Tails of query vectors ``(B, C)``, for weights ``(types,)`` or ``(B, types)``.

    >>> weighted_posteriors([torch.tensor([[0.0, 1.0]])], [0.5])
    tensor([[0.0000, 0.5000]])
    """
    per_type = torch.as_tensor(weights, dtype=wanted[0].dtype, device=wanted[0].device)
    return torch.cat([per_type[..., t, None] * of for t, of in enumerate(wanted)], dim=-1)


def moved_features(
    features: Tensor, own: Sequence[Tensor], wanted: Sequence[Tensor], means: Sequence[Tensor]
) -> Tensor:
    """Features ``(B, D)``, minus the mean features of their classes, plus those of the wanted
    classes. Per type: probabilities ``(B, classes)``, mean features ``(classes, D)``.

    >>> red, blue = [torch.tensor([[1.0, 0.0]])], [torch.tensor([[0.0, 1.0]])]
    >>> moved_features(torch.tensor([[5.0]]), red, blue, [torch.tensor([[1.0], [3.0]])])
    tensor([[7.]])
    """
    for before, after, of_class in zip(own, wanted, means, strict=True):
        features = features + (after - before) @ of_class
    return features
