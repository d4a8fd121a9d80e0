"""P@k, as_it_was@k and utility@k against loops over results and orders that were sorted by hand."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute_world import SCHEMA
from extra_attributes_world import Exact, Jump, random_set
from flam_pl.attributes import AttributeSchema
from flam_pl.editing.editor import Editor, NoEdit
from flam_pl.evaluation.hits import evaluate_edits
from flam_pl.evaluation.oracle import OracleRanking
from flam_pl.evaluation.precision import Precision, utility
from flam_pl.evaluation.searches import EditedSearch, EvaluationSet, Searcher, search_edits
from made_editors import Shift
from slow_measures import (
    as_it_was_at,
    discounted,
    edit_of,
    every_edit,
    gain_of,
    interval_by_item,
    precision_at,
    utility_at,
    wanted_by,
)

KS = (1, 3, 10, 100)
"""The last asks for more than the small galleries have."""


def counted(editor: Editor | Searcher, data: EvaluationSet) -> Precision:
    measured = Precision(data, KS)
    evaluate_edits(editor, data, KS, also=[measured])
    return measured


def mean(measured: Precision, name: str) -> float:
    """Over all edits; 0 without any."""
    total = measured.all_sums()[:, measured.names.index(name)].sum()
    return float(total / max(1, sum(of.sum() for of in measured.counts.values())))


def slow(editor: Editor, data: EvaluationSet) -> dict[tuple[str, str], list[float]]:
    """(Type or "all", figure) -> its value for every edit."""
    gallery = torch.nn.functional.normalize(editor.represent(data.features), dim=1)
    found: dict[tuple[str, str], list[float]] = {}
    for _, row, t, c in every_edit(data):
        query = editor.edit(data.features[row : row + 1], [edit_of(data, t, c)])[0]
        order = (gallery @ query).argsort(descending=True).tolist()
        order = [p for p in order if p != row]
        for k in KS:
            values = {
                f"P@{k}": precision_at(data, order, t, c, k),
                f"as_it_was@{k}": as_it_was_at(data, order, row, k),
                f"utility@{k}": utility_at(data, order, row, t, c, k),
            }
            for group, (name, value) in itertools.product(
                ("all", data.schema.types[t]), values.items()
            ):
                found.setdefault((group, name), []).append(value)
    return found


@settings(max_examples=8)
@given(seed=st.integers(0, 1000), missing=st.sampled_from([0.0, 0.3]))
def test_figures_are_those_of_a_loop_over_edits_and_results(seed: int, missing: float) -> None:
    data, editor = random_set(seed, rows=60 if missing else 35, missing=missing), Shift(seed, 5)
    measured = counted(editor, data)
    figures, expected = measured.estimates((30, 0)), slow(editor, data)
    assert list(figures) == ["all", *SCHEMA.types]
    for group, of_group in figures.items():
        assert list(of_group) == [f"{n}@{k}" for n in ("P", "as_it_was", "utility") for k in KS]
        for name, figure in of_group.items():
            values = expected[group, name]
            assert figure.n == len(values) > 1
            assert figure.value == pytest.approx(np.mean(values))
            assert 0 <= figure.low <= figure.high <= 1
            if group == "all":
                assert mean(measured, name) == pytest.approx(figure.value)
    assert 0 < figures["all"]["P@10"].value < 1 and 0 < figures["all"]["utility@10"].value < 1


def best_order(data: EvaluationSet, row: int, t: int, c: int) -> list[int]:
    """All other photos, those with the largest utility first."""
    others = [p for p in range(len(data.labels)) if p != row]
    return sorted(others, key=lambda p: -gain_of(data, p, row, t, c))


def search_of(data: EvaluationSet, number: int, t: int, c: int, found: list[int]) -> EditedSearch:
    wanted = np.array([wanted_by(data, int(data.queries[number]), (t, c))])
    return EditedSearch(data, t, c, np.array([number]), wanted, torch.tensor([found]))


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_the_best_order_has_a_utility_of_one_at_every_k_and_no_other_has_more(
    missing: float,
) -> None:
    data = random_set(3, rows=30, missing=missing)
    perfect, worst = Precision(data, KS), Precision(data, KS)
    rng = np.random.default_rng(0)
    for number, row, t, c in every_edit(data):
        best = best_order(data, row, t, c)
        perfect.add(search_of(data, number, t, c, best))
        worst.add(search_of(data, number, t, c, best[::-1]))
        drawn = Precision(data, KS, like=perfect)
        drawn.add(search_of(data, number, t, c, rng.permutation(best).tolist()))
        assert mean(drawn, "utility@10") <= 1 + 1e-12
    for k in KS:
        assert mean(perfect, f"utility@{k}") == pytest.approx(1, abs=1e-12)
    assert mean(worst, "utility@1") == 0 and mean(worst, "P@1") == 0


def test_the_ideal_is_that_of_every_order_of_a_small_gallery() -> None:
    """Brute force over all orders, not over one that was sorted."""
    data = random_set(0, rows=7)
    edits = list(every_edit(replace(data, queries=np.arange(7))))
    assert edits
    for _, row, t, c in edits:
        others = [p for p in range(7) if p != row]
        gains = {p: gain_of(data, p, row, t, c) for p in others}
        ideal = Precision(replace(data, queries=np.array([row])), [1, 2, 5]).ideal(t, c)
        for at, k in enumerate((1, 2, 5)):
            best = max(discounted([gains[p] for p in o], k) for o in itertools.permutations(others))
            assert float(ideal[0, at]) == pytest.approx(best)


def twelve_of_each() -> EvaluationSet:
    """Of every combination twelve photos whose features tell it exactly: ones and zeros."""
    combinations = list(itertools.product(*map(range, SCHEMA.sizes)))
    labels = np.repeat(combinations, 12, axis=0)
    blocks = [np.eye(size)[labels[:, t]] for t, size in enumerate(SCHEMA.sizes)]
    features = torch.from_numpy(np.concatenate(blocks, axis=1).astype(np.float32))
    nobody = np.full(len(labels), -1)
    return EvaluationSet(SCHEMA, features, labels, np.arange(0, len(labels), 7), nobody, nobody)


def test_a_search_that_ignores_the_edit_finds_nothing_of_any_utility() -> None:
    """Its first results are photos that are alike in every class, also in the edited one."""
    data = twelve_of_each()
    nothing, exact, jump = (counted(e, data) for e in (NoEdit(), Exact(), Jump(data)))
    for k in (1, 10):
        assert mean(nothing, f"P@{k}") == mean(nothing, f"utility@{k}") == 0
        assert mean(nothing, f"as_it_was@{k}") == 1
        assert mean(exact, f"P@{k}") == 1 and mean(exact, f"utility@{k}") == pytest.approx(1)
        assert mean(exact, f"as_it_was@{k}") == 0
    # any photo of the wanted class is right, but less useful
    assert mean(jump, "P@1") == 1 and 0.2 < mean(jump, "utility@1") < 0.8


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_the_oracle_ranking_has_the_largest_utility_at_1(missing: float) -> None:
    data = random_set(5, missing=missing)
    known = counted(OracleRanking(data, 100), data)
    assert mean(known, "P@1") == pytest.approx(1) == mean(known, "utility@1")
    assert mean(known, "utility@10") < 1  # behind the hits it does not know the half right photos


@given(kept=st.lists(st.integers(0, 8), min_size=1, max_size=5))
def test_utility_grows_four_times_with_every_label_that_a_result_keeps(kept: list[int]) -> None:
    right, labels = torch.ones(len(kept), dtype=torch.bool), torch.tensor(kept)
    assert utility(right, labels).tolist() == [math.prod([4] * n) for n in kept]
    assert utility(~right, labels).tolist() == [0] * len(kept)


def test_with_one_attribute_type_a_right_result_has_all_the_utility() -> None:
    schema = AttributeSchema({"color": SCHEMA.of("color")})
    data = random_set(3)
    nobody = np.full(len(data.labels), -1)
    data = EvaluationSet(schema, data.features, data.labels[:, 1:2], data.queries, nobody, nobody)
    measured = counted(NoEdit(), data)
    expected = slow(NoEdit(), data)
    for k in KS:
        assert mean(measured, f"utility@{k}") == pytest.approx(
            np.mean(expected["all", f"utility@{k}"])
        )
        assert mean(measured, f"P@{k}") == pytest.approx(np.mean(expected["all", f"P@{k}"]))


def test_ideal_orders_that_are_used_again_change_nothing() -> None:
    data, editor = random_set(2), Shift(2, 5)
    whole = counted(editor, data)
    shared = Precision(data, KS, like=whole)
    evaluate_edits(editor, data, KS, also=[shared])
    assert shared.ideals is whole.ideals
    assert shared.estimates((20, 0)) == whole.estimates((20, 0))


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_photos_are_counted_by_their_wanted_labels_in_chunks_of_any_size(missing: float) -> None:
    data = random_set(2, missing=missing)
    wanted = data.labels[:9]
    photos = data.combinations[1]
    for types in ([0], [1, 2], [0, 1, 2]):
        expected = np.zeros((9, 4), dtype=int)
        for row in range(9):
            for photo in range(len(data.labels)):
                same = [wanted[row, t] == data.labels[photo, t] >= 0 for t in types]
                expected[row, sum(same)] += 1
        for chunk in (2, 100):
            found = data.count_matches(torch.from_numpy(wanted), types, photos, chunk)
            assert found.tolist() == expected.tolist()


def test_nobody_asking_gives_no_figure() -> None:
    data = replace(random_set(0), queries=np.zeros(0, np.int64))
    measured = counted(NoEdit(), data)
    assert mean(measured, "utility@10") == 0
    figures = measured.estimates((10, 0))
    assert {f.n for of in figures.values() for f in of.values()} == {0}


def test_intervals_are_those_of_a_loop_over_resamples_of_items() -> None:
    data = random_set(6, rows=40)
    data = replace(data, items=np.arange(40) // 3)
    editor = Shift(6, 5)
    figure = counted(editor, data).estimates((40, 5))["all"]["P@10"]
    values, of_edit = [], []
    for search in search_edits(editor, data, 10):
        for number, found in zip(search.numbers, search.found.tolist(), strict=True):
            values.append(precision_at(data, found, search.t, search.c, 10))
            of_edit.append(int(data.items[data.queries[number]]))
    assert {*of_edit} == {*data.items[data.queries].tolist()}  # every item asks
    ends = interval_by_item(values, [1] * len(values), of_edit, 40, 5)
    assert (figure.low, figure.high) == pytest.approx(ends)
