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
from flam_pl.attributes import AttributeSchema
from flam_pl.datasets.catalog import Catalog
from flam_pl.editing.editor import Editor, NoEdit
from flam_pl.editing.edits import Edit
from flam_pl.evaluation.hits import EditResults, evaluate_edits, evaluate_instances
from flam_pl.evaluation.searches import EvaluationSet
from made_editors import Shift
from slow_measures import edit_of, every_edit, interval_by_item, is_hit, may_change, wanted_by

KS = (1, 3, 10)
Hits = dict[str, dict[int, list[int]]]
"""Of each type, of each query number, the hits at each k."""


def random_set(
    seed: int, rows: int = 40, dimension: int = 5, missing: float = 0.0
) -> EvaluationSet:
    """Some rows are counterfactuals: they have an item of their own and are in the gallery only.

    Args:
        missing: share of the labels that are missing.
    """
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
    labels[rng.random(labels.shape) < missing] = -1
    queries, garments = np.flatnonzero(original < 0), np.where(original < 0, items, original)
    return EvaluationSet(SCHEMA, features, labels, queries, items, garments)


def slow_edits(
    editor: Editor, data: EvaluationSet, ks: Sequence[int]
) -> tuple[Hits, dict[str, list[int]]]:
    """Hits and number of edits of each type by query number."""
    gallery = editor.represent(data.features).numpy()
    gallery = gallery / np.linalg.norm(gallery, axis=1, keepdims=True)
    hits = {n: {q: [0] * len(ks) for q in range(len(data.queries))} for n in SCHEMA.types}
    counts = {n: [0] * len(data.queries) for n in SCHEMA.types}
    for number, row, t, c in every_edit(data):
        query = editor.edit(data.features[row : row + 1], [edit_of(data, t, c)])[0].numpy()
        order = [int(i) for i in np.argsort(-(gallery @ query)) if i != row]
        found = [is_hit(data, i, wanted_by(data, row, (t, c))) for i in order]
        counts[SCHEMA.types[t]][number] += 1
        for i, k in enumerate(ks):
            hits[SCHEMA.types[t]][number][i] += any(found[:k])
    return hits, counts


def slow_left_out(data: EvaluationSet) -> dict[str, int]:
    """Every pair of a query and another class (any class of a type without a label is one less than
    there are classes) by what happens to it."""
    evaluated = {(row, t, c) for _, row, t, c in every_edit(data)}
    found = {"impossible": 0, "unlabelled": 0, "nothing_to_preserve": 0}
    for row in data.queries.tolist():
        for t, size in enumerate(SCHEMA.sizes):
            if data.labels[row, t] < 0:
                found["unlabelled"] += size - 1
            elif not may_change(data, row, [t]):
                found["nothing_to_preserve"] += size - 1
            else:
                others = [c for c in range(size) if c != data.labels[row, t]]
                found["impossible"] += sum((row, t, c) not in evaluated for c in others)
    return found


@settings(max_examples=10)
@given(seed=st.integers(0, 1000), missing=st.sampled_from([0.0, 0.2, 0.4]))
def test_edits_are_measured_as_a_loop_over_queries_measures_them(seed: int, missing: float) -> None:
    data = random_set(seed, rows=80 if missing else 40, missing=missing)
    editor = Shift(seed, 5)
    hits, counts = slow_edits(editor, data, KS)
    results = evaluate_edits(editor, data, KS)
    assert len(results.numbers) == sum(map(sum, counts.values())) > 10
    assert data.left_out == slow_left_out(data)
    assert data.left_out["impossible"] > 0
    for reason in ("unlabelled", "nothing_to_preserve"):
        assert (data.left_out[reason] > 0) == (missing > 0)
    every = len(data.queries) * (2 + 3 + 1)
    assert len(results.numbers) + sum(data.left_out.values()) == every
    figures = results.estimates((50, 0))
    assert set(figures) == {"all", *SCHEMA.types}
    for i, k in enumerate(KS):
        total = {n: sum(per[i] for per in hits[n].values()) for n in SCHEMA.types}
        for name in SCHEMA.types:
            figure = figures[name][f"T@{k}"]
            assert figure.n == sum(counts[name])
            assert not figure.n or figure.value == pytest.approx(total[name] / figure.n)
        share = sum(total.values()) / len(results.numbers)
        assert figures["all"][f"T@{k}"].value == pytest.approx(share)
        assert results.shares()[f"T@{k}"] == pytest.approx(share)
    assert 0 < figures["all"]["T@10"].value < 1


