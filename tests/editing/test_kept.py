"""kept@k against a loop over single results, and whether it tells a good edit from a bad one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute_world import SCHEMA
from flam_pl.editing.baselines import NoEdit
from flam_pl.editing.editor import Editor
from flam_pl.editing.evaluation import EditResults, evaluate_edits
from flam_pl.editing.kept import KeptTraits
from flam_pl.editing.searches import EvaluationSet, edited_searches
from flam_pl.retrieval.intervals import Figure
from made_editors import Shift
from traits_world import TRAITS, Exact, Jump, one_hot_set, random_set

KS = (1, 3, 10)
Figures = dict[str, dict[str, dict[str, Figure]]]


def counted(editor: Editor, data: EvaluationSet, ks: tuple[int, ...]) -> KeptTraits:
    kept = KeptTraits(data, ks)
    evaluate_edits(editor, data, ks, also=[kept])
    return kept


def slow_shares(
    editor: Editor, data: EvaluationSet, k: int, hits_only: bool
) -> dict[str, tuple[int, int]]:
    """Of each trait: agreeing results and comparable results."""
    counts = {name: [0, 0] for name in data.traits}
    for search in edited_searches(editor, data, k):
        for row, number in enumerate(search.numbers):
            query = int(data.queries[number])
            wanted = list(data.labels[query])
            wanted[SCHEMA.types.index(search.target_type)] = SCHEMA.index(
                search.target_type, search.target_class
            )
            for result in search.found[row, :k].tolist():
                if hits_only and list(data.labels[result]) != wanted:
                    continue
                for name, codes in data.traits.items():
                    if codes[query] >= 0 and codes[result] >= 0:
                        counts[name][1] += 1
                        counts[name][0] += int(codes[query] == codes[result])
    return {name: (kept, known) for name, (kept, known) in counts.items()}


@settings(max_examples=5)
@given(seed=st.integers(0, 1000))
def test_shares_are_those_of_a_loop_over_results(seed: int) -> None:
    data = random_set(seed)
    editor = Shift(seed, 5)
    figures = counted(editor, data, KS).figures(counted(NoEdit(), data, KS), 20, 0)
    for measure, called in (("results", "kept"), ("hits", "kept_hits")):
        for k in KS:
            slow = slow_shares(editor, data, k, measure == "hits")
            plain = slow_shares(NoEdit(), data, k, hits_only=False)
            for name, (kept, known) in slow.items():
                figure = figures[measure][name][f"{called}@{k}"]
                assert figure.n == known
                if known:
                    assert figure.value == pytest.approx(kept / known)
            shares = [kept / known for kept, known in slow.values() if known]
            before = [kept / known for kept, known in plain.values() if known]
            mean = figures[measure]["mean"][f"{called}@{k}"]
            assert mean.n == sum(known for _, known in slow.values())
            if not shares:
                assert mean.n == 0
                continue
            assert mean.value == pytest.approx(np.mean(shares))
            relative = figures[f"{measure}_to_no_edit"]["mean"][f"{called}@{k}"]
            assert relative.value == pytest.approx(np.mean(shares) / np.mean(before))
            assert measure == "hits" or (len(shares) == 2 and 0 < mean.value < 1)


@pytest.fixture(scope="module")
def told() -> dict[str, tuple[Figures, EditResults]]:
    """Three editors on features that tell labels and traits exactly."""
    data = one_hot_set()
    found = {}
    unedited = None
    for editor in (NoEdit(), Exact(), Jump(data)):
        kept = KeptTraits(data, KS)
        results = evaluate_edits(editor, data, KS, also=[kept])
        unedited = unedited or kept
        found[editor.name] = kept.figures(unedited, 100, 0), results
    return found


def test_an_edit_that_changes_one_thing_keeps_the_rest(
    told: dict[str, tuple[Figures, EditResults]],
) -> None:
    figures, results = told["exact"]
    assert results.shares()["T@1"] > 0.99
    for measure, called in (("results", "kept"), ("hits", "kept_hits")):
        for trait in ("mean", *TRAITS):
            assert figures[measure][trait][f"{called}@1"].value > 0.98
    assert figures["results_to_no_edit"]["mean"]["kept@1"].value > 0.98


def test_an_edit_that_jumps_to_anything_of_the_wanted_class_keeps_what_chance_keeps(
    told: dict[str, tuple[Figures, EditResults]],
) -> None:
    """1 in 3 sleeves, 1 in 4 brands: bound chosen as 0.05 around them."""
    figures, _ = told["jump"]
    for trait, size in TRAITS.items():
        assert figures["results"][trait]["kept@10"].value == pytest.approx(1 / size, abs=0.05)
        assert figures["hits"][trait]["kept_hits@10"].value == pytest.approx(1 / size, abs=0.05)
    assert figures["results_to_no_edit"]["mean"]["kept@1"].high < 0.4
    assert figures["hits"]["mean"]["kept_hits@10"].high < 0.4


def test_no_edit_keeps_all_and_finds_nothing_as_the_number_of_its_hits_tells(
    told: dict[str, tuple[Figures, EditResults]],
) -> None:
    figures, results = told["no_edit"]
    assert results.shares()["T@1"] < 0.01
    assert figures["results"]["mean"]["kept@1"].value > 0.98
    relative = figures["results_to_no_edit"]["mean"]["kept@10"]
    assert (relative.value, relative.low, relative.high) == (1, 1, 1)
    hits, exact = (told[n][0]["hits"]["mean"]["kept_hits@10"] for n in ("no_edit", "exact"))
    assert hits.value > exact.value and exact.n > 10 * hits.n


def test_without_traits_or_without_queries_there_is_no_figure() -> None:
    data = replace(random_set(0), traits={})
    kept = counted(NoEdit(), data, KS)
    assert kept.figures(kept, 10, 0) == {}
    data = replace(random_set(0), queries=np.zeros(0, np.int64))
    kept = counted(NoEdit(), data, KS)
    assert kept.figures(kept, 10, 0) == {}


def test_a_trait_that_no_image_has_counts_nothing_and_leaves_the_mean_alone() -> None:
    data = random_set(1)
    more = replace(data, traits={**data.traits, "collar": np.full(len(data.labels), -1)})
    kept, with_empty = (counted(NoEdit(), d, KS) for d in (data, more))
    expected = kept.figures(kept, 20, 0)["results"]["mean"]
    found = with_empty.figures(with_empty, 20, 0)["results"]
    assert found["collar"]["kept@10"].n == 0 and found["mean"] == expected
