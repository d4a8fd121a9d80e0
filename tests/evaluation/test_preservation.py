"""kept_of_wanted@k against a loop over results, and whether it tells a good edit from a bad one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extra_attributes_world import EXTRA_ATTRIBUTES, Exact, Jump, one_hot_set, random_set
from flam_pl.editing.editor import Editor, NoEdit
from flam_pl.evaluation.hits import EditResults, evaluate_edits
from flam_pl.evaluation.preservation import Preservation
from flam_pl.evaluation.searches import EvaluationSet, search_edits
from flam_pl.metrics.bootstrap import Estimate
from made_editors import Shift

KS = (1, 3, 10)
Figures = dict[str, dict[str, Estimate]]


def counted(editor: Editor, data: EvaluationSet, ks: tuple[int, ...]) -> Preservation:
    kept = Preservation(data, ks)
    evaluate_edits(editor, data, ks, also=[kept])
    return kept


def slow_counts(editor: Editor, data: EvaluationSet, k: int) -> dict[str, np.ndarray]:
    """Per extra attribute and query: agreeing and comparable results, of those with the wanted
    class, ``(Q, 2)``."""
    counts = {name: np.zeros((len(data.queries), 2)) for name in data.extra_attributes}
    for search in search_edits(editor, data, k):
        t, c = search.t, search.c
        for row, number in enumerate(search.numbers):
            query = int(data.queries[number])
            for result in search.found[row, :k].tolist():
                if data.labels[result, t] != c:
                    continue
                for name, codes in data.extra_attributes.items():
                    if codes[query] >= 0 and codes[result] >= 0:
                        counts[name][number] += codes[query] == codes[result], 1
    return counts


@settings(max_examples=8)
@given(seed=st.integers(0, 1000), missing=st.sampled_from([0.0, 0.25]))
def test_shares_are_those_of_a_loop_over_results(seed: int, missing: float) -> None:
    data = random_set(seed, missing=missing)
    editor = Shift(seed, 5)
    figures = counted(editor, data, KS).estimates((20, 0))
    assert list(figures) == ["mean", *EXTRA_ATTRIBUTES]
    for k in KS:
        slow = {name: of.sum(axis=0) for name, of in slow_counts(editor, data, k).items()}
        for name, (kept, known) in slow.items():
            figure = figures[name][f"kept_of_wanted@{k}"]
            assert figure.n == known > 0
            assert figure.value == pytest.approx(kept / known)
            assert figure.low <= figure.value <= figure.high
        mean = figures["mean"][f"kept_of_wanted@{k}"]
        assert mean.n == sum(known for _, known in slow.values())
        assert mean.value == pytest.approx(np.mean([kept / known for kept, known in slow.values()]))
        assert 0 < mean.value < 1


@pytest.fixture(scope="module")
def measured() -> dict[str, tuple[Figures, EditResults]]:
    """Three editors on features that tell labels and extra attributes exactly."""
    data = one_hot_set()
    found = {}
    for editor in (NoEdit(), Exact(), Jump(data)):
        kept = Preservation(data, KS)
        results = evaluate_edits(editor, data, KS, also=[kept])
        found[editor.name] = kept.estimates((100, 0)), results
    return found


def test_an_edit_that_changes_one_thing_keeps_the_rest(
    measured: dict[str, tuple[Figures, EditResults]],
) -> None:
    figures, results = measured["exact"]
    assert results.shares()["T@1"] > 0.99
    for name in ("mean", *EXTRA_ATTRIBUTES):
        assert figures[name]["kept_of_wanted@1"].value > 0.98


def test_a_jump_to_any_photo_of_the_wanted_class_keeps_a_random_share(
    measured: dict[str, tuple[Figures, EditResults]],
) -> None:
    """1 in 3 sleeves, 1 in 4 brands: bound chosen as 0.05 around them."""
    figures, _ = measured["jump"]
    for name, size in EXTRA_ATTRIBUTES.items():
        assert figures[name]["kept_of_wanted@10"].value == pytest.approx(1 / size, abs=0.05)
    assert figures["mean"]["kept_of_wanted@10"].high < 0.4


def test_results_without_the_wanted_class_do_not_count(
    measured: dict[str, tuple[Figures, EditResults]],
) -> None:
    figures, results = measured["no_edit"]
    assert results.shares()["T@1"] < 0.01
    nothing, exact = (measured[n][0]["mean"]["kept_of_wanted@10"] for n in ("no_edit", "exact"))
    assert figures["mean"]["kept_of_wanted@10"] == nothing and exact.n > 10 * nothing.n


def test_without_extra_attributes_or_without_queries_there_is_no_figure() -> None:
    data = replace(random_set(0), extra_attributes={})
    assert counted(NoEdit(), data, KS).estimates((10, 0)) == {}
    data = replace(random_set(0), queries=np.zeros(0, np.int64))
    assert counted(NoEdit(), data, KS).estimates((10, 0)) == {}


def test_an_attribute_without_any_value_counts_nothing_and_leaves_the_mean_alone() -> None:
    data = random_set(1)
    collar = {"collar": np.full(len(data.labels), -1)}
    more = replace(data, extra_attributes={**data.extra_attributes, **collar})
    expected, found = (counted(NoEdit(), d, KS).estimates((20, 0)) for d in (data, more))
    assert found["collar"]["kept_of_wanted@10"].n == 0 and found["mean"] == expected["mean"]


def test_intervals_are_those_of_a_loop_over_resamples_of_items() -> None:
    data = random_set(2)
    data = replace(data, items=np.arange(len(data.labels)) // 6)
    figures = counted(Shift(2, 5), data, (10,)).estimates((40, 3))
    slow = slow_counts(Shift(2, 5), data, 10)
    items = data.items[data.queries]
    codes = np.unique(items)
    assert len(codes) < len(items)
    draws = np.random.default_rng(3).multinomial(
        len(codes), np.full(len(codes), 1 / len(codes)), 40
    )
    shares = np.zeros((40, len(EXTRA_ATTRIBUTES)))
    for number, times in enumerate(draws):
        for column, name in enumerate(EXTRA_ATTRIBUTES):
            parts = [n * slow[name][items == code] for n, code in zip(times, codes, strict=True)]
            kept, known = np.concatenate(parts).sum(axis=0)
            shares[number, column] = kept / known
    for of, name in [*zip(shares.T, EXTRA_ATTRIBUTES, strict=True), (shares.mean(axis=1), "mean")]:
        figure = figures[name]["kept_of_wanted@10"]
        assert (figure.low, figure.high) == pytest.approx(tuple(np.quantile(of, [0.025, 0.975])))
