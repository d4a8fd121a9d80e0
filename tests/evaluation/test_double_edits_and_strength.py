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
from flam_pl.editing.edits import Edit
from flam_pl.evaluation import strength
from flam_pl.evaluation.double_edits import draw_double_edits, evaluate_double_edits
from flam_pl.evaluation.searches import EvaluationSet, edited_searches
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.retrieval.vectors import Posteriors, ScoreWeights, SearchVectors
from made_editors import Towards
from slow_measures import (
    as_it_was_at,
    every_edit,
    interval_by_item,
    precision_at,
    wish_of,
    worth_at,
)

KS = (1, 3, 10)


def world_set(seed: int, rows: int = 45) -> tuple[EvaluationSet, Towards]:
    """Half of the images ask; all are the gallery."""
    world = make_world(rows=rows, noise=0.8, seed=seed)
    queries = np.sort(np.random.default_rng(seed).choice(rows, rows // 2, replace=False))
    nobody = np.full(rows, -1)
    data = EvaluationSet(SCHEMA, world.features, world.labels, queries, nobody, nobody)
    return data, Towards(world.directions)


def slow_double_edits(data: EvaluationSet) -> list[tuple[int, tuple[int, ...], tuple[int, int]]]:
    """Query number, wanted labels, types: every pair of types and classes that can be answered."""
    have = {tuple(row) for row in data.labels.tolist()}
    found = []
    for number, row in enumerate(data.queries):
        own = data.labels[row].tolist()
        for pair in combinations(range(len(SCHEMA.types)), 2):
            for a in range(SCHEMA.sizes[pair[0]]):
                for b in range(SCHEMA.sizes[pair[1]]):
                    wanted = list(own)
                    wanted[pair[0]], wanted[pair[1]] = a, b
                    if a != own[pair[0]] and b != own[pair[1]] and tuple(wanted) in have:
                        found.append((number, tuple(wanted), pair))
    return found


@settings(max_examples=5)
@given(seed=st.integers(0, 1000))
def test_double_edits_are_measured_as_a_loop_over_them_measures_them(seed: int) -> None:
    data, editor = world_set(seed)
    drawn = draw_double_edits(data, 10**6, seed=0)
    expected = slow_double_edits(data)
    drawn = list(zip(drawn.numbers.tolist(), map(tuple, drawn.wanted.tolist()), strict=True))
    assert sorted(drawn) == sorted((number, wanted) for number, wanted, _ in expected)
    gallery = F.normalize(data.features, dim=1)
    hits: dict[str, list[list[bool]]] = {"all": []}
    for number, wanted, (a, b) in expected:
        row = int(data.queries[number])
        edits = [Edit(SCHEMA.types[t], SCHEMA.of(SCHEMA.types[t])[wanted[t]]) for t in (a, b)]
        query = editor.edit(data.features[row][None], edits)[0]
        order = [p for p in (gallery @ query).argsort(descending=True).tolist() if p != row]
        right = [tuple(data.labels[p].tolist()) == wanted for p in order]
        hit = [any(right[:k]) for k in KS]
        hits["all"].append(hit)
        hits.setdefault(f"{SCHEMA.types[a]} + {SCHEMA.types[b]}", []).append(hit)
    figures = evaluate_double_edits(editor, data, drawn, KS).figures(50, 0)
    assert set(figures) == set(hits) and list(figures)[0] == "all" and len(figures) == 4
    for group, found in hits.items():
        for i, k in enumerate(KS):
            figure = figures[group][f"T@{k}"]
            assert figure.n == len(found)
            assert figure.value == pytest.approx(np.mean([hit[i] for hit in found]))
            assert figure.low <= figure.value <= figure.high
    assert 0 < figures["all"]["T@3"].value < 1


def test_a_sample_is_drawn_by_the_seed_from_all_double_edits() -> None:
    data, editor = world_set(0)
    everything = draw_double_edits(data, 10**6, 0)
    as_set = set(zip(everything.numbers.tolist(), map(tuple, everything.wanted), strict=True))

    def drawn(most: int, seed: int) -> list[tuple[int, tuple[int, ...]]]:
        edits = draw_double_edits(data, most, seed)
        return list(zip(edits.numbers.tolist(), map(tuple, edits.wanted), strict=True))

    some = drawn(40, 1)
    assert len(set(some)) == 40 and set(some) < as_set
    assert drawn(40, 1) == some != drawn(40, 2)
    assert drawn(0, 1) == []
    nothing = evaluate_double_edits(editor, data, draw_double_edits(data, 0, 0), KS)
    assert {figure.n for figure in nothing.figures(10, 0)["all"].values()} == {0}


def test_intervals_of_double_edits_are_resampled_by_item() -> None:
    data, editor = world_set(4)
    items = np.arange(len(data.labels)) // 5
    data = replace(data, items=items)
    results = evaluate_double_edits(editor, data, draw_double_edits(data, 10**6, 0), [3])
    figures = results.figures(60, 2)
    for name, figure in figures.items():
        rows = [
            row
            for row, changed in enumerate(results.changed)
            if name in ("all", " + ".join(SCHEMA.types[t] for t in changed))
        ]
        hits = results.hits[rows, 0].tolist()
        of_edit = items[data.queries[results.numbers[rows]]].tolist()
        ends = interval_by_item(hits, [1] * len(hits), of_edit, 60, 2)
        assert (figure["T@3"].low, figure["T@3"].high) == pytest.approx(ends)


def test_groups_that_search_together_change_nothing_for_a_scored_method() -> None:
    data, editor = world_set(3)
    torch.manual_seed(0)
    embedders = AttributeEmbedders(SCHEMA, 12, 6, hidden=8).eval().requires_grad_(False)
    embedders.fit(data.features, torch.from_numpy(data.labels))
    posteriors = Posteriors.of_embedders(embedders)
    scored = SearchVectors(editor, posteriors, ScoreWeights(0.3, 0.2, 0.5))
    edits = draw_double_edits(data, 30, 0)
    results = evaluate_double_edits(scored, data, edits, [1, 5])
    alone = []
    for row in range(len(edits)):
        one = type(edits)(edits.numbers[[row]], edits.wanted[[row]])
        alone.append(evaluate_double_edits(scored, data, one, [1, 5]).hits[0])
    assert np.array_equal(results.hits, np.stack(alone))
    plain = evaluate_double_edits(editor, data, edits, [1, 5])
    assert (plain.hits != results.hits).any()


def test_a_data_set_of_one_type_has_no_double_edits() -> None:
    from flam_pl.attributes import AttributeSchema

    schema = AttributeSchema({"color": ("red", "blue")})
    labels, nobody = np.array([[0], [1], [0]]), np.full(3, -1)
    data = EvaluationSet(schema, torch.randn(3, 4), labels, np.arange(3), nobody, nobody)
    assert len(draw_double_edits(data, 10, 0)) == 0


def test_strengths_are_measured_as_a_loop_over_edits_measures_them() -> None:
    data, editor = world_set(5)
    items = np.arange(len(data.labels)) // 4
    data = replace(data, items=items)
    found = strength.evaluate_strengths(editor, data, 50, 0, strengths=(0.0, 0.5, 1.0))
    assert list(found) == ["0", "0.5", "1"]
    gallery = F.normalize(data.features, dim=1)
    for share, figures in found.items():
        first, cosines, hit, right, same, worth = [], [], [], [], [], []
        asking = [int(items[row]) for _, row, _, _ in every_edit(data)]
        for _, row, t, c in every_edit(data):
            query = editor.edit(data.features[row][None], [wish_of(data, t, c, float(share))])[0]
            order = (gallery @ query).argsort(descending=True).tolist()
            ten = [p for p in order if p != row][:10]
            wanted = data.labels[row].copy()
            wanted[t] = c
            first.append(data.labels[ten[0], t] == c)
            hit.append(any((data.labels[p] == wanted).all() for p in ten))
            right.append(precision_at(data, ten, t, c, 10))
            same.append(as_it_was_at(data, ten, row, 10))
            worth.append(worth_at(data, ten, row, t, c, 10))
            cosines.append(float(F.cosine_similarity(query, data.features[row], dim=0)))
        expected = {
            "wanted_first": first,
            "cosine_to_query": cosines,
            "T@10": hit,
            "P@10": right,
            "as_it_was@10": same,
            "worth@10": worth,
        }
        assert list(figures) == list(expected)
        for name, values in expected.items():
            assert figures[name].n == len(values) > 50
            assert figures[name].value == pytest.approx(np.mean(values), abs=1e-5)
            ends = interval_by_item(values, [1] * len(values), asking, 50, 0)
            assert (figures[name].low, figures[name].high) == pytest.approx(ends, abs=1e-5)
    assert found["0"]["cosine_to_query"].value == pytest.approx(1)
    assert found["0"]["wanted_first"].value < found["1"]["wanted_first"].value
    assert found["0"]["worth@10"].value < found["1"]["worth@10"].value


def test_many_queries_are_measured_by_a_sample_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    data, editor = world_set(5)
    whole = strength.evaluate_strengths(editor, data, 5, 0, [1.0])["1"]["wanted_first"].n
    monkeypatch.setattr(strength, "QUERIES", 5)
    some = strength.evaluate_strengths(editor, data, 5, 0, [1.0])["1"]["wanted_first"].n
    assert 0 < some < whole / 2


def test_searches_of_strength_0_are_the_plain_ones() -> None:
    data, editor = world_set(1)
    plain = list(edited_searches(NoEdit(), data, 5))
    none = list(edited_searches(editor, data, 5, strength=0))
    for a, b in zip(plain, none, strict=True):
        assert (a.target_type, a.target_class) == (b.target_type, b.target_class)
        torch.testing.assert_close(a.own_cosines, torch.ones(len(a.numbers)))
        torch.testing.assert_close(b.scores, a.scores)
        assert torch.equal(a.found, b.found)
