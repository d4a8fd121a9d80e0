"""The one evaluation of all methods against a loop over single queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute_world import SCHEMA, store_of
from flam_pl.datasets.catalog import Catalog
from flam_pl.editing.editor import Editor, NoEdit
from flam_pl.editing.edits import Edit
from flam_pl.evaluation.hits import EditResults, evaluate_edits, evaluate_instances
from flam_pl.evaluation.searches import EvaluationSet
from made_editors import Shift
from slow_measures import every_edit, interval_by_item, wish_of

KS = (1, 3, 10)
Hits = dict[str, dict[int, list[int]]]
"""Of each type, of each query number, the hits at each k."""


def random_set(seed: int, rows: int = 40, dimension: int = 5) -> EvaluationSet:
    """Some rows are counterfactuals: they have an item of their own and are in the gallery only."""
    rng = np.random.default_rng(seed)
    labels = np.stack([rng.integers(size, size=rows) for size in SCHEMA.sizes], axis=1)
    items = np.sort(rng.integers(rows // 2, size=rows))
    original = np.full(rows, -1)
    for row in rng.permutation(rows)[: rows // 4]:
        twin_of = int(rng.integers(rows))
        items[row] = 1000 + row
        original[row] = items[twin_of] if twin_of != row and items[twin_of] < 1000 else -1
        labels[row] = labels[twin_of]
        changed = rng.integers(3)
        labels[row, changed] = (labels[row, changed] + 1) % SCHEMA.sizes[changed]
    features = torch.from_numpy(rng.normal(size=(rows, dimension)).astype(np.float32))
    queries, garments = np.flatnonzero(original < 0), np.where(original < 0, items, original)
    return EvaluationSet(SCHEMA, features, labels, queries, items, garments)


def slow_edits(
    editor: Editor, data: EvaluationSet, ks: Sequence[int]
) -> tuple[Hits, dict[str, list[int]], int]:
    """Hits and counts of each type by query number, impossible edits."""
    gallery = editor.represent(data.features).numpy()
    gallery = gallery / np.linalg.norm(gallery, axis=1, keepdims=True)
    combinations = [tuple(row) for row in data.labels.tolist()]
    hits = {n: {q: [0] * len(ks) for q in range(len(data.queries))} for n in SCHEMA.types}
    counts = {n: [0] * len(data.queries) for n in SCHEMA.types}
    impossible = 0
    for number, row in enumerate(data.queries.tolist()):
        for t, name in enumerate(SCHEMA.types):
            for c, class_name in enumerate(SCHEMA.of(name)):
                if data.labels[row, t] == c:
                    continue
                wanted = list(combinations[row])
                wanted[t] = c
                if tuple(wanted) not in combinations:
                    impossible += 1
                    continue
                query = editor.edit(data.features[row : row + 1], [Edit(name, class_name)])[
                    0
                ].numpy()
                order = [int(i) for i in np.argsort(-(gallery @ query)) if i != row]
                found = [combinations[i] == tuple(wanted) for i in order]
                counts[name][number] += 1
                for i, k in enumerate(ks):
                    hits[name][number][i] += any(found[:k])
    return hits, counts, impossible


@settings(max_examples=6)
@given(seed=st.integers(0, 1000))
def test_edits_are_measured_as_a_loop_over_queries_measures_them(seed: int) -> None:
    data = random_set(seed)
    editor = Shift(seed, 5)
    hits, counts, impossible = slow_edits(editor, data, KS)
    results = evaluate_edits(editor, data, KS)
    assert results.evaluated == sum(map(sum, counts.values())) > 20
    assert results.impossible == impossible > 0
    figures = results.figures(resamples=50, seed=0)
    assert set(figures) == {"all", *SCHEMA.types}
    for i, k in enumerate(KS):
        total = {n: sum(per[i] for per in hits[n].values()) for n in SCHEMA.types}
        for name in SCHEMA.types:
            figure = figures[name][f"T@{k}"]
            assert figure.n == sum(counts[name])
            assert figure.value == pytest.approx(total[name] / figure.n)
        share = sum(total.values()) / results.evaluated
        assert figures["all"][f"T@{k}"].value == pytest.approx(share)
        assert results.shares()[f"T@{k}"] == pytest.approx(share)
    assert 0 < figures["all"]["T@3"].value < 1


def tiny_set(labels: list[list[int]], features: list[list[float]]) -> EvaluationSet:
    rows = len(labels)
    return EvaluationSet(
        SCHEMA,
        torch.tensor(features),
        np.array(labels),
        np.arange(rows),
        np.arange(rows),
        np.full(rows, -1),
    )


def test_a_query_never_finds_itself_though_its_vector_is_the_nearest() -> None:
    """Row 1 is the only answer and the second nearest to row 0: at 1 by exclusion."""
    data = tiny_set([[0, 0, 0], [0, 1, 0], [1, 3, 1]], [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    results = evaluate_edits(NoEdit(), data, [1, 2])
    # possible edits: row 0 to green, row 1 to red; all others lead to no gallery image
    assert results.evaluated == 2
    for query, class_index in ((0, 1), (1, 0)):
        assert results.hits["color"][query, class_index].tolist() == [True, True]
    assert results.impossible == 3 * (2 + 3 + 1) - 2


def test_the_present_class_is_no_edit_and_counts_nowhere() -> None:
    data = tiny_set([[0, 0, 0], [0, 0, 0]], [[1.0, 0.0], [0.9, 0.1]])
    results = evaluate_edits(NoEdit(), data, [1])
    assert results.evaluated == 0 and results.impossible == 2 * (2 + 3 + 1)
    assert results.shares() == {"T@1": 0.0}
    assert results.figures(10, 0)["all"]["T@1"].n == 0


def test_a_perfect_and_a_useless_editor() -> None:
    """One-hot features: the right block finds the answer, the old one finds the old class."""
    rng = np.random.default_rng(0)
    labels = np.stack([rng.integers(size, size=120) for size in SCHEMA.sizes], axis=1)
    blocks = [np.eye(size)[labels[:, t]] for t, size in enumerate(SCHEMA.sizes)]
    features = torch.from_numpy(np.concatenate(blocks, axis=1).astype(np.float32))
    data = tiny_set(labels.tolist(), features.tolist())
    starts = np.cumsum([0, *SCHEMA.sizes])

    class Perfect(NoEdit):
        def edit(self, features: torch.Tensor, edits: Sequence[Edit]) -> torch.Tensor:
            (edit,) = edits
            t = SCHEMA.types.index(edit.attribute_type)
            edited = features.clone()
            edited[:, starts[t] : starts[t + 1]] = 0
            edited[:, starts[t] + SCHEMA.index(edit.attribute_type, edit.wanted)] = 1
            return edited

    perfect, useless = (evaluate_edits(e, data, [1, 5]) for e in (Perfect(), NoEdit()))
    assert perfect.evaluated == useless.evaluated > 500
    assert perfect.shares() == {"T@1": 1.0, "T@5": 1.0}
    assert useless.shares()["T@1"] < 0.05


def test_progress_sees_every_pair_of_type_and_class() -> None:
    seen: list[tuple[str, str]] = []

    def progress(edits: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
        seen.extend(edits)
        return edits

    evaluate_edits(NoEdit(), random_set(0), [1], progress)
    assert seen == [(n, c) for n in SCHEMA.types for c in SCHEMA.of(n)]


def test_an_evaluation_set_of_a_catalog_asks_with_all_but_counterfactuals() -> None:
    table = pd.DataFrame(
        {
            "path": [f"{i}.jpg" for i in range(6)],
            "item": ["b", "a", "twin", "stray", None, "a"],
            "split": "evaluation",
            "counterfactual_of": [None, None, "b", "gone", None, None],
            "shape": ["shirt", "jeans", "shirt", "dress", "dress", None],
            "color": ["red", "red", "blue", "red", "black", "red"],
            "pattern": "plain",
        }
    )
    catalog = Catalog.build("mini", Path("/nowhere"), table, SCHEMA)
    features = np.arange(12, dtype=np.float32).reshape(6, 2)
    rows = catalog.rows(split="evaluation", dense=True)
    data = EvaluationSet.of(catalog, store_of(features), rows)
    assert rows.tolist() == [0, 1, 2, 3, 4]
    assert data.queries.tolist() == [0, 1, 4]
    assert data.features.tolist() == features[:5].tolist()
    assert np.array_equal(data.labels, catalog.labels[rows])
    catalog.items[0]
    assert data.items.tolist() == catalog.items[:5].tolist() and data.items[4] == -1
    # "b" and its twin are one garment; nobody else has photos in several classes
    b, a, twin, stray, nobody = data.garments.tolist()
    assert b == twin >= 0 and a == nobody == -1 and stray not in (b, -1)
    # what is resampled as one: the garment, else the item, else the image itself
    assert len(set(data.query_items.tolist())) == 3


@settings(max_examples=4)
@given(seed=st.integers(0, 1000))
def test_the_mean_over_combinations_is_that_of_a_loop_over_edits(seed: int) -> None:
    """Of every wanted combination its share of hits; then their plain mean."""
    data, editor = random_set(seed), Shift(seed, 5)
    hit_of: dict[tuple[int, ...], list[list[bool]]] = {}
    item_of: dict[tuple[int, ...], list[int]] = {}
    gallery = torch.nn.functional.normalize(data.features, dim=1)
    for number, row, t, c in every_edit(data):
        wanted = data.labels[row].copy()
        wanted[t] = c
        query = editor.edit(data.features[row : row + 1], [wish_of(data, t, c)])[0]
        order = [p for p in (gallery @ query).argsort(descending=True).tolist() if p != row]
        right = [(data.labels[p] == wanted).all() for p in order]
        hit_of.setdefault(tuple(wanted), []).append([any(right[:k]) for k in KS])
        item_of.setdefault(tuple(wanted), []).append(int(data.query_items[number]))
    figures = evaluate_edits(editor, data, KS).macro_figures(40, 7)
    means = [np.mean(hits, axis=0) for hits in hit_of.values()]
    assert len(means) > 5
    items = sorted({item for of in item_of.values() for item in of})
    even = np.full(len(items), 1 / len(items))
    drawn = []
    for times in np.random.default_rng(7).multinomial(len(items), even, 40):
        weight = dict(zip(items, times, strict=True))
        shares = []
        for wanted, hits in hit_of.items():
            weights = np.array([weight[item] for item in item_of[wanted]])
            if weights.sum():
                shares.append(weights @ np.array(hits) / weights.sum())
        drawn.append(np.mean(shares, axis=0))
    for i, k in enumerate(KS):
        figure = figures[f"T@{k}"]
        assert figure.n == sum(map(len, hit_of.values()))
        assert figure.value == pytest.approx(np.mean(means, axis=0)[i])
        ends = np.quantile(np.array(drawn)[:, i], [0.025, 0.975])
        assert (figure.low, figure.high) == pytest.approx(tuple(ends))


def test_a_rare_combination_counts_as_much_as_a_frequent_one() -> None:
    """Nine edits want what is found, one wants what is not."""
    hits = {"color": np.array([[[True]]] * 9 + [[[False]]])}
    asked = {"color": np.ones((10, 1), dtype=bool)}
    wanted = {"color": np.array([[4]] * 9 + [[7]])}
    results = EditResults((1,), hits, asked, 0, np.arange(10), wanted)
    assert results.shares()["T@1"] == pytest.approx(0.9)
    assert results.macro_figures(50, 0)["T@1"].value == pytest.approx(0.5)
    nothing = EditResults((1,), hits, {"color": ~asked["color"]}, 0, np.arange(10), wanted)
    assert nothing.macro_figures(50, 0)["T@1"].n == 0


def test_photos_of_one_garment_or_of_one_item_are_resampled_as_one() -> None:
    """Items 4, 5 and 6 are one garment; item 7 has two photos; two photos are of no item."""
    labels = np.zeros((9, 3), np.int64)
    items = np.array([4, 4, 5, 6, 7, 7, -1, -1, 0])
    garments = np.array([2, 2, 2, 2, -1, -1, -1, -1, 0])
    queries = np.array([0, 1, 2, 4, 5, 6, 7, 8])
    data = EvaluationSet(SCHEMA, torch.randn(9, 2), labels, queries, items, garments)
    together = data.query_items[:, None] == data.query_items
    groups = [{int(n) for n in np.flatnonzero(row)} for row in together]
    assert groups == [{0, 1, 2}] * 3 + [{3, 4}] * 2 + [{5}, {6}, {7}]


def test_an_interval_draws_items_and_not_photos() -> None:
    """Every photo twice, as the same item or as another: as sure as before, or surer."""
    data = random_set(1, rows=60)
    alone = np.arange(60)
    nobody = np.full(60, -1)
    single = replace(data, queries=alone, items=alone, garments=nobody)
    results = evaluate_edits(Shift(1, 5), single, [3])
    whole = results.figures(2000, 0)["all"]["T@3"]
    twice = {name: np.repeat(of, 2, axis=0) for name, of in results.hits.items()}
    asked = {name: np.repeat(of, 2, axis=0) for name, of in results.asked.items()}
    for items, width in ((np.repeat(alone, 2), 1.0), (np.arange(120), 0.5**0.5)):
        doubled = EditResults((3,), twice, asked, 0, items, results.wanted)
        again = doubled.figures(2000, 0)["all"]["T@3"]
        assert again.value == pytest.approx(whole.value) and again.n == 2 * whole.n
        expected = width * (whole.high - whole.low)
        assert again.high - again.low == pytest.approx(expected, rel=0.1)


# --- FIR


@settings(max_examples=15)
@given(seed=st.integers(0, 1000))
def test_instances_are_measured_as_a_loop_over_queries_measures_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = torch.from_numpy(rng.normal(size=(40, 4)).astype(np.float32))
    items = rng.integers(12, size=40)
    is_query = rng.random(40) < 0.4
    is_query[:2] = True, False
    items[0] = items[1]
    items[2], is_query[2] = 99, True  # no shop photo of it
    vectors = features.numpy() / np.linalg.norm(features.numpy(), axis=1, keepdims=True)
    found: list[list[bool]] = []
    of_items: list[int] = []
    unfindable = 0
    for row in np.flatnonzero(is_query):
        shop = [i for i in range(40) if not is_query[i]]
        if items[row] not in [items[i] for i in shop]:
            unfindable += 1
            continue
        order = sorted(shop, key=lambda i, row=row: -float(vectors[row] @ vectors[i]))
        found.append([items[row] in [items[i] for i in order[:k]] for k in KS])
        of_items.append(int(items[row]))
    figures, without = evaluate_instances(features, items, is_query, KS, 50, 0)
    assert without == unfindable >= 1
    for i, k in enumerate(KS):
        assert figures[f"R@{k}"].n == len(found)
        hits = [hit[i] for hit in found]
        assert figures[f"R@{k}"].value == pytest.approx(np.mean(hits))
        ends = interval_by_item(hits, [1] * len(hits), of_items, 50, 0)
        assert (figures[f"R@{k}"].low, figures[f"R@{k}"].high) == pytest.approx(ends)


def test_no_findable_query_gives_no_figure_but_their_number() -> None:
    items = np.array([1, 2, 3])
    figures, without = evaluate_instances(
        torch.randn(3, 2), items, np.array([True, True, False]), KS, 10, 0
    )
    assert figures == {} and without == 2


def test_a_cut_off_beyond_the_gallery_asks_for_all_of_it() -> None:
    items = np.array([5, 6, 5])
    features = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    figures, _ = evaluate_instances(features, items, np.array([True, False, False]), [1, 50], 10, 0)
    assert figures["R@1"].value == 0 and figures["R@50"].value == 1
