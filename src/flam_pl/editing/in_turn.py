"""Results in turn: each is chosen as if none before it were right. Not in the paper.

What the query has in the types that nobody edits is read from its photo, never known: a shirt may
be plain or striped. In the order of their own probability all first results bet on the likelier,
and where it is the other, all miss. A shopper needs one right result, and T@k asks for one, so the
next should be the likeliest to be right *given that those before it are not*: it bets on what they
left open. That is the greedy order of Chen and Karger, "Less is more: probabilistic models for
retrieving fewer relevant documents" (SIGIR 2006).

And the surer it is that a right one stands there already, the more a result may be like the query
instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from flam_pl.losses.distillation import LEAST

PLACES = 50
"""That are filled in turn; nobody has doubts left after so many."""

CANDIDATES = 100
"""Results that the places are filled from: the first by the score that each has by itself."""

COMBINATIONS = 64
"""The likeliest that may be wanted are told apart; all others together are one doubt that stays."""

LEAST_DOUBT = 0.03
"""Share of the doubt in a combination that no result takes away: where all that may be wanted was
shown, the likeliest is wanted again, not what is left of the unlikeliest."""

AT_FIRST = 0.25
"""Share of the weight of likeness that counts before anything was shown."""

CHUNK = 256
"""Searches at once: memory does not grow with their number."""


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
class Parts:
    """Of the results of some searches what their order is made of.

    Attributes:
        cosines: to x-tilde, ``(Q, N)``.
        agreement: log-probability that each has what is wanted, ``(Q, N)``.
        likeness: cosines to the query, ``(Q, N)``.
        wanted: of each type how likely each class is wanted, ``(Q, classes)``.
        have: of each type how likely each result has each class, ``(Q, N, classes)``.
    """

    cosines: Tensor
    agreement: Tensor
    likeness: Tensor
    wanted: Sequence[Tensor]
    have: Sequence[Tensor]

    def at(self, rows: slice) -> Parts:
        """Some of the searches."""
        return Parts(
            self.cosines[rows],
            self.agreement[rows],
            self.likeness[rows],
            [of_type[rows] for of_type in self.wanted],
            [of_type[rows] for of_type in self.have],
        )

    def take(self, order: Tensor) -> Parts:
        """Some of the results of each search, ``(Q, n)``."""
        return Parts(
            self.cosines.gather(1, order),
            self.agreement.gather(1, order),
            self.likeness.gather(1, order),
            self.wanted,
            [h.gather(1, order[..., None].expand(-1, -1, h.shape[2])) for h in self.have],
        )


def at_once(parts: Parts, weights: Weights) -> Tensor:
    """Which of the N results comes first, second, ..., by the score of each alone, ``(Q, N)``."""
    scores = parts.cosines + weights.agreement * parts.agreement
    scores += weights.likeness * parts.likeness
    return scores.argsort(dim=1, descending=True, stable=True)


def in_turn(parts: Parts, weights: Weights) -> Tensor:
    """Which of the N results comes first, second, ..., each given those before it, ``(Q, N)``.

    Beyond ``PLACES`` they are in the order of ``at_once``.
    """
    order = at_once(parts, weights)
    if not weights.agreement or order.shape[1] < 2:
        return order  # nothing to have doubts about
    head = order[:, :CANDIDATES]
    chosen = torch.cat(
        [
            _fill(parts.at(rows).take(head[rows]), weights)
            for rows in (slice(n, n + CHUNK) for n in range(0, len(order), CHUNK))
        ]
    )
    places = chosen.shape[1]
    place = torch.arange(places, places + order.shape[1], device=order.device).repeat(len(order), 1)
    place.scatter_(1, chosen, torch.arange(places, device=order.device).expand_as(chosen))
    return order.gather(1, place.argsort(dim=1))


def _fill(parts: Parts, weights: Weights) -> Tensor:
    """Place by place the result that is best then, ``(Q, places)``."""
    combinations, doubt = likeliest(parts.wanted, COMBINATIONS)
    right = probabilities_of(combinations, parts.have)  # (Q, N, J)
    unnamed = (1 - doubt.sum(dim=1, keepdim=True)).clamp(min=0)
    right_unnamed = (parts.agreement.exp() - _sum(right, doubt)).clamp(min=0)
    missed = torch.ones_like(doubt)  # so far by every result, if this combination is wanted
    taken = torch.zeros_like(parts.cosines)
    every = torch.arange(len(doubt), device=doubt.device)
    chosen = []
    for _ in range(min(PLACES, taken.shape[1])):
        left = doubt * missed.clamp(min=LEAST_DOUBT)
        undecided = left.sum(dim=1, keepdim=True) + unnamed
        agreement = ((_sum(right, left) + right_unnamed) / undecided + LEAST).log()
        likeness = weights.likeness * (1 - (1 - AT_FIRST) * undecided)
        scores = parts.cosines + weights.agreement * agreement + likeness * parts.likeness
        best = (scores + taken).argmax(dim=1)
        missed = missed * (1 - right[every, best])
        taken[every, best] = -torch.inf
        chosen.append(best)
    return torch.stack(chosen, dim=1)


def _sum(right: Tensor, weights: Tensor) -> Tensor:
    """``(Q, N, J)`` weighted by ``(Q, J)``, ``(Q, N)``."""
    return torch.bmm(right, weights[..., None])[..., 0]


def likeliest(wanted: Sequence[Tensor], most: int) -> tuple[Tensor, Tensor]:
    """The likeliest combinations of a class of each type, and how likely they are.

    Exact: whatever is among the likeliest of all types is so of the first types alone.

    Args:
        wanted: of each type, which are independent, ``(Q, classes)``.

    Returns:
        Class indices ``(Q, J, types)`` and probabilities ``(Q, J)``; J is ``most``, or all that
        there are.
    """
    likely = wanted[0].new_ones(len(wanted[0]), 1)
    found = torch.zeros(len(likely), 1, 0, dtype=torch.long, device=likely.device)
    for of_type in wanted:
        joint = (likely[:, :, None] * of_type[:, None, :]).flatten(1)
        likely, place = joint.topk(min(most, joint.shape[1]), dim=1)
        before = torch.div(place, of_type.shape[1], rounding_mode="floor")
        found = found.gather(1, before[..., None].expand(-1, -1, found.shape[2]))
        found = torch.cat([found, (place % of_type.shape[1])[..., None]], dim=2)
    return found, likely


def probabilities_of(combinations: Tensor, have: Sequence[Tensor]) -> Tensor:
    """How likely each result has each combination, ``(Q, N, J)``.

    Args:
        combinations: class indices, ``(Q, J, types)``.
        have: of each type, ``(Q, N, classes)``.
    """
    right = have[0].new_ones(())
    for t, of_type in enumerate(have):
        classes = combinations[:, None, :, t].expand(-1, of_type.shape[1], -1)
        right = right * of_type.gather(2, classes)
    return right