def test_every_rule_for_missing_labels_in_one_small_gallery() -> None:
    """Classes of the color: red, green, blue, black; of the pattern: plain, striped."""
    data = tiny_set(
        [
            [0, 0, -1],  # query 0, a red shirt, without a pattern
            [0, 0, 0],  # query 1, a red plain shirt
            [0, 2, 1],  # a blue striped shirt: a hit for query 0, not for query 1
            [0, 3, -1],  # a black shirt: a hit for query 0; nobody knows whether for query 1
            [-1, 1, 0],  # something green and plain: no hit for either
            [-1, 0, -1],  # query 2, something red: nothing else says what to preserve
        ],
        [[float(n), 1.0] for n in range(6)],
    )
    data = replace(data, queries=np.array([0, 1, 5]))
    found = {
        (t, c): dict(zip(numbers.tolist(), wanted.tolist(), strict=True))
        for (t, c), (numbers, wanted) in data.possible.items()
    }
    assert found == {(1, 2): {0: [0, 2, -1]}, (1, 3): {0: [0, 3, -1]}}
    assert data.left_out == {
        # query 0: jeans, dress, green; query 1: both shapes, three colors, striped
        "impossible": 3 + 6,
        "unlabelled": 1 + 0 + (2 + 1),
        "nothing_to_preserve": 3,
    }
    results = evaluate_edits(NoEdit(), data, [5])
    assert results.shares() == {"T@5": 1.0} and len(results.numbers) == 2


def test_half_labelled_photos_in_the_gallery_do_not_change_what_full_labels_want() -> None:
    """More photos come before a hit, but which photos are hits for a fully labelled query, and
    which edits have one, stays the same."""
    data = random_set(3)
    more = random_set(4, missing=0.5)
    half = more.labels[(more.labels < 0).any(axis=1)]
    both = replace(
        data,
        features=torch.cat([data.features, more.features[: len(half)]]),
        labels=np.concatenate([data.labels, half]),
        items=np.concatenate([data.items, np.full(len(half), -1)]),
        garments=np.concatenate([data.garments, np.full(len(half), -1)]),
    )
    assert len(half) > 20 and set(both.possible) == set(data.possible)
    for edit, (numbers, wanted) in data.possible.items():
        assert np.array_equal(both.possible[edit][0], numbers)
        assert np.array_equal(both.possible[edit][1], wanted)
    assert both.left_out == data.left_out
    found = torch.arange(len(both.labels)).expand(len(data.queries), -1)
    hits = both.hits(found, data.labels[data.queries])
    assert not hits[:, len(data.labels) :].any() and hits.any()


