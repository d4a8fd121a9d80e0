"""The long table and its summary, against values that were counted by hand and slow loops."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from flam_pl.errors import FlamError
from flam_pl.reports.measurements import KEYS, PARTS, Measurements, display_name, summarise
from flam_pl.reports.wording import describe_backbone, how_edits, short, text_of
from made_metrics import BEST, EDIT_PARTS, KS, METHODS, NOTHING, TYPES, estimate, made_metrics

NAN = float("nan")


def long_table(by_seed: list[list[dict[str, Any]]]) -> pd.DataFrame:
    """Rows of the long table: per seed the estimates of measures m0, m1, ..."""
    names = dict.fromkeys(KEYS, "x")
    rows = [
        {"seed": seed, **names, "measure": f"m{number}", **of}
        for seed, estimates in enumerate(by_seed)
        for number, of in enumerate(estimates)
    ]
    return pd.DataFrame(rows).astype({"value": float, "low": float, "high": float})


def summary(*of_seeds: dict[str, Any]) -> dict[str, Any]:
    """Of one value, measured by each seed."""
    [row] = summarise(long_table([[of] for of in of_seeds])).to_dict("records")
    return row


def test_every_value_is_one_row_with_its_names() -> None:
    metrics = made_metrics(3)
    found = Measurements.of([metrics])
    rows = found.table.set_index(["part", "method", "group", "measure"])
    assert rows.index.is_unique and set(found.table["part"]) == set(PARTS)
    assert set(rows["seed"]) == {3} and set(rows["dataset"]) == {"shop"}
    values = {
        ("edits", "flam", "color", "P@20"): metrics["edits"]["flam"]["color"]["P@20"],
        ("edits", BEST, "macro", "T@5"): metrics["edits"][BEST]["macro"]["T@5"],
        ("instance_by_method", "cls_concat", "all", "R@1"): metrics["instance_by_method"][
            "cls_concat"
        ]["R@1"],
        ("ratio", "flam", "emb_concat", "T@10"): metrics["ratio"]["flam"]["emb_concat"]["T@10"],
        ("change", "mine", "all", "CF@1"): metrics["change"]["mine"]["CF@1"],
        ("calibration", "answer", "calibrated", "detection_rate"): estimate(0.7),
        ("by_strength", BEST, "0.5", "T@10"): metrics["by_strength"][BEST]["0.5"]["T@10"],
    }
    for key, of in values.items():
        assert rows.loc[key, ["value", "low", "high", "n"]].to_dict() == of
    # counted by hand: groups of the edits, 6 measures of "all", 4 of each type, T@k of "macro"
    assert (found.table["part"] == "edits").sum() == len(METHODS) * len(KS) * (6 + 2 * 4 + 1)


def test_one_seed_shows_its_value_and_interval() -> None:
    found = summary(estimate(0.5, n=7))
    assert (found["text"], found["value"], found["n"]) == (".500 [.490, .510]", 0.5, 7)
    assert np.isnan(found["std"])
    assert summary(estimate(0.5, low=None, high=None))["text"] == ".500"


def test_several_seeds_show_mean_and_deviation_and_an_interval_for_items_and_seeds() -> None:
    values = [0.41, 0.47, 0.52]
    found = summary(*map(estimate, values))
    mean, std = np.mean(values), np.std(values, ddof=1)
    half = np.hypot(0.01, 4.302653 * std / 3**0.5)  # of the items; Student's with 2 degrees
    assert (found["value"], found["std"]) == pytest.approx((mean, std))
    assert (found["low"], found["high"]) == pytest.approx((mean - half, mean + half))
    assert found["text"] == ".467 ± .055 [.329, .604]"


@given(
    st.lists(
        st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=2, max_size=2), min_size=2, max_size=4
    )
)
def test_the_summary_is_that_of_a_loop_over_the_seeds(given: list[list[tuple]]) -> None:
    seeds = [
        [{"value": v, "low": v - a, "high": v + b, "n": 5} for v, a, b in of_seed]
        for of_seed in given
    ]
    found = summarise(long_table(seeds))
    for number in range(2):
        of = [seed[number] for seed in seeds]
        row = found.iloc[number]
        if all(one == of[0] for one in of):
            expected = of[0]["value"], of[0]["low"], of[0]["high"]
        else:
            values = np.array([one["value"] for one in of])
            of_seeds = t.ppf(0.975, len(of) - 1) * values.std(ddof=1) / len(of) ** 0.5
            below, above = (
                np.mean([abs(one["value"] - one[e]) for one in of]) for e in ("low", "high")
            )
            mean = values.mean()
            expected = mean, mean - np.hypot(below, of_seeds), mean + np.hypot(above, of_seeds)
        assert (row["value"], row["low"], row["high"]) == pytest.approx(expected, abs=1e-12)


def test_an_interval_over_seeds_holds_the_truth_as_often_as_it_says() -> None:
    """Shares that vary with the items, which all seeds share, and with the seed."""
    rng, times = np.random.default_rng(0), 2000
    values = 0.5 + rng.normal(0, 0.02, size=times) + rng.normal(0, 0.01, size=(3, times))
    half = 1.96 * 0.02
    seeds = [[estimate(v, low=v - half, high=v + half) for v in of_seed] for of_seed in values]
    found = summarise(long_table(seeds))
    assert 0.94 < ((found["low"] <= 0.5) & (found["high"] >= 0.5)).mean() < 0.99


def test_a_value_that_no_seed_changes_is_shown_once() -> None:
    assert summary(*[estimate(0.5)] * 3)["text"] == ".500 [.490, .510]"


def test_nothing_counted_is_a_dash_and_leaves_the_other_seeds() -> None:
    assert summary(NOTHING)["text"] == summary(NOTHING, NOTHING)["text"] == "-"
    assert summary(NOTHING, estimate(0.25))["text"] == ".250 [.240, .260]"


def test_rows_are_those_of_the_first_seed() -> None:
    """The best row need not be the same for every seed."""
    own = [made_metrics(0), made_metrics(1)]
    of = own[1]["by_strength"]
    of["flam+own"] = of.pop(BEST)
    rows = Measurements.of(own).part("by_strength", group="1", measure="cosine_to_query")
    assert "flam+own" not in set(rows["method"])
    [cell] = rows[rows["method"] == BEST].to_dict("records")
    assert cell["value"] == own[0]["by_strength"][BEST]["1"]["cosine_to_query"]["value"]
    assert np.isnan(cell["std"])


def test_a_difference_counts_the_seeds_in_which_its_row_is_chosen() -> None:
    """In its own seed the row searches, so that its difference is 0."""
    own = [made_metrics(0), made_metrics(1)]
    name, nothing = own[0]["best"], {"value": 0.0, "low": 0.0, "high": 0.0, "n": 9}
    for metrics, change in zip(own, (nothing, estimate(-0.3)), strict=True):
        metrics["change"] = {name: {"T@1": change}, "flam": {"T@1": estimate(0.1)}}
    found = Measurements.of(own)
    [cell] = found.part("change", method=name).to_dict("records")
    assert cell["value"] == pytest.approx(-0.15)


def test_methods_come_in_the_order_of_their_titles() -> None:
    found = Measurements.of([made_metrics()])
    assert list(found.part("edits")["title"].unique()) == [
        *("no edit", "Cls-Concat", "Emb-Concat", "FLAM (M)", "FLAM", "FLAM + own"),
        *("FLAM + posteriors", "FLAM+", "FLAM+ + posteriors", "filter, then similarity"),
        *("oracle", "mine"),
    ]


def test_a_method_without_a_title_keeps_its_name() -> None:
    titles = {"flam": {"title": "FLAM", "color": ""}}
    names = {"flam": "FLAM", "flam+own": "FLAM + own", "mine": "mine", "mine+own": "mine+own"}
    assert {name: display_name(name, titles) for name in names} == names


def test_measurements_survive_json() -> None:
    own = [made_metrics(0), made_metrics(1)]
    own[0]["edits"]["flam"]["all"]["T@1"] = NOTHING
    found = Measurements.of(own)
    again = Measurements.from_plain(json.loads(json.dumps(found.to_plain(), allow_nan=False)), "a")
    pd.testing.assert_frame_equal(again.table, found.table, check_exact=True, check_dtype=False)
    pd.testing.assert_frame_equal(again.summary, found.summary, check_exact=True, check_dtype=False)
    assert (again.best, list(again.about)) == (BEST, list(found.about))


@pytest.mark.parametrize("plain", [{}, {"format": 1}, {"format": 3}])
def test_another_format_is_refused_with_a_remedy(plain: dict[str, int]) -> None:
    with pytest.raises(FlamError, match=r"results.json has format [13], expected 2.*make results"):
        Measurements.from_plain(plain, "results.json")


def test_what_holds_for_all_tables_is_said_once() -> None:
    about = " ".join(Measurements.of([made_metrics(0), made_metrics(4)]).about)
    assert (
        "60 query images, 90 gallery images" in about
        and "700 edits. Not evaluated: 80 edits to a comb" in about
    )
    assert "seeds 0, 4" in about and "two photos left out" in about
    assert "resnet50, 20 epochs from timm" in about
    assert "resampled by item" in " ".join(Measurements.of([made_metrics(0)]).about)


def test_a_data_set_without_edits_says_why() -> None:
    bare = made_metrics() | {part: {} for part in EDIT_PARTS}
    bare["counts"] = bare["counts"] | {"edits": 0}
    found = Measurements.of([bare])
    assert set(found.table["part"]) == {"instance_by_method"}
    assert found.about[0] == "No edit was evaluated: two photos left out"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.6424, ".642"), (-0.012, "-.012"), (-0.0001, ".000"), (0.9996, "1.00"), (1.234, "1.23")],
)
def test_values_are_short(value: float, text: str) -> None:
    assert short(value) == text


def test_a_cell_leaves_out_what_is_not_known() -> None:
    assert text_of(NAN, paper=0.7) == "(paper .700)"
    assert text_of(0.5, 0.1, paper=0.7) == ".500 ± .100 (paper .700)"
    assert text_of(NAN) == "-"


def test_a_shortened_training_is_described_as_it_was() -> None:
    metrics = copy.deepcopy(made_metrics())
    metrics["config"]["trainer"]["max_epochs"] = 1
    assert describe_backbone(metrics) == "resnet50, 1 epoch from timm, 224 px, 1024 dimensions"
    metrics["config"]["backbone"]["max_epochs"] = 0
    assert describe_backbone(metrics) == "resnet50, timm, frozen, 224 px, 1024 dimensions"
    metrics["config"]["backbone"]["whitening"] = 0.5
    assert describe_backbone(metrics).endswith("1024 dimensions, whitened (power 0.5)")


def test_types_of_the_invented_metrics_are_those_of_the_edits() -> None:
    """Else the tests above would pass on empty groups."""
    assert set(made_metrics()["edits"]["flam"]) == {"all", "macro", *TYPES}


def test_edits_that_are_left_out_are_counted_by_reason() -> None:
    metrics = made_metrics()
    metrics["counts"] |= {
        "impossible_edits": 0,
        "unlabelled_edits": 7,
        "nothing_to_preserve_edits": 2,
    }
    said = how_edits(metrics)
    assert said.endswith(
        "Not evaluated: 7 edits of types that the query has no label of, 2 edits of the only label "
        "of the query."
    )
    metrics["counts"] |= {"unlabelled_edits": 0, "nothing_to_preserve_edits": 0}
    assert how_edits(metrics).endswith("700 edits.")
