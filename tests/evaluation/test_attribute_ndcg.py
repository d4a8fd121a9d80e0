"""NDCG@k of edited searches against scikit-learn on the whole gallery, query by query."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from attribute_world import SCHEMA
from flam_pl.attributes import AttributeSchema
from flam_pl.editing.editor import Editor, NoEdit
from flam_pl.evaluation import attribute_ndcg
from flam_pl.evaluation.attribute_ndcg import AttributeNDCG
from flam_pl.evaluation.hits import evaluate_edits
from flam_pl.evaluation.searches import EvaluationSet
from made_editors import Shift
from slow_measures import interval_by_item
from traits_world import Exact, Jump, one_hot_set, random_set

KS = (1, 3, 10, 100)


def figures(editor: Editor, data: EvaluationSet) -> dict[str, dict[str, float]]:
    measured = AttributeNDCG(data, KS)
    evaluate_edits(editor, data, KS, also=[measured])
    found = measured.figures(20, 0)
    return {kind: {name: f.value for name, f in of.items()} for kind, of in found.items()}


def slow(editor: Shift, data: EvaluationSet) -> dict[str, dict[str, float]]:
    """One ranking of all other images an edit."""
    gallery = data.features.numpy().astype(float)
    gallery = gallery / np.linalg.norm(gallery, axis=1, keepdims=True)
    found = defaultdict(list)
    have = {tuple(row) for row in data.labels.tolist()}
    for query in data.queries.tolist():
        others = [i for i in range(len(gallery)) if i != query]
        for t, name in enumerate(SCHEMA.types):
            for c, class_name in enumerate(SCHEMA.of(name)):
                wanted = data.labels[query].copy()
                wanted[t] = c
                if data.labels[query, t] == c or tuple(wanted.tolist()) not in have:
                    continue
                vector = editor.moved(data.features[query : query + 1], name, class_name)
                scores = gallery[others] @ vector[0].numpy().astype(float)
                same = data.labels[others] == wanted
                untouched = np.delete(same, t, axis=1)
                relevance = {
                    "all": same.mean(axis=1),
                    "target": same[:, t].astype(float),
                    "other": untouched.mean(axis=1),
                }
                for kind, r in relevance.items():
                    for k in KS:
                        found[kind, k].append(ndcg_score([2**r - 1], [scores], k=k))
    return {
        kind: {f"NDCG@{k}": float(np.mean(found[kind, k])) for k in KS}
        for kind in ("all", "target", "other")
    }


@settings(max_examples=4)
@given(seed=st.integers(0, 1000))
def test_the_figures_are_those_of_scikit_learn_on_whole_rankings(seed: int) -> None:
    data = random_set(seed, rows=45)
    editor = Shift(seed, 5)
    got, expected = figures(editor, data), slow(editor, data)
    assert set(got) == set(expected)
    for kind, of_kind in expected.items():
        assert got[kind] == pytest.approx(of_kind, abs=1e-9)
        assert 0.2 < of_kind["NDCG@10"] < 0.95


def test_the_ideals_are_the_same_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    data = random_set(2)
    whole = AttributeNDCG(data, KS).ideal((1,))
    monkeypatch.setattr(attribute_ndcg, "CHUNK", 5)
    parts = AttributeNDCG(data, KS).ideal((1,))
    assert all(torch.equal(whole[kind], parts[kind]) for kind in ("all", "target", "other"))


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
    for kind, of in measured.figures(30, 6).items():
        sums, counts = measured.sums[kind][:, 0].tolist(), measured.counts[kind].tolist()
        ends = interval_by_item(sums, counts, items, 30, 6)
        assert (of["NDCG@10"].low, of["NDCG@10"].high) == pytest.approx(ends)
