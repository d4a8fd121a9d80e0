"""Two edits at once and the strength of an edit, against loops over single searches."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from attribute_world import SCHEMA, make_world
from flam_pl.editing.editor import NoEdit
from flam_pl.evaluation import strength
from flam_pl.evaluation.double_edits import draw_double_edits, evaluate_double_edits
from flam_pl.evaluation.searches import EvaluationSet, search_edits
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.retrieval.posteriors import Posteriors
from flam_pl.retrieval.vectors import ScoreWeights, SearchVectors
from made_editors import Towards
from slow_measures import (
    as_it_was_at,
    edit_of,
    every_edit,
    interval_by_item,
    is_hit,
    may_change,
    precision_at,
    utility_at,
    wanted_by,
)

KS = (1, 3, 10)


def world_set(seed: int, rows: int = 45, missing: float = 0.0) -> tuple[EvaluationSet, Towards]:
    """Half of the images are queries; all are the gallery; a share of the labels is missing."""
    world = make_world(rows=rows, noise=0.8, seed=seed)
    rng = np.random.default_rng(seed)
    queries = np.sort(rng.choice(rows, rows // 2, replace=False))
    labels = np.where(rng.random(world.labels.shape) < missing, -1, world.labels)
    nobody = np.full(rows, -1)
    data = EvaluationSet(SCHEMA, world.features, labels, queries, nobody, nobody)
    return data, Towards(world.directions)


def slow_double_edits(data: EvaluationSet) -> list[tuple[int, tuple[int, ...], tuple[int, int]]]:
    """Query number, wanted labels, types: every pair of types and classes that has a hit."""
    found = []
    for number, row in enumerate(data.queries.tolist()):
        own = data.labels[row].tolist()
        for pair in combinations(range(len(SCHEMA.types)), 2):
            for a in range(SCHEMA.sizes[pair[0]]):
                for b in range(SCHEMA.sizes[pair[1]]):
                    if not may_change(data, row, pair) or a == own[pair[0]] or b == own[pair[1]]:
                        continue
                    wanted = wanted_by(data, row, (pair[0], a), (pair[1], b))
                    if any(is_hit(data, p, wanted) for p in range(len(data.labels))):
                        found.append((number, tuple(wanted), pair))
    return found


@settings(max_examples=8)
@given(seed=st.integers(0, 1000), missing=st.sampled_from([0.0, 0.2]))
def test_double_edits_are_measured_as_a_loop_over_them_measures_them(
    seed: int, missing: float
) -> None:
    data, editor = world_set(seed, missing=missing)
    numbers, wanted_labels = draw_double_edits(data, 10**6, seed=0)
    expected = slow_double_edits(data)
    drawn = list(zip(numbers.tolist(), map(tuple, wanted_labels.tolist()), strict=True))
    assert sorted(drawn) == sorted((number, wanted) for number, wanted, _ in expected)
    assert numbers.tolist() == sorted(numbers.tolist())
    gallery = F.normalize(data.features, dim=1)
    hits: dict[str, list[list[bool]]] = {"all": []}
    for number, wanted, (a, b) in expected:
        row = int(data.queries[number])
        edits = [edit_of(data, t, wanted[t]) for t in (a, b)]
        query = editor.edit(data.features[row][None], edits)[0]
        order = [p for p in (gallery @ query).argsort(descending=True).tolist() if p != row]
        right = [is_hit(data, p, wanted) for p in order]
        hit = [any(right[:k]) for k in KS]
        hits["all"].append(hit)
        hits.setdefault(f"{SCHEMA.types[a]} + {SCHEMA.types[b]}", []).append(hit)
    results = evaluate_double_edits(editor, data, numbers, wanted_labels, KS)
    figures = results.estimates((50, 0))
    assert set(figures) == set(hits) and list(figures)[0] == "all" and len(figures) == 4
    for group, found in hits.items():
        for i, k in enumerate(KS):
            figure = figures[group][f"T@{k}"]
            assert figure.n == len(found)
            assert figure.value == pytest.approx(np.mean([hit[i] for hit in found]))
            assert figure.low <= figure.value <= figure.high
    assert 0 < figures["all"]["T@10"].value < 1


def as_list(edits: tuple[np.ndarray, np.ndarray]) -> list[tuple[int, tuple[int, ...]]]:
    return list(zip(edits[0].tolist(), map(tuple, edits[1].tolist()), strict=True))


def test_a_sample_is_drawn_by_the_seed_from_all_double_edits() -> None:
    data, editor = world_set(0)
    everything = as_list(draw_double_edits(data, 10**6, 0))
    some = as_list(draw_double_edits(data, 40, 1))
    assert len(set(some)) == 40 and set(some) < set(everything)
    assert (
        as_list(draw_double_edits(data, 40, 1)) == some != as_list(draw_double_edits(data, 40, 2))
    )
    nothing = draw_double_edits(data, 0, 1)
    assert as_list(nothing) == []
    figures = evaluate_double_edits(editor, data, *nothing, KS).estimates((10, 0))["all"]
    assert {figure.n for figure in figures.values()} == {0}


def test_intervals_of_double_edits_are_resampled_by_item() -> None:
    data, editor = world_set(4)
    items = np.arange(len(data.labels)) // 5
    data = replace(data, items=items)
    numbers, wanted = draw_double_edits(data, 10**6, 0)
    results = evaluate_double_edits(editor, data, numbers, wanted, [3])
    figures = results.estimates((60, 2))
    for name, figure in figures.items():
        rows = [
            row
            for row, other in enumerate(wanted != data.labels[data.queries[numbers]])
            if name in ("all", " + ".join(SCHEMA.types[t] for t in np.flatnonzero(other)))
        ]
        hits = results.hits[rows, 0].tolist()
        of_edit = items[data.queries[numbers[rows]]].tolist()
        ends = interval_by_item(hits, [1] * len(hits), of_edit, 60, 2)
        assert (figure["T@3"].low, figure["T@3"].high) == pytest.approx(ends)


def test_groups_that_search_together_change_nothing_for_a_scored_method() -> None:
    data, editor = world_set(3)
    torch.manual_seed(0)
    embedders = AttributeEmbedders(SCHEMA, 12, 6, hidden=8).eval().requires_grad_(False)
    embedders.fit(data.features, torch.from_numpy(data.labels))
    posteriors = Posteriors.of_embedders(embedders)
    scored = SearchVectors(editor, posteriors, ScoreWeights(0.3, 0.2, 0.5))
    numbers, wanted = draw_double_edits(data, 30, 0)
    results = evaluate_double_edits(scored, data, numbers, wanted, [1, 5])
    alone = []
    for row in range(len(numbers)):
        one = numbers[[row]], wanted[[row]]
        alone.append(evaluate_double_edits(scored, data, *one, [1, 5]).hits[0])
    assert np.array_equal(results.hits, np.stack(alone))
    plain = evaluate_double_edits(editor, data, numbers, wanted, [1, 5])
    assert (plain.hits != results.hits).any()


def test_a_data_set_of_one_type_has_no_double_edits() -> None:
    from flam_pl.attributes import AttributeSchema

    schema = AttributeSchema({"color": ("red", "blue")})
    labels, nobody = np.array([[0], [1], [0]]), np.full(3, -1)
    data = EvaluationSet(schema, torch.randn(3, 4), labels, np.arange(3), nobody, nobody)
    assert as_list(draw_double_edits(data, 10, 0)) == []


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_strengths_are_measured_as_a_loop_over_edits_measures_them(missing: float) -> None:
    data, editor = world_set(5, missing=missing)
    items = np.arange(len(data.labels)) // 4
    data = replace(data, items=items)
    found = strength.evaluate_strengths(editor, data, (50, 0))
    assert list(found) == ["0", "0.25", "0.5", "0.75", "1"]
    gallery = F.normalize(data.features, dim=1)
    for share, figures in found.items():
        first, cosines, hit, right, same, useful = [], [], [], [], [], []
        of_query = [int(items[row]) for _, row, _, _ in every_edit(data)]
        for _, row, t, c in every_edit(data):
            query = editor.edit(data.features[row][None], [edit_of(data, t, c, float(share))])[0]
            order = (gallery @ query).argsort(descending=True).tolist()
            ten = [p for p in order if p != row][:10]
            wanted = wanted_by(data, row, (t, c))
            first.append(data.labels[ten[0], t] == c)
            hit.append(any(is_hit(data, p, wanted) for p in ten))
            right.append(precision_at(data, ten, t, c, 10))
            same.append(as_it_was_at(data, ten, row, 10))
            useful.append(utility_at(data, ten, row, t, c, 10))
            cosines.append(float(F.cosine_similarity(query, data.features[row], dim=0)))
        expected = {
            "wanted_first": first,
            "cosine_to_query": cosines,
            "T@10": hit,
            "P@10": right,
            "as_it_was@10": same,
            "utility@10": useful,
        }
        assert list(figures) == list(expected)
        for name, values in expected.items():
            assert figures[name].n == len(values) > 50
            assert figures[name].value == pytest.approx(np.mean(values), abs=1e-5)
            ends = interval_by_item(values, [1] * len(values), of_query, 50, 0)
            assert (figures[name].low, figures[name].high) == pytest.approx(ends, abs=1e-5)
    assert found["0"]["cosine_to_query"].value == pytest.approx(1)
    assert found["0"]["wanted_first"].value < found["1"]["wanted_first"].value
    assert found["0"]["utility@10"].value < found["1"]["utility@10"].value


def test_many_queries_are_measured_by_a_sample_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    data, editor = world_set(5)
    whole = strength.evaluate_strengths(editor, data, (5, 0))["1"]["wanted_first"].n
    monkeypatch.setattr(strength, "QUERIES", 5)
    some = strength.evaluate_strengths(editor, data, (5, 0))["1"]["wanted_first"].n
    assert 0 < some < whole / 2


def test_searches_of_strength_0_are_the_plain_ones() -> None:
    data, editor = world_set(1)
    plain = list(search_edits(NoEdit(), data, 5))
    none = list(search_edits(editor, data, 5, strength=0))
    assert len(plain) > 5
    for a, b in zip(plain, none, strict=True):
        assert (a.t, a.c) == (b.t, b.c)
        assert torch.equal(a.found, b.found)
