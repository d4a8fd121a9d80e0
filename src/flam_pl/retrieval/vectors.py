"""Gallery vectors and query vectors of a method. Their inner product is the score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from flam_pl.editing.editor import Editor
from flam_pl.editing.edits import Edit, in_order
from flam_pl.editing.targets import wanted_probabilities, wanted_shares
from flam_pl.retrieval.inner_product import log_posteriors, moved_features, weighted_posteriors
from flam_pl.retrieval.posteriors import Posteriors


@dataclass(frozen=True)
class ScoreWeights:
    """Weights of the wanted classes' and of the other classes' log-posteriors, and of the cosine to
    the query moved by class means; that of the edited feature is 1."""

    target: float = 0.0
    others: float = 0.0
    moved: float = 0.0


@dataclass(frozen=True)
class QueryParts:
    """Query vectors are weighted sums of these; all but ``edited`` are times the strength."""

    edited: Tensor  # unit edited features, (Q, R)
    moved: Tensor | None  # unit features moved by class means, (Q, R)
    target: Tensor  # wanted probabilities of the edited types, (Q, C)
    others: Tensor  # the query's own probabilities in the other types, (Q, C)


class SearchVectors:
    """The vectors of one method, with R dimensions and C classes, as in ``inner_product``. A query
    without an edit has a zero tail.

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
        """Posteriors of stored features ``(N, D)``, per type ``(N, classes)``, if they count."""
        return self.posteriors.read(features) if self.posteriors else None

    def gallery(self, features: Tensor) -> Tensor:
        """Stored features ``(N, D)`` -> gallery vectors ``(N, R + C)``."""
        heads, own = self.heads(features), self.read(features)
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
        """The parts of ``queries``; C is 0 without posteriors."""
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
