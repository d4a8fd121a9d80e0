"""The weights of the scoring: parts that are added up search as whole vectors do, and the objective
is that of a loop over searches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from attribute_world import SCHEMA, World, make_world
from flam_pl.editing.editor import Editor, NoEdit
from flam_pl.evaluation import weight_search
from flam_pl.evaluation.counterfactuals import counterfactual_edits, counterfactual_ranks
from flam_pl.evaluation.searches import EvaluationSet, Searcher
from flam_pl.evaluation.weight_search import (
    K,
    Scorer,
    Trial,
    choose,
    grid,
    try_weights,
)
from flam_pl.methods.arithmetic import Arithmetic
from flam_pl.methods.concatenation import ConcatEditor
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.concat import ConcatClassifiers
from flam_pl.retrieval.posteriors import Posteriors
from flam_pl.retrieval.vectors import ScoreWeights, SearchVectors
from slow_measures import edit_of, every_edit, utility_at, wanted_by

TRIED = [
    ScoreWeights(),
    ScoreWeights(0.3, 0.1, 0.0),
    ScoreWeights(0.8, 0.4, 1.5),
    ScoreWeights(2.0, 0.0, 0.5),
    ScoreWeights(0.0, 0.7, 0.0),
]


def embedders_of(world: World) -> AttributeEmbedders:
    torch.manual_seed(0)
    net = (
        AttributeEmbedders(SCHEMA, world.features.shape[1], 6, hidden=8)
        .eval()
        .requires_grad_(False)
    )
    net.fit(world.features, torch.from_numpy(world.labels))
    return net


def rows_of(world: World) -> dict[str, tuple[Editor, Posteriors]]:
    net = embedders_of(world)
    classifiers = ConcatClassifiers(SCHEMA, world.features.shape[1], width=5).eval()
    classifiers.requires_grad_(False)
    classifiers.space.fit(world.features)
    classifiers.fit_prototypes(world.features, torch.from_numpy(world.labels))
    concat = ConcatEditor("concat", SCHEMA, classifiers.blocks, classifiers.prototypes)
    return {
        "no_edit": (NoEdit(), Posteriors.of_embedders(net)),
        "arithmetic": (Arithmetic(net), Posteriors.of_embedders(net)),
        "concat": (concat, Posteriors.of_classifiers(classifiers)),
    }


def data_of(world: World, garments: np.ndarray | None = None) -> EvaluationSet:
    rows = len(world.labels)
    nobody = np.full(rows, -1)
    of = nobody if garments is None else garments
    return EvaluationSet(SCHEMA, world.features, world.labels, np.arange(0, rows, 2), nobody, of)


WORLD = make_world(rows=40, noise=1.0)
ROWS = rows_of(WORLD)
DENSE = data_of(WORLD)
GARMENTS = np.where(np.arange(40) < 24, np.arange(40) // 3, -1)
HOLES = np.random.default_rng(0).random(WORLD.labels.shape) < 0.2
LABELS = np.where(HOLES, -1, WORLD.labels)
COUNTERFACTUAL = replace(data_of(WORLD, GARMENTS), labels=LABELS)
"""Some of its labels are not known."""
every = pytest.mark.parametrize("name", list(ROWS))


@every
def test_the_parts_add_up_to_the_inner_product_of_the_vectors(name: str) -> None:
    editor, posteriors = ROWS[name]
    scorer = Scorer(editor, posteriors, DENSE)
    for (t, c), (numbers, _) in DENSE.possible.items():
        rows, edit = torch.from_numpy(DENSE.queries[numbers]), edit_of(DENSE, t, c)
        seen = list(scorer.scores(t, c, numbers, TRIED))
        for n, weights in enumerate(TRIED):
            vectors = SearchVectors(editor, posteriors, weights)
            whole = (
                vectors.queries(DENSE.features[rows], [edit]) @ vectors.gallery(DENSE.features).T
            )
            whole[torch.arange(len(rows)), rows] = -torch.inf
            torch.testing.assert_close(seen[n], whole, atol=1e-5, rtol=1e-5)


@every
def test_what_is_tried_ranks_as_a_search_with_these_weights(name: str) -> None:
    editor, posteriors = ROWS[name]
    scorer = Scorer(editor, posteriors, DENSE)
    searchers = [Searcher(SearchVectors(editor, posteriors, w), DENSE, K) for w in TRIED]
    orders: list[Tensor] = []
    for (t, c), (numbers, _) in DENSE.possible.items():
        for n, scores in enumerate(scorer.scores(t, c, numbers, TRIED)):
            found = scores.topk(K, dim=1).indices
            assert torch.equal(found, searchers[n](numbers, [edit_of(DENSE, t, c)]))
            orders.append(found)
    # the weights do change the order
    assert not all(torch.equal(a, b) for a, b in zip(orders[::5], orders[2::5], strict=False))


@pytest.mark.parametrize("data", [DENSE, COUNTERFACTUAL], ids=["all labels", "missing labels"])
def test_edits_are_those_that_a_loop_finds_a_hit_for(data: EvaluationSet) -> None:
    found = [
        (number, t, c, tuple(labels))
        for (t, c), (numbers, wanted) in data.possible.items()
        for number, labels in zip(numbers.tolist(), wanted.tolist(), strict=True)
    ]
    expected = [
        (number, t, c, tuple(wanted_by(data, row, (t, c))))
        for number, row, t, c in every_edit(data)
    ]
    assert sorted(found) == sorted(expected) and len(found) > 50


def slow_objective(
    editor: Editor, posteriors: Posteriors, weights: ScoreWeights, data: EvaluationSet
) -> float:
    """Mean utility@5 over all edits and mean reciprocal rank of the counterfactual, a quarter."""
    vectors = SearchVectors(editor, posteriors, weights)
    gallery = vectors.gallery(WORLD.features)

    def order(row: int, t: int, c: int) -> list[int]:
        query = vectors.queries(WORLD.features[row : row + 1], [edit_of(data, t, c)])[0]
        return [p for p in (gallery @ query).argsort(descending=True).tolist() if p != row]

    utilities = [
        utility_at(data, order(row, t, c), row, t, c, K) for _, row, t, c in every_edit(data)
    ]
    reciprocals = []
    for row in COUNTERFACTUAL.queries.tolist():
        twins = [p for p in range(40) if GARMENTS[p] == GARMENTS[row] >= 0 and p != row]
        for t in range(3):
            if LABELS[row, t] < 0:
                continue
            for c in {int(LABELS[p, t]) for p in twins} - {int(LABELS[row, t]), -1}:
                right = [p for p in twins if LABELS[p, t] == c]
                places = order(row, t, c)
                reciprocals.append(1 / (1 + min(places.index(p) for p in right)))
    return 0.75 * float(np.mean(utilities)) + 0.25 * float(np.mean(reciprocals))


@every
@pytest.mark.parametrize("data", [DENSE, COUNTERFACTUAL], ids=["all labels", "missing labels"])
def test_the_objective_is_that_of_a_loop_over_searches(name: str, data: EvaluationSet) -> None:
    trials = try_weights(*ROWS[name], data, COUNTERFACTUAL, TRIED)
    assert [trial.weights for trial in trials] == TRIED
    for trial in trials:
        assert trial.objective == pytest.approx(slow_objective(*ROWS[name], trial.weights, data))
        assert 0 < trial.utility < 1 and trial.counterfactual and 0 < trial.counterfactual < 1
    assert len({round(trial.objective, 9) for trial in trials}) > 2
    assert choose(trials).objective == max(trial.objective for trial in trials)


def test_the_rank_of_a_counterfactual_is_that_of_its_evaluation() -> None:
    editor, posteriors = ROWS["arithmetic"]
    edits = counterfactual_edits(COUNTERFACTUAL)
    for trial in try_weights(editor, posteriors, DENSE, COUNTERFACTUAL, TRIED):
        vectors = SearchVectors(editor, posteriors, trial.weights)
        ranks = counterfactual_ranks(vectors, COUNTERFACTUAL, edits, 39)
        assert trial.counterfactual == pytest.approx(np.mean(1 / ranks))


def test_scores_of_a_part_of_the_queries_at_a_time_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = try_weights(*ROWS["arithmetic"], DENSE, COUNTERFACTUAL, TRIED)
    monkeypatch.setattr(weight_search, "queries_at_once", lambda gallery: 2)
    for trial, part in zip(
        whole, try_weights(*ROWS["arithmetic"], DENSE, COUNTERFACTUAL, TRIED), strict=True
    ):
        assert part.utility == pytest.approx(trial.utility)
        assert part.counterfactual == pytest.approx(trial.counterfactual)


def test_without_counterfactuals_utility_alone_decides() -> None:
    trials = try_weights(*ROWS["arithmetic"], DENSE, DENSE, TRIED)
    both = try_weights(*ROWS["arithmetic"], DENSE, COUNTERFACTUAL, TRIED)
    for alone, of_both in zip(trials, both, strict=True):
        assert alone.counterfactual is None and alone.objective == alone.utility == of_both.utility


def test_without_weights_the_objective_is_that_of_the_cosine() -> None:
    """So that a method that is not scored can be set beside the scored ones."""
    editor, posteriors = ROWS["arithmetic"]
    [trial] = try_weights(editor, posteriors, DENSE, COUNTERFACTUAL, [ScoreWeights()])
    edits = counterfactual_edits(COUNTERFACTUAL)
    ranks = counterfactual_ranks(editor, COUNTERFACTUAL, edits, 39)
    assert trial.counterfactual == pytest.approx(np.mean(1 / ranks))


def test_the_grid_has_every_combination_once_and_moves_only_if_it_should() -> None:
    whole, still = list(grid(moved=True)), list(grid(moved=False))
    assert len(set(whole)) == len(whole) == 11 * 4 * 5 and len(set(still)) == len(still) == 11 * 4
    assert {w.moved for w in still} == {0.0} and set(still) < set(whole)
    for w in whole:
        assert 0 < w.others < w.target


def test_many_queries_are_tried_by_a_sample_of_them_that_the_seed_draws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(weight_search, "QUERIES", 6)
    editor, posteriors = ROWS["arithmetic"]

    def utilities(seed: int) -> list[float]:
        trials = try_weights(editor, posteriors, DENSE, DENSE, TRIED, seed)
        return [trial.utility for trial in trials]

    assert utilities(0) == utilities(0) != utilities(1)
    drawn = np.sort(np.random.default_rng(0).permutation(DENSE.queries)[:6])
    few = replace(DENSE, queries=drawn)
    expected = [t.utility for t in try_weights(editor, posteriors, few, few, TRIED)]
    assert utilities(0) == expected


def test_a_gallery_without_any_edit_has_no_utility() -> None:
    alike = World(WORLD.features[:5], np.zeros((5, 3), np.int64), WORLD.directions)
    data = data_of(alike)
    for trial in try_weights(*ROWS["arithmetic"], data, data, TRIED):
        assert trial.objective == 0


values = st.lists(
    st.tuples(st.floats(0, 1), st.one_of(st.none(), st.floats(0, 1))), min_size=1, max_size=20
)


@given(values)
def test_the_largest_objective_is_chosen_and_the_first_of_equals(
    measured: list[tuple[float, float | None]],
) -> None:
    trials = [Trial(ScoreWeights(n), *of) for n, of in enumerate(measured)]
    means = [w if c is None else 0.75 * w + 0.25 * c for w, c in measured]
    chosen = int(choose(trials).weights.target)
    assert means[chosen] == pytest.approx(max(means), abs=0)
    assert all(mean < means[chosen] for mean in means[:chosen])