@pytest.mark.parametrize("classes", [126, 127, 128, 300, 40_000])
def test_a_class_that_no_photo_has_is_never_found(classes: int) -> None:
    """Wanted classes may be far above those of the gallery, whose labels are small integers."""
    names = tuple(str(number) for number in range(classes))
    schema = AttributeSchema({"article": names, "color": ("red", "blue")})
    labels, nobody = np.array([[-1, 0], [0, 0], [1, 1], [100, -1]]), np.full(4, -1)
    data = EvaluationSet(schema, torch.randn(4, 2), labels, np.arange(4), nobody, nobody)
    for c in {*range(0, classes, max(1, classes // 300)), 254, 255, 256, classes - 1, classes - 2}:
        if c < classes:
            found = data.hits(torch.arange(4)[None], np.array([[c, -1]]))[0].tolist()
            assert found == [bool(own == c) for own in labels[:, 0]], c


def test_the_fully_labelled_part_of_a_set_has_the_same_photos_and_queries() -> None:
    data = random_set(2, missing=0.3)
    data = replace(data, extra_attributes={"brand": np.arange(40)})
    part = data.fully_labelled()
    rows = [row for row in range(40) if -1 not in data.labels[row].tolist()]
    assert 5 < len(rows) < 35
    assert part.extra_attributes["brand"].tolist() == rows
    for name in ("features", "labels", "items", "garments"):
        assert getattr(part, name).tolist() == getattr(data, name)[rows].tolist()
    assert [rows[q] for q in part.queries] == [q for q in data.queries.tolist() if q in rows]


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
    assert len(results.numbers) == 2
    assert sorted(results.numbers.tolist()) == [0, 1] and results.groups["color"].all()
    assert results.hits.tolist() == [[True, True]] * 2
    assert data.left_out["impossible"] == 3 * (2 + 3 + 1) - 2


def test_the_present_class_is_no_edit_and_counts_nowhere() -> None:
    data = tiny_set([[0, 0, 0], [0, 0, 0]], [[1.0, 0.0], [0.9, 0.1]])
    results = evaluate_edits(NoEdit(), data, [1])
    assert len(results.numbers) == 0 and data.left_out["impossible"] == 2 * (2 + 3 + 1)
    assert results.shares() == {"T@1": 0.0}
    assert results.estimates((10, 0))["all"]["T@1"].n == 0


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
    assert len(perfect.numbers) == len(useless.numbers) > 500
    assert perfect.shares() == {"T@1": 1.0, "T@5": 1.0}
    assert useless.shares()["T@1"] < 0.05


def test_progress_sees_every_edit_that_is_searched_with() -> None:
    seen: list[tuple[int, int]] = []

    def progress(edits: Sequence[tuple[tuple[int, int], object]]) -> Sequence[object]:
        seen.extend(edit for edit, _ in edits)
        return edits

    data = random_set(0)
    evaluate_edits(NoEdit(), data, [1], progress)
    assert sorted(set(seen)) == seen == sorted({(t, c) for _, _, t, c in every_edit(data)})


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


@settings(max_examples=6)
@given(seed=st.integers(0, 1000), missing=st.sampled_from([0.0, 0.3]))
def test_the_mean_over_combinations_is_that_of_a_loop_over_edits(seed: int, missing: float) -> None:
    """Of every wanted combination its share of hits; then their plain mean."""
    data, editor = random_set(seed, missing=missing), Shift(seed, 5)
    hit_of: dict[tuple[int, ...], list[list[bool]]] = {}
    item_of: dict[tuple[int, ...], list[int]] = {}
    gallery = torch.nn.functional.normalize(data.features, dim=1)
    for number, row, t, c in every_edit(data):
        wanted = wanted_by(data, row, (t, c))
        query = editor.edit(data.features[row : row + 1], [edit_of(data, t, c)])[0]
        order = [p for p in (gallery @ query).argsort(descending=True).tolist() if p != row]
        right = [is_hit(data, p, wanted) for p in order]
        hit_of.setdefault(tuple(wanted), []).append([any(right[:k]) for k in KS])
        item_of.setdefault(tuple(wanted), []).append(int(data.query_items[number]))
    figures = evaluate_edits(editor, data, KS).macro_estimates((40, 7))
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
    hits, wanted = np.array([[True]] * 9 + [[False]]), np.array([[4, -1]] * 9 + [[7, 0]])
    results = EditResults(["T@1"], np.arange(10), {}, wanted, hits, np.arange(10))
    assert results.shares()["T@1"] == pytest.approx(0.9)
    assert results.macro_estimates((50, 0))["T@1"].value == pytest.approx(0.5)
    nothing = EditResults(["T@1"], np.arange(0), {}, wanted[:0], hits[:0], np.arange(10))
    assert nothing.macro_estimates((50, 0))["T@1"].n == 0


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
    """Every photo twice, as the same item or as another: the interval stays, or is narrower."""
    data = random_set(1, rows=60)
    alone = np.arange(60)
    nobody = np.full(60, -1)
    single = replace(data, queries=alone, items=alone, garments=nobody)
    results = evaluate_edits(Shift(1, 5), single, [3])
    whole = results.estimates((2000, 0))["all"]["T@3"]
    numbers = np.concatenate([2 * results.numbers, 2 * results.numbers + 1])
    twice = {
        "groups": {"all": np.ones(len(numbers), dtype=bool)},
        "wanted": np.tile(results.wanted, (2, 1)),
        "hits": np.tile(results.hits, (2, 1)),
    }
    for items, width in ((np.repeat(alone, 2), 1.0), (np.arange(120), 0.5**0.5)):
        doubled = EditResults(names=["T@3"], numbers=numbers, items=items, **twice)
        again = doubled.estimates((2000, 0))["all"]["T@3"]
        assert again.value == pytest.approx(whole.value) and again.n == 2 * whole.n
        expected = width * (whole.high - whole.low)
        assert again.high - again.low == pytest.approx(expected, rel=0.1)


# --- FIR


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), with_twins=st.booleans())
def test_instances_are_measured_as_a_loop_over_queries_measures_them(
    seed: int, with_twins: bool
) -> None:
    rng = np.random.default_rng(seed)
    features = torch.from_numpy(rng.normal(size=(40, 4)).astype(np.float32))
    items = rng.integers(12, size=40)
    is_query = rng.random(40) < 0.4
    is_query[:2] = True, False
    items[0] = items[1]
    items[2], is_query[2] = 99, True  # no shop photo of it
    pixels = rng.integers(25, size=40) if with_twins else None
    shown = np.arange(40) if pixels is None else pixels
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
        photos = {shown[i] for i in range(40) if items[i] == items[row]}
        matches = [i for i in shop if items[i] == items[row] or shown[i] in photos]
        found.append([any(i in matches for i in order[:k]) for k in KS])
        of_items.append(int(items[row]))
    figures, without = evaluate_instances(features, items, is_query, KS, (50, 0), pixels)
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
        torch.randn(3, 2), items, np.array([True, True, False]), KS, (10, 0)
    )
    assert figures == {} and without == 2


