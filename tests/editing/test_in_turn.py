"""Results in turn: against a slow loop over all combinations, and by what they are for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from flam_pl.editing import in_turn as module
from flam_pl.editing.in_turn import AT_FIRST, LEAST_DOUBT, in_turn, likeliest
from flam_pl.editing.scores import Parts, Weights, at_once
from flam_pl.losses.distillation import LEAST

CLASSES = (3, 4, 2)


def draw_parts(
    searches: int,
    results: int,
    seed: int = 0,
    boldness: float = 2.0,
    sizes: Sequence[int] = CLASSES,
) -> Parts:
    """Random probabilities in double precision, so that no order hangs on rounding; the agreement
    is that of these."""
    chance = torch.Generator().manual_seed(seed)

    def classes(rows: int, of: int) -> Tensor:
        drawn = torch.randn(rows, of, generator=chance, dtype=torch.float64)
        return (boldness * drawn).softmax(dim=-1)

    wanted = [classes(searches, c) for c in sizes]
    have = [classes(3 * results, c) for c in sizes]
    found = torch.stack(
        [torch.randperm(3 * results, generator=chance)[:results] for _ in range(searches)]
    )
    cosines, likeness = torch.rand(2, searches, results, generator=chance, dtype=torch.float64)
    return Parts(cosines, agreement_of(wanted, have, found), likeness, wanted, found, have)


def agreement_of(wanted: Sequence[Tensor], have: Sequence[Tensor], found: Tensor) -> Tensor:
    total = torch.zeros(found.shape, dtype=torch.float64)
    for asked, of_type in zip(wanted, have, strict=True):
        total += (torch.einsum("qc,qnc->qn", asked, of_type[found]) + LEAST).log()
    return total


def slow(parts: Parts, weights: Weights, q: int, named: int = 10**6) -> list[int]:
    """The order of one search, by sums over every combination there is; only in so many of the
    likeliest a result takes doubt away."""
    combinations = list(product(*(range(w.shape[1]) for w in parts.wanted)))
    doubt = {
        c: math.prod(float(w[q, k]) for w, k in zip(parts.wanted, c, strict=True))
        for c in combinations
    }
    told_apart = sorted(combinations, key=lambda c: -doubt[c])[:named]
    missed = dict.fromkeys(combinations, 1.0)

    def right(n: int, c: tuple[int, ...]) -> float:
        position = int(parts.found[q, n])
        return math.prod(
            float(h[position, k]) + LEAST for h, k in zip(parts.classes, c, strict=True)
        )

    order: list[int] = []
    while len(order) < parts.cosines.shape[1]:
        left = {c: doubt[c] * max(missed[c], LEAST_DOUBT) for c in combinations}
        undecided = sum(left.values())
        share = 1 - (1 - AT_FIRST) * undecided
        scores = {
            n: float(parts.cosines[q, n])
            + weights.agreement
            * math.log(sum(left[c] * right(n, c) for c in combinations) / undecided)
            + weights.likeness * share * float(parts.likeness[q, n])
            for n in range(parts.cosines.shape[1])
            if n not in order
        }
        best = max(scores, key=lambda n: scores[n])
        missed |= {c: missed[c] * max(0.0, 1 - right(best, c)) for c in told_apart}
        order.append(best)
    return order


@pytest.mark.parametrize("weights", [Weights(0.3, 0), Weights(0.3, 1.5), Weights(2, 0.5)])
def test_each_result_is_the_best_given_that_those_before_it_missed(weights: Weights) -> None:
    parts = draw_parts(6, 14)
    order = in_turn(parts, weights)
    assert order.tolist() == [slow(parts, weights, q) for q in range(6)]
    assert (order != at_once(parts, weights)).any()


def test_what_is_not_told_apart_stays_one_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    parts, weights = draw_parts(6, 14), Weights(0.5, 1.0)
    monkeypatch.setattr(module, "COMBINATIONS", 3)
    few = in_turn(parts, weights).tolist()
    assert few == [slow(parts, weights, q, named=3) for q in range(6)]
    assert few != [slow(parts, weights, q) for q in range(6)]


def test_a_dozen_types_are_read_as_well_as_three() -> None:
    parts = draw_parts(20, 90, boldness=1.0, sizes=[5] * 12)
    alone, together = (order(parts, Weights(2)) for order in (at_once, in_turn))
    # before anything was shown each result counts alone, however unlikely all its classes together
    assert torch.equal(together[:, 0], alone[:, 0])
    shown = parts.agreement.gather(1, together[:, :10]).mean()
    assert shown > parts.agreement.gather(1, alone[:, :30]).mean()


def test_the_second_result_bets_on_what_the_first_left_open() -> None:
    # plain with 60 %, striped with 40 %; three photos are surely plain, the last two surely striped
    wanted = [torch.tensor([[0.6, 0.4]], dtype=torch.float64)]
    have = [torch.tensor([[1.0, 0.0]] * 3 + [[0.0, 1.0]] * 2, dtype=torch.float64)]
    found = torch.arange(5)[None]
    cosines = torch.tensor([[0.05, 0.04, 0.03, 0.02, 0.01]], dtype=torch.float64)
    agreement = agreement_of(wanted, have, found)
    parts = Parts(cosines, agreement, torch.zeros_like(cosines), wanted, found, have)
    assert at_once(parts, Weights(1)).tolist() == [[0, 1, 2, 3, 4]]
    # both were shown after two: the likelier is wanted again
    assert in_turn(parts, Weights(1)).tolist() == [[0, 3, 1, 2, 4]]


def test_more_searches_have_a_right_result_where_the_probabilities_are_true() -> None:
    parts = draw_parts(400, 60, boldness=3.0)
    weights = Weights(100)  # agreement alone

    def drawn(probabilities: np.ndarray) -> np.ndarray:
        return (rng.random(probabilities.shape[:-1])[..., None] > probabilities.cumsum(-1)).sum(-1)

    shares = []
    for order in (at_once(parts, weights), in_turn(parts, weights)):
        rng = np.random.default_rng(0)
        found = 0.0
        for _ in range(20):
            wanted = [drawn(of_type.numpy()) for of_type in parts.wanted]
            have = [drawn(of_type.numpy())[parts.found] for of_type in parts.classes]
            right = np.all([h == w[:, None] for h, w in zip(have, wanted, strict=True)], axis=0)
            found += np.take_along_axis(right, order[:, :5].numpy(), axis=1).any(axis=1).mean()
        shares.append(found / 20)
    assert shares[1] > shares[0] + 0.01


def test_where_nothing_is_in_doubt_each_result_counts_alone() -> None:
    parts = draw_parts(8, 40)
    sure = [torch.eye(c, dtype=torch.float64)[torch.arange(8) % c] for c in CLASSES]
    agreement = agreement_of(sure, parts.classes, parts.found)
    known = replace(parts, wanted=sure, agreement=agreement)
    assert torch.equal(in_turn(known, Weights(0.3)), at_once(known, Weights(0.3)))
    assert torch.equal(in_turn(parts, Weights(0, 2)), at_once(parts, Weights(0, 2)))


def test_the_likelier_a_right_result_was_shown_the_more_likeness_counts() -> None:
    # all have what is wanted, for sure, and all cosines are the same but the first two
    parts = Parts(
        torch.tensor([[0.5, 0.2, 0.2, 0.2]]),
        torch.zeros(1, 4),
        torch.tensor([[0.0, 0.4, 0.5, 0.3]]),
        [torch.ones(1, 1)],
        torch.arange(4)[None],
        [torch.ones(4, 1)],
    )
    # .3 of the cosine is more than a quarter of .5 * weight, and less than all of it
    assert in_turn(parts, Weights(1, 1)).tolist() == [[0, 2, 1, 3]]
    assert at_once(parts, Weights(1, 1)).tolist() == [[2, 1, 0, 3]]


def test_a_result_that_is_right_but_not_alike_comes_first_nevertheless(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # with its whole weight likeness would put it behind all others, and it would not be looked at
    monkeypatch.setattr(module, "CANDIDATES", 10)
    have = torch.full((40, 2), 0.0)
    have[:, 0], have[7] = 1.0, torch.tensor([0.0, 1.0])
    likeness = torch.full((1, 40), 0.9)
    likeness[0, 7] = 0.0
    wanted, found = [torch.tensor([[0.0, 1.0]])], torch.arange(40)[None]
    agreement = agreement_of(wanted, [have], found).float()
    parts = Parts(torch.zeros(1, 40), agreement, likeness, wanted, found, [have])
    weights = Weights(0.1, 2.0)
    assert at_once(parts, weights)[0, -1] == 7
    assert in_turn(parts, weights)[0, 0] == 7


def test_no_search_and_no_result_have_no_order() -> None:
    none = draw_parts(4, 6)
    nobody = in_turn(none.at(slice(0, 0), torch.zeros(0, 6, dtype=torch.long)), Weights(1, 1))
    assert nobody.shape == (0, 6)
    nothing = in_turn(none.at(slice(0, 4), torch.zeros(4, 0, dtype=torch.long)), Weights(1, 1))
    assert nothing.shape == (4, 0)


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
        every = torch.arange(results)[None]
        alone = [in_turn(parts.at(slice(q, q + 1), every), weights) for q in range(searches)]
    assert torch.equal(order.sort(dim=1).values, torch.arange(results).expand(searches, -1))
    assert torch.equal(order, torch.cat(alone))
    at_first = at_once(parts, Weights(0.4, AT_FIRST * 0.7)).tolist()
    by_itself = at_once(parts, weights).tolist()
    for row, whole, first in zip(order.tolist(), by_itself, at_first, strict=True):
        # what finds no place keeps the order it has alone
        assert row[6:] == [n for n in whole if n not in row[:6]]
        assert {*row[:6]} <= {*whole[:12], *first[:12]}


@pytest.mark.parametrize("places", [1, 4, 14])
def test_how_many_are_wanted_does_not_change_them(places: int) -> None:
    parts, weights = draw_parts(6, 14), Weights(0.3, 1.5)
    whole, few = in_turn(parts, weights), in_turn(parts, weights, places)
    assert torch.equal(few[:, :places], whole[:, :places])
    for row, alone in zip(few.tolist(), at_once(parts, weights).tolist(), strict=True):
        assert row[places:] == [n for n in alone if n not in row[:places]]


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
