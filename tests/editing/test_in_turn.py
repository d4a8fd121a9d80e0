"""Results in turn: against a slow loop over all combinations, and by what they are for."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from flam_pl.editing import in_turn as module
from flam_pl.editing.in_turn import (
    AT_FIRST,
    LEAST_DOUBT,
    Parts,
    Weights,
    at_once,
    in_turn,
    likeliest,
)
from flam_pl.losses.distillation import LEAST

CLASSES = (3, 4, 2)


def draw_parts(searches: int, results: int, seed: int = 0, boldness: float = 2.0) -> Parts:
    """Random probabilities; the agreement is that of these."""
    chance = torch.Generator().manual_seed(seed)

    def classes(*shape: int) -> Tensor:
        return (boldness * torch.randn(*shape, generator=chance)).softmax(dim=-1)

    wanted = [classes(searches, c) for c in CLASSES]
    have = [classes(searches, results, c) for c in CLASSES]
    agreement = sum(
        torch.einsum("qc,qnc->qn", w, h).log() for w, h in zip(wanted, have, strict=True)
    )
    assert isinstance(agreement, Tensor)
    cosines, likeness = torch.rand(2, searches, results, generator=chance)
    return Parts(cosines, agreement, likeness, wanted, have)


def slow(parts: Parts, weights: Weights, q: int) -> list[int]:
    """The order of one search, by sums over every combination there is."""
    combinations = list(product(*map(range, CLASSES)))
    doubt = {
        c: math.prod(float(w[q, k]) for w, k in zip(parts.wanted, c, strict=True))
        for c in combinations
    }
    missed = dict.fromkeys(combinations, 1.0)

    def right(n: int, c: tuple[int, ...]) -> float:
        return math.prod(float(h[q, n, k]) for h, k in zip(parts.have, c, strict=True))

    order: list[int] = []
    while len(order) < parts.cosines.shape[1]:
        left = {c: doubt[c] * max(missed[c], LEAST_DOUBT) for c in combinations}
        undecided = sum(left.values())
        share = 1 - (1 - AT_FIRST) * undecided
        scores = {
            n: float(parts.cosines[q, n])
            + weights.agreement
            * math.log(sum(left[c] * right(n, c) for c in combinations) / undecided + LEAST)
            + weights.likeness * share * float(parts.likeness[q, n])
            for n in range(parts.cosines.shape[1])
            if n not in order
        }
        best = max(scores, key=lambda n: scores[n])
        missed = {c: missed[c] * (1 - right(best, c)) for c in combinations}
        order.append(best)
    return order


@pytest.mark.parametrize("weights", [Weights(0.3, 0), Weights(0.3, 1.5), Weights(2, 0.5)])
def test_each_result_is_the_best_given_that_those_before_it_missed(weights: Weights) -> None:
    parts = draw_parts(6, 14)
    order = in_turn(parts, weights)
    assert order.tolist() == [slow(parts, weights, q) for q in range(6)]
    assert (order != at_once(parts, weights)).any()


def test_the_second_result_bets_on_what_the_first_left_open() -> None:
    # plain with 60 %, striped with 40 %; three photos are surely plain, the last two surely striped
    wanted = [torch.tensor([[0.6, 0.4]])]
    have = [torch.tensor([[[1.0, 0.0]] * 3 + [[0.0, 1.0]] * 2])]
    agreement = torch.tensor([[0.6, 0.6, 0.6, 0.4, 0.4]]).log()
    cosines = torch.tensor([[0.05, 0.04, 0.03, 0.02, 0.01]])
    parts = Parts(cosines, agreement, torch.zeros(1, 5), wanted, have)
    assert at_once(parts, Weights(1)).tolist() == [[0, 1, 2, 3, 4]]
    # both were shown after two: the likelier is wanted again
    assert in_turn(parts, Weights(1)).tolist() == [[0, 3, 1, 2, 4]]


def test_more_searches_have_a_right_result_where_the_probabilities_are_true() -> None:
    parts = draw_parts(400, 60, boldness=3.0)
    weights = Weights(100)  # agreement alone
    rng = np.random.default_rng(0)

    def drawn(probabilities: Tensor) -> np.ndarray:
        return (rng.random(probabilities.shape[:-1])[..., None] > probabilities.cumsum(-1)).sum(-1)

    shares = []
    for order in (at_once(parts, weights), in_turn(parts, weights)):
        rng = np.random.default_rng(0)
        found = 0.0
        for _ in range(20):
            wanted = [drawn(of_type.numpy()) for of_type in parts.wanted]
            have = [drawn(of_type.numpy()) for of_type in parts.have]
            right = np.all([h == w[:, None] for h, w in zip(have, wanted, strict=True)], axis=0)
            found += np.take_along_axis(right, order[:, :5].numpy(), axis=1).any(axis=1).mean()
        shares.append(found / 20)
    assert shares[1] > shares[0] + 0.01


def test_where_nothing_is_in_doubt_each_result_counts_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LEAST", 0.0)  # added to the whole, not to each type
    parts = draw_parts(8, 40, boldness=0.5)
    sure = [torch.eye(c)[torch.arange(8) % c] for c in CLASSES]
    agreement = torch.zeros_like(parts.cosines)
    for asked, of_type in zip(sure, parts.have, strict=True):
        agreement += torch.einsum("qc,qnc->qn", asked, of_type).log()
    known = Parts(parts.cosines, agreement, parts.likeness, sure, parts.have)
    assert torch.equal(in_turn(known, Weights(0.3)), at_once(known, Weights(0.3)))
    assert torch.equal(in_turn(parts, Weights(0, 2)), at_once(parts, Weights(0, 2)))


def test_the_likelier_a_right_result_was_shown_the_more_likeness_counts() -> None:
    # all have what is wanted, for sure, and all cosines are the same but the first two
    ones = torch.ones(1, 4)
    parts = Parts(
        torch.tensor([[0.5, 0.2, 0.2, 0.2]]),
        torch.zeros(1, 4),
        torch.tensor([[0.0, 0.4, 0.5, 0.3]]),
        [torch.ones(1, 1)],
        [ones[..., None]],
    )
    # .3 of the cosine is more than a quarter of .5 * weight, and less than all of it
    assert in_turn(parts, Weights(1, 1)).tolist() == [[0, 2, 1, 3]]
    assert at_once(parts, Weights(1, 1)).tolist() == [[2, 1, 0, 3]]


def test_combinations_beyond_the_likeliest_stay_one_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = draw_parts(30, 20)
    whole = in_turn(parts, Weights(0.5))
    monkeypatch.setattr(module, "COMBINATIONS", 3)
    few = in_turn(parts, Weights(0.5))
    # no result has missed yet at the first place, whatever is told apart
    assert torch.equal(whole[:, 0], few[:, 0])
    assert (whole != few).any()
    monkeypatch.setattr(module, "COMBINATIONS", math.prod(CLASSES))
    assert torch.equal(in_turn(parts, Weights(0.5)), whole)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 100), st.integers(1, 9), st.integers(1, 30))
def test_every_result_has_one_place_whatever_else_is_searched(
    seed: int, searches: int, results: int
) -> None:
    parts, weights = draw_parts(searches, results, seed), Weights(0.4, 0.7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", 4)
        patch.setattr(module, "PLACES", 6)
        patch.setattr(module, "CANDIDATES", 12)
        order = in_turn(parts, weights)
        alone = [in_turn(parts.at(slice(q, q + 1)), weights) for q in range(searches)]
    assert torch.equal(order.sort(dim=1).values, torch.arange(results).expand(searches, -1))
    assert torch.equal(order, torch.cat(alone))
    # what finds no place keeps the order it has alone
    for row, by_itself in zip(order.tolist(), at_once(parts, weights).tolist(), strict=True):
        assert row[6:] == [n for n in by_itself if n not in row[:6]]
        assert set(row[:6]) <= set(by_itself[:12])


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(st.floats(0.01, 1), min_size=1, max_size=4), min_size=1, max_size=4),
    st.integers(1, 40),
)
def test_the_likeliest_combinations_are_those_of_all_combinations(
    of_types: list[list[float]], most: int
) -> None:
    wanted = [torch.tensor([p], dtype=torch.float64) / sum(p) for p in of_types]
    combinations, likely = likeliest(wanted, most)
    every = list(product(*(range(len(p)) for p in of_types)))
    known = {c: math.prod(float(w[0, k]) for w, k in zip(wanted, c, strict=True)) for c in every}
    best = sorted(known.values(), reverse=True)[:most]
    assert likely[0].tolist() == pytest.approx(best)
    named = [tuple(row) for row in combinations[0].tolist()]
    assert len(set(named)) == len(named) == len(best)
    assert [known[c] for c in named] == pytest.approx(best)