def test_a_twin_of_the_query_or_of_its_match_is_no_miss() -> None:
    """Item 5 is listed again as item 6, with the same photo; item 7 has another photo."""
    features = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.9, 0.1]])
    is_query = np.array([True, False, False, False])

    def hit_at_1(items: list[int], pixels: list[int] | None) -> float:
        codes = None if pixels is None else np.array(pixels)
        return evaluate_instances(features, np.array(items), is_query, [1], (10, 0), codes)[0][
            "R@1"
        ].value

    assert hit_at_1([5, 6, 5, 7], None) == 0  # by item alone
    assert hit_at_1([5, 6, 5, 7], [0, 0, 1, 2]) == 1  # the first result equals the query
    assert hit_at_1([5, 6, 5, 7], [3, 0, 0, 2]) == 1  # the first result equals the match
    assert hit_at_1([5, 6, 5, 7], [3, 2, 0, 2]) == 0  # it equals a photo of a third item


def test_a_cut_off_beyond_the_gallery_asks_for_all_of_it() -> None:
    items = np.array([5, 6, 5])
    features = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    figures, _ = evaluate_instances(
        features, items, np.array([True, False, False]), [1, 50], (10, 0)
    )
    assert figures["R@1"].value == 0 and figures["R@50"].value == 1
