"""The weights of the scoring: measured as an evaluation measures them, chosen by what is asked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from attribute_world import SCHEMA, World, make_world
from flam_pl.editing.baselines import Arithmetic
from flam_pl.editing.evaluation import evaluate_edits
from flam_pl.editing.scored import SCORED, Scored
from flam_pl.editing.scores import Weights
from flam_pl.editing.searches import EvaluationSet, edited_searches
from flam_pl.editing.weighing import AGREEMENT, CUTOFFS, LIKENESS, Trial, choose, try_weights
from flam_pl.nets.embedder import Embedders


def world_of(rows: int) -> tuple[World, Embedders, EvaluationSet]:
    world = make_world(rows=rows)
    torch.manual_seed(0)
    net = Embedders(SCHEMA, world.features.shape[1], 6, hidden=8).eval().requires_grad_(False)
    net.fit(world.features, torch.from_numpy(world.labels))
    nobody = np.full(rows, -1)
    data = EvaluationSet(SCHEMA, world.features, world.labels, np.arange(rows), nobody, nobody)
    return world, net, data


@pytest.mark.parametrize("in_turn", [True, False])
def test_a_trial_is_what_an_evaluation_with_these_weights_measures(in_turn: bool) -> None:
    world, net, data = world_of(80)
    editor = Arithmetic(net)
    unweighted = Scored(editor, net, Weights(), SCORED, "scored", in_turn)
    trials = {trial.weights: trial for trial in try_weights(unweighted, data)}
    assert len(trials) == len(AGREEMENT) * len(LIKENESS)
    unit = F.normalize(world.features - world.features.mean(dim=0), dim=1)
    own = net.probabilities(net(world.features))
    for weights in (Weights(), Weights(0.2, 0.5), Weights(2, 0), Weights(0, 3)):
        scored = Scored(editor, net, weights, SCORED, "scored", in_turn)
        shares = evaluate_edits(scored, data, CUTOFFS).shares()
        assert trials[weights].misses == pytest.approx(len(CUTOFFS) - sum(shares.values()))
        cosines = []
        for search in edited_searches(scored, data, 10):
            t = SCHEMA.types.index(search.target_type)
            means = net.of(search.target_type).class_means
            new = means[SCHEMA.index(search.target_type, search.target_class)]
            for number, found in zip(search.numbers, search.found, strict=True):
                changed = world.features[number] - world.features.mean(dim=0)
                changed = F.normalize(changed + new - own[t][number] @ means, dim=0)
                cosines += [float(changed @ unit[position]) for position in found]
        assert trials[weights].likeness == pytest.approx(np.mean(cosines), abs=1e-5)
    assert len({round(trial.likeness, 6) for trial in trials.values()}) > 20


def test_nothing_to_measure_leaves_the_order_as_it_is() -> None:
    _, net, data = world_of(1)
    assert try_weights(Scored(Arithmetic(net), net, Weights(), SCORED, "scored"), data) == []
    assert choose([], 0.1) == Weights(0, 0)


@given(
    st.lists(st.tuples(st.floats(0, 4), st.floats(-1, 1)), min_size=1, max_size=30),
    st.floats(0, 0.5),
)
def test_no_other_weights_that_cost_no_more_have_results_more_like_the_query(
    measured: list[tuple[float, float]], cost: float
) -> None:
    trials = [Trial(Weights(n, n), *of) for n, of in enumerate(measured)]
    chosen = trials[int(choose(trials, cost).agreement)]
    least = min(misses for misses, _ in measured)
    few_misses, few_hits = (1 + cost) * least, 4 - (1 - cost) * (4 - least)
    allowed = few_misses if least < 2 else few_hits
    assert chosen.misses <= allowed + 1e-9
    for misses, likeness in measured:
        assert misses > allowed - 1e-9 or likeness <= chosen.likeness


def test_where_most_edits_miss_the_price_is_a_share_of_what_is_found() -> None:
    by_hits = {hits: Trial(Weights(1, n), 4 - hits, n) for n, hits in enumerate((1, 0.91, 0.81))}
    chosen = {cost: choose([*by_hits.values()], cost) for cost in (0.05, 0.1, 0.2)}
    assert chosen == {
        0.05: by_hits[1].weights,
        0.1: by_hits[0.91].weights,
        0.2: by_hits[0.81].weights,
    }
