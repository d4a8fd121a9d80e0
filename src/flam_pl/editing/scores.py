"""What the order of results is made of, and the order where the score of each counts alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Weights:
    """Of what is added to the cosine to x-tilde; 0 and 0 leave the order as it is.

    Attributes:
        agreement: of the log-probability that a photo has what is wished for and, in every other
            type, the query's.
        likeness: of the cosine to the query with the wish applied to its class means: what nobody
            asked to change, and no embedder knows, is kept. In turn it counts in part, the more the
            likelier a right result stands before.
    """

    agreement: float = 0.0
    likeness: float = 0.0


@dataclass(frozen=True)
class Parts:
    """Of the results of some searches what their order is made of.

    Attributes:
        cosines: to x-tilde, ``(Q, N)``.
        agreement: log-probability that each has what is wanted, ``(Q, N)``.
        likeness: cosines to what the query would be, ``(Q, N)``.
        wanted: of each type how likely each class is wanted, ``(Q, classes)``. A mix of classes, or
            a wish of half the strength, is a doubt between them, too: either is shown.
        found: gallery positions, ``(Q, N)``.
        classes: of each type how likely each gallery image has each class, ``(G, classes)``.
    """

    cosines: Tensor
    agreement: Tensor
    likeness: Tensor
    wanted: Sequence[Tensor]
    found: Tensor
    classes: Sequence[Tensor]

    @classmethod
    def joined(cls, several: Sequence[Parts]) -> Parts:
        """Those of several searches, at least one, of one gallery and with as many results each,
        one after the other."""
        cosines, agreement, likeness, found = (
            torch.cat([getattr(parts, name) for parts in several])
            for name in ("cosines", "agreement", "likeness", "found")
        )
        wanted = [torch.cat(of_type) for of_type in zip(*(p.wanted for p in several), strict=True)]
        return cls(cosines, agreement, likeness, wanted, found, several[0].classes)

    def at(self, rows: slice, order: Tensor) -> Parts:
        """Some of the searches, and of each some of its results, ``(rows, n)``."""
        cosines, agreement, likeness, found = (
            of[rows].gather(1, order)
            for of in (self.cosines, self.agreement, self.likeness, self.found)
        )
        wanted = [of_type[rows] for of_type in self.wanted]
        return Parts(cosines, agreement, likeness, wanted, found, self.classes)


def at_once(parts: Parts, weights: Weights) -> Tensor:
    """Which of the N results comes first, second, ..., by the score of each alone, ``(Q, N)``."""
    scores = parts.cosines + weights.agreement * parts.agreement
    scores += weights.likeness * parts.likeness
    return scores.argsort(dim=1, descending=True, stable=True)
