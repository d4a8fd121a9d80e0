"""Two edits at once and the strength of a wish, against loops over single searches."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from attribute_world import SCHEMA, make_world
from flam_pl.editing import strength
from flam_pl.editing.baselines import NoEdit
from flam_pl.editing.pairs import draw_double_edits, evaluate_double_edits
from flam_pl.editing.scored import Scored
from flam_pl.editing.scores import Weights
from flam_pl.editing.searches import EvaluationSet, edited_searches
from flam_pl.editing.wishes import Wish
from flam_pl.nets.embedder import Embedders
from made_editors import Towards

KS = (1, 3, 10)


def world_set(seed: int, rows: int = 45) -> tuple[EvaluationSet, Towards]:
    """Half of the images ask; all are the gallery; one trait, which some lack."""
    world = make_world(rows=rows, noise=0.8, seed=seed)
    traits = {"fit": np.random.default_rng(seed).integers(-1, 3, size=rows)}
    queries = np.sort(np.random.default_rng(seed).choice(rows, rows // 2, replace=False))
    nobody = np.full(rows, -1)
    data = EvaluationSet(SCHEMA, world.features, world.labels, queries, nobody, nobody, traits)
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
    edits = draw_double_edits(data, 10**6, seed=0)
    expected = slow_double_edits(data)
    drawn = list(zip(edits.numbers.tolist(), map(tuple, edits.wanted.tolist()), strict=True))
    assert sorted(drawn) == sorted((number, wanted) for number, wanted, _ in expected)
    gallery = F.normalize(data.features, dim=1)
    hits: dict[str, list[list[bool]]] = {"all": []}
    for number, wanted, (a, b) in expected:
        row = int(data.queries[number])
        wishes = [Wish(SCHEMA.types[t], SCHEMA.of(SCHEMA.types[t])[wanted[t]]) for t in (a, b)]
        query = editor.edit(data.features[row][None], wishes)[0]
        order = [p for p in (gallery @ query).argsort(descending=True).tolist() if p != row]
        right = [tuple(data.labels[p].tolist()) == wanted for p in order]
        hit = [any(right[:k]) for k in KS]
        hits["all"].append(hit)
        hits.setdefault(f"{SCHEMA.types[a]} + {SCHEMA.types[b]}", []).append(hit)
    figures = evaluate_double_edits(editor, data, edits, KS).figures(50, 0)
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


def test_groups_that_search_together_change_nothing_for_a_scored_method() -> None:
    data, editor = world_set(3)
    torch.manual_seed(0)
    embedders = Embedders(SCHEMA, 12, 6, hidden=8).eval().requires_grad_(False)
    embedders.fit(data.features, torch.from_numpy(data.labels))
    scored = Scored(editor, embedders, Weights(0.3, 0.5), 20, "scored")
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
    found = strength.evaluate_strengths(editor, data, 50, 0, strengths=(0.0, 0.5, 1.0))
    assert list(found) == ["0", "0.5", "1"]
    gallery = F.normalize(data.features, dim=1)
    have = {tuple(row) for row in data.labels.tolist()}
    for share, figures in found.items():
        first, cosines, hit, kept = [], [], [], []
        fits = data.traits["fit"]
        for row in data.queries.tolist():
            for t, name in enumerate(SCHEMA.types):
                for c, class_name in enumerate(SCHEMA.of(name)):
                    wanted = data.labels[row].copy()
                    wanted[t] = c
                    if c == data.labels[row, t] or tuple(wanted.tolist()) not in have:
                        continue
                    wishes = [Wish(name, class_name, float(share))]
                    query = editor.edit(data.features[row][None], wishes)[0]
                    order = (gallery @ query).argsort(descending=True).tolist()
                    ten = [p for p in order if p != row][:10]
                    first.append(data.labels[ten[0], t] == c)
                    hit.append(any((data.labels[p] == wanted).all() for p in ten))
                    known = [p for p in ten if fits[p] >= 0 and fits[row] >= 0]
                    kept += [fits[p] == fits[row] for p in known]
                    cosines.append(float(F.cosine_similarity(query, data.features[row], dim=0)))
        assert figures["wanted_first"].n == figures["cosine_to_query"].n == len(first) > 50
        assert figures["wanted_first"].value == pytest.approx(np.mean(first))
        assert figures["cosine_to_query"].value == pytest.approx(np.mean(cosines), abs=1e-5)
        assert figures["T@10"].value == pytest.approx(np.mean(hit))
        assert figures["kept@10"].value == pytest.approx(np.mean(kept))
        assert figures["kept@10"].n == len(kept)
    assert found["0"]["cosine_to_query"].value == pytest.approx(1)
    assert found["0"]["wanted_first"].value < found["1"]["wanted_first"].value


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
        torch.testing.assert_close(b.cosines, a.cosines)
        assert torch.equal(a.found, b.found)
