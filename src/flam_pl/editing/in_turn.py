"""Results in turn: each is chosen as if none before it were right. Not in the paper.

What the query has in the types that nobody edits is read from its photo, never known: a shirt may
be plain or striped. In the order of their own probability all first results bet on the likelier,
and where it is the other, all miss. A shopper needs one right result, and T@k asks for one, so the
next should be the likeliest to be right *given that those before it are not*: it bets on what they
left open. That is the greedy order of Chen and Karger, "Less is more: probabilistic models for
retrieving fewer relevant documents" (SIGIR 2006).

And the surer it is that a right one stands there already, the more a result may be like what the
query would be instead.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from flam_pl.editing.scores import Parts, Weights, at_once
from flam_pl.losses.distillation import LEAST

PLACES = 50
"""At most so many are filled in turn; beyond them each result counts alone."""

CANDIDATES = 100
"""The results that are looked at for these places."""

COMBINATIONS = 32
"""So many of the likeliest wanted combinations are told apart; all others are one doubt that no
result takes away."""

LEAST_DOUBT = 0.03
"""Share of the doubt in a combination that no result takes away: where all that may be wanted was
shown, the likeliest is wanted again, not what is left of the unlikeliest."""

AT_FIRST = 0.25
"""Share of the weight of likeness that counts before anything was shown."""

CHUNK = 256
"""Searches at once: memory does not grow with their number."""


def in_turn(parts: Parts, weights: Weights, places: int = PLACES) -> Tensor:
    """Which of the N results comes first, second, ..., each given those before it, ``(Q, N)``.

    Beyond the places, and where agreement weighs nothing, they are in the order of ``at_once``.

    Args:
        places: so many are wanted; at most ``PLACES`` are filled. Fewer change nothing about these.
    """
    order = at_once(parts, weights)
    if not weights.agreement or min(order.shape) == 0:
        return order
    rank = ranks(order)
    head = candidates(parts, weights, rank)
    places = min(places, PLACES, head.shape[1])
    chosen = torch.cat(
        [
            head[rows].gather(1, _fill(parts.at(rows, head[rows]), weights, places))
            for rows in (slice(n, n + CHUNK) for n in range(0, len(order), CHUNK))
        ]
    )
    rank += places
    rank.scatter_(1, chosen, torch.arange(places, device=rank.device).expand_as(chosen))
    return rank.argsort(dim=1)


def candidates(parts: Parts, weights: Weights, rank: Tensor) -> Tensor:
    """The results that are first by the whole weight of likeness or by that of the first place.

    Args:
        rank: of each by the whole weight, ``(Q, N)``.

    Returns:
        ``(Q, n)``.
    """
    at_first = at_once(parts, Weights(weights.agreement, AT_FIRST * weights.likeness))
    return torch.minimum(rank, ranks(at_first)).argsort(dim=1, stable=True)[:, :CANDIDATES]


def ranks(order: Tensor) -> Tensor:
    """The place of each result in an order, ``(Q, N)``."""
    return order.argsort(dim=1)


def _fill(parts: Parts, weights: Weights, places: int) -> Tensor:
    """Place by place the result that is best then, ``(Q, places)``.

    The agreement is the logarithm of a sum over all combinations, of how likely each is wanted
    times how likely the result has it; what the results before leave of its terms is summed again.
    """
    combinations, doubt = likeliest(parts.wanted, COMBINATIONS)
    right = log_probabilities(combinations, parts)  # (Q, N, J)
    terms = (right + doubt.log()[:, None] - parts.agreement[..., None]).exp()
    other_terms = (1 - terms.sum(dim=2)).clamp(min=0)
    other_doubt = (1 - doubt.sum(dim=1, keepdim=True)).clamp(min=0)
    missed = torch.ones_like(doubt)  # so far by every result, if this combination is wanted
    taken = torch.zeros_like(parts.cosines)
    every = torch.arange(len(doubt), device=doubt.device)
    chosen = []
    for _ in range(places):
        left = missed.clamp(min=LEAST_DOUBT)
        undecided = (doubt * left).sum(dim=1, keepdim=True) + other_doubt
        terms_left = torch.bmm(terms, left[..., None])[..., 0] + other_terms
        agreement = parts.agreement + (terms_left / undecided).log()
        likeness = weights.likeness * (1 - (1 - AT_FIRST) * undecided)
        scores = parts.cosines + weights.agreement * agreement + likeness * parts.likeness
        best = (scores + taken).argmax(dim=1)
        missed = missed * (1 - right[every, best].exp()).clamp(min=0)
        taken[every, best] = -torch.inf
        chosen.append(best)
    return torch.stack(chosen, dim=1)


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


def log_probabilities(combinations: Tensor, parts: Parts) -> Tensor:
    """How likely each result has each combination, ``(Q, N, J)``, no class less than ``LEAST``.

    Args:
        combinations: class indices, ``(Q, J, types)``.
    """
    found = parts.cosines.new_zeros(*parts.found.shape, combinations.shape[1])
    for t, of_type in enumerate(parts.classes):
        have = (of_type[parts.found] + LEAST).log()
        found += have.gather(2, combinations[:, None, :, t].expand_as(found))
    return found
