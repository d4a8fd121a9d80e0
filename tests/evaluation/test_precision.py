"""P@k, as_it_was@k and worth@k against loops over results and orders that were sorted by hand."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute_world import SCHEMA
from flam_pl.attributes import AttributeSchema
from flam_pl.editing.editor import Editor, NoEdit
from flam_pl.evaluation import precision as precision_module
from flam_pl.evaluation.hits import evaluate_edits
from flam_pl.evaluation.oracle import OracleRanking
from flam_pl.evaluation.precision import Precision, worth
from flam_pl.evaluation.searches import EditedSearch, EvaluationSet, Searcher, edited_searches
from made_editors import Shift
from slow_measures import (
    as_it_was_at,
    discounted,
    every_edit,
    gain_of,
    interval_by_item,
    precision_at,
    wish_of,
    worth_at,
)
from traits_world import Exact, Jump, random_set

KS = (1, 3, 10, 100)
"""The last asks for more than the small galleries have."""


def counted(editor: Editor | Searcher, data: EvaluationSet) -> Precision:
    measured = Precision(data, KS)
    evaluate_edits(editor, data, KS, also=[measured])
    return measured


def slow(editor: Editor, data: EvaluationSet) -> dict[tuple[str, str], list[float]]:
    """(Type or "all", figure) -> its value for every edit."""
    gallery = torch.nn.functional.normalize(editor.represent(data.features), dim=1)
    found: dict[tuple[str, str], list[float]] = {}
    for _, row, t, c in every_edit(data):
        query = editor.edit(data.features[row : row + 1], [wish_of(data, t, c)])[0]
        order = (gallery @ query).argsort(descending=True).tolist()
        order = [p for p in order if p != row]
        for k in KS:
            values = {
                f"P@{k}": precision_at(data, order, t, c, k),
                f"as_it_was@{k}": as_it_was_at(data, order, row, k),
                f"worth@{k}": worth_at(data, order, row, t, c, k),
            }
            for group, (name, value) in itertools.product(
                ("all", data.schema.types[t]), values.items()
            ):
                found.setdefault((group, name), []).append(value)
    return found


@settings(max_examples=4)
@given(seed=st.integers(0, 1000))
def test_figures_are_those_of_a_loop_over_edits_and_results(seed: int) -> None:
    data, editor = random_set(seed, rows=35), Shift(seed, 5)
    measured = counted(editor, data)
    figures, expected = measured.figures(30, 0), slow(editor, data)
    assert list(figures) == ["all", *SCHEMA.types]
    for group, of_group in figures.items():
        assert list(of_group) == [f"{n}@{k}" for n in ("P", "as_it_was", "worth") for k in KS]
        for name, figure in of_group.items():
            values = expected[group, name]
            assert figure.n == len(values) > 5
            assert figure.value == pytest.approx(np.mean(values))
            assert 0 <= figure.low <= figure.high <= 1
            if group == "all":
                kind, _, k = name.partition("@")
                assert measured.mean(kind, int(k)) == pytest.approx(figure.value)
    assert 0 < figures["all"]["P@10"].value < 1 and 0 < figures["all"]["worth@10"].value < 1


def in_order_of(data: EvaluationSet, row: int, t: int, c: int, best: bool) -> list[int]:
    """All other photos, those that are worth most (or least) first."""
    others = [p for p in range(len(data.labels)) if p != row]
    return sorted(others, key=lambda p: gain_of(data, p, row, t, c), reverse=best)


def search_of(data: EvaluationSet, number: int, t: int, c: int, found: list[int]) -> EditedSearch:
    name = data.schema.types[t]
    wanted, _ = data.edit(name, data.schema.of(name)[c])
    positions, nothing = torch.tensor([found]), torch.zeros(1, len(found))
    asking = np.array([number])
    return EditedSearch(
        name, data.schema.of(name)[c], asking, wanted[asking], positions, nothing, nothing[:, 0]
    )


def test_a_perfect_order_has_a_worth_of_one_at_every_k_and_no_other_has_more() -> None:
    data = random_set(3, rows=30)
    perfect, worst = Precision(data, KS), Precision(data, KS)
    rng = np.random.default_rng(0)
    for number, row, t, c in every_edit(data):
        best = in_order_of(data, row, t, c, best=True)
        perfect.add(search_of(data, number, t, c, best))
        worst.add(search_of(data, number, t, c, best[::-1]))
        drawn = Precision(data, KS, like=perfect)
        drawn.add(search_of(data, number, t, c, rng.permutation(best).tolist()))
        assert drawn.mean("worth", 10) <= 1 + 1e-12
    for k in KS:
        assert perfect.mean("worth", k) == pytest.approx(1, abs=1e-12)
    assert worst.mean("worth", 1) == 0 and worst.mean("P", 1) == 0


def test_the_ideal_is_that_of_every_order_of_a_small_gallery() -> None:
    """Brute force over all orders, not over one that was sorted."""
    data = random_set(0, rows=7)
    edits = list(every_edit(replace(data, queries=np.arange(7))))
    assert edits
    for _, row, t, c in edits:
        others = [p for p in range(7) if p != row]
        gains = {p: gain_of(data, p, row, t, c) for p in others}
        ideal = Precision(data, [1, 2, 5]).ideal(torch.tensor([row]), t, c)
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


def test_a_search_that_ignores_the_edit_finds_nothing_of_any_worth() -> None:
    """Its first results are photos that are alike in every class, also in the edited one."""
    data = twelve_of_each()
    nothing, exact, jump = (counted(e, data) for e in (NoEdit(), Exact(), Jump(data)))
    for k in (1, 10):
        assert nothing.mean("P", k) == nothing.mean("worth", k) == 0
        assert nothing.mean("as_it_was", k) == 1
        assert exact.mean("P", k) == 1 and exact.mean("worth", k) == pytest.approx(1)
        assert exact.mean("as_it_was", k) == 0
    # anything of the wanted class is right, but worth less
    assert jump.mean("P", 1) == 1 and 0.2 < jump.mean("worth", 1) < 0.8


def test_a_search_that_knows_the_labels_is_worth_most_at_1() -> None:
    data = random_set(5)
    known = counted(OracleRanking(data, 100), data)
    assert known.mean("P", 1) == pytest.approx(1) == known.mean("worth", 1)
    assert known.mean("worth", 10) < 1  # behind the right combinations it knows no half right ones


@given(kept=st.integers(0, 8), others=st.integers(0, 8))
def test_what_a_result_is_worth_grows_four_times_with_everything_that_it_keeps(
    kept: int, others: int
) -> None:
    kept = min(kept, others)
    right, wrong = worth(torch.tensor([True, False]), torch.tensor([kept, kept]), others).tolist()
    assert wrong == 0 < right <= 1
    if kept < others:
        more = worth(torch.tensor([True]), torch.tensor([kept + 1]), others)
        assert float(more) == pytest.approx(4 * right)
    assert float(worth(torch.tensor([True]), torch.tensor([others]), others)) == 1


def test_with_one_attribute_type_a_right_result_is_worth_all() -> None:
    schema = AttributeSchema({"color": SCHEMA.of("color")})
    data = random_set(3)
    nobody = np.full(len(data.labels), -1)
    data = EvaluationSet(schema, data.features, data.labels[:, 1:2], data.queries, nobody, nobody)
    measured = counted(NoEdit(), data)
    expected = slow(NoEdit(), data)
    for k in KS:
        assert measured.mean("worth", k) == pytest.approx(np.mean(expected["all", f"worth@{k}"]))
        assert measured.mean("P", k) == pytest.approx(np.mean(expected["all", f"P@{k}"]))


def test_ideals_are_the_same_in_chunks_and_where_they_are_shared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, editor = random_set(2), Shift(2, 5)
    whole = counted(editor, data)
    shared = Precision(data, KS, like=whole)
    evaluate_edits(editor, data, KS, also=[shared])
    assert shared.ideals is whole.ideals
    monkeypatch.setattr(precision_module, "CHUNK", 7)
    parts = counted(editor, data)
    for of in (shared, parts):
        assert of.figures(20, 0) == whole.figures(20, 0)


def test_nobody_asking_gives_no_figure() -> None:
    data = replace(random_set(0), queries=np.zeros(0, np.int64))
    measured = counted(NoEdit(), data)
    assert measured.mean("worth", 10) == 0
    figures = measured.figures(10, 0)
    assert {f.n for of in figures.values() for f in of.values()} == {0}


def test_intervals_are_those_of_a_loop_over_resamples_of_items() -> None:
    data = random_set(6, rows=40)
    data = replace(data, items=np.arange(40) // 3)
    editor = Shift(6, 5)
    figure = counted(editor, data).figures(40, 5)["all"]["P@10"]
    values, of_edit = [], []
    for search in edited_searches(editor, data, 10):
        t = SCHEMA.types.index(search.target_type)
        c = SCHEMA.index(search.target_type, search.target_class)
        for number, found in zip(search.numbers, search.found.tolist(), strict=True):
            values.append(precision_at(data, found, t, c, 10))
            of_edit.append(int(data.items[data.queries[number]]))
    assert {*of_edit} == {*data.items[data.queries].tolist()}  # every item asks
    ends = interval_by_item(values, [1] * len(values), of_edit, 40, 5)
    assert (figure.low, figure.high) == pytest.approx(ends)
