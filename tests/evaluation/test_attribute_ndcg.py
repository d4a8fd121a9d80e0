"""NDCG@k of edited searches against scikit-learn on the whole gallery, query by query."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from attribute_world import SCHEMA
from extra_attributes_world import Exact, Jump, one_hot_set, random_set
from flam_pl.attributes import AttributeSchema
from flam_pl.editing.editor import Editor, NoEdit
from flam_pl.evaluation.attribute_ndcg import AttributeNDCG
from flam_pl.evaluation.hits import evaluate_edits
from flam_pl.evaluation.searches import EvaluationSet
from made_editors import Shift
from slow_measures import every_edit, interval_by_item, wanted_by

KS = (1, 3, 10, 100)


def figures(editor: Editor, data: EvaluationSet) -> dict[str, dict[str, float]]:
    measured = AttributeNDCG(data, KS)
    evaluate_edits(editor, data, KS, also=[measured])
    found = measured.estimates((20, 0))
    return {kind: {name: f.value for name, f in of.items()} for kind, of in found.items()}


def slow(editor: Shift, data: EvaluationSet) -> dict[str, dict[str, float]]:
    """One ranking of all other photos per edit. A missing label is not the wanted one; types that
    the query has no label of do not count."""
    gallery = data.features.numpy().astype(float)
    gallery = gallery / np.linalg.norm(gallery, axis=1, keepdims=True)
    found = defaultdict(list)
    for _, query, t, c in every_edit(data):
        others = [i for i in range(len(gallery)) if i != query]
        wanted = wanted_by(data, query, (t, c))
        vector = editor.moved(data.features[query : query + 1], *names_of(t, c))
        scores = gallery[others] @ vector[0].numpy().astype(float)
        counted = [o for o, label in enumerate(wanted) if label >= 0]
        kinds = {"all": counted, "target": [t], "other": [o for o in counted if o != t]}
        for kind, types in kinds.items():
            relevance = np.array(
                [np.mean([data.labels[p, o] == wanted[o] for o in types]) for p in others]
            )
            for k in KS:
                found[kind, k].append(ndcg_score([2**relevance - 1], [scores], k=k))
    return {
        kind: {f"NDCG@{k}": float(np.mean(found[kind, k])) for k in KS}
        for kind in ("all", "target", "other")
    }


def names_of(t: int, c: int) -> tuple[str, str]:
    return SCHEMA.types[t], SCHEMA.of(SCHEMA.types[t])[c]


@settings(max_examples=6)
@given(seed=st.integers(0, 1000), missing=st.sampled_from([0.0, 0.3]))
def test_the_figures_are_those_of_scikit_learn_on_whole_rankings(seed: int, missing: float) -> None:
    data = random_set(seed, rows=45, missing=missing)
    editor = Shift(seed, 5)
    got, expected = figures(editor, data), slow(editor, data)
    assert set(got) == set(expected)
    for kind, of_kind in expected.items():
        assert got[kind] == pytest.approx(of_kind, abs=1e-9)
        assert 0.1 < of_kind["NDCG@10"] < 0.95


def test_what_an_exact_edit_no_edit_and_a_jump_reach() -> None:
    data = one_hot_set()
    exact, nothing, jump = (figures(e, data) for e in (Exact(), NoEdit(), Jump(data)))
    assert exact["all"]["NDCG@1"] > 0.99
    assert nothing["other"]["NDCG@1"] > 0.99 and nothing["target"]["NDCG@1"] < 0.01
    assert jump["target"]["NDCG@1"] > 0.99 and jump["other"]["NDCG@1"] < 0.6
    assert nothing["all"]["NDCG@10"] < exact["all"]["NDCG@10"]
    assert jump["all"]["NDCG@10"] < exact["all"]["NDCG@10"]


def test_with_one_attribute_type_there_are_no_other_attributes() -> None:
    schema = AttributeSchema({"color": SCHEMA.of("color")})
    data = random_set(3)
    nobody = np.full(len(data.labels), -1)
    data = EvaluationSet(schema, data.features, data.labels[:, 1:2], data.queries, nobody, nobody)
    found = figures(NoEdit(), data)
    assert set(found) == {"all", "target"} and found["all"] == found["target"]


def test_nobody_asking_gives_no_figure() -> None:
    assert figures(NoEdit(), replace(random_set(0), queries=np.zeros(0, np.int64))) == {}


def test_intervals_draw_items_and_not_photos() -> None:
    data = random_set(4)
    data = replace(data, items=np.arange(len(data.labels)) // 4)
    measured = AttributeNDCG(data, (10,))
    evaluate_edits(Shift(4, 5), data, (10,), also=[measured])
    items = data.items[data.queries].tolist()
    for kind, of in measured.estimates((30, 6)).items():
        sums, counts = measured.sums[kind][:, 0].tolist(), measured.counts[kind].tolist()
        ends = interval_by_item(sums, counts, items, 30, 6)
        assert (of["NDCG@10"].low, of["NDCG@10"].high) == pytest.approx(ends)


def test_ideal_orders_that_are_used_again_change_nothing() -> None:
    data = random_set(2)
    first, alone = AttributeNDCG(data, KS), AttributeNDCG(data, KS)
    evaluate_edits(Shift(1, 5), data, KS, also=[first])
    shared = AttributeNDCG(data, KS, like=first)
    evaluate_edits(Shift(2, 5), data, KS, also=[shared, alone])
    assert shared.ideals is first.ideals
    assert shared.estimates((20, 0)) == alone.estimates((20, 0)) != first.estimates((20, 0))
