"""The results' tables and pages from invented metrics: what stands where, and what is missing."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest

from flam_pl.reports.results_figures import shown
from flam_pl.reports.results_page import joined_page, run_page
from flam_pl.reports.results_tables import RunResults
from flam_pl.reports.table_formats import Part
from flam_pl.reports.tables import called

TYPES = ("shape", "color")
BEST = "flam_plus+posteriors"
METHODS = (
    "flam_plus",
    "no_edit",
    "filter",
    "cls_concat",
    "flam+posteriors",
    "flam",
    "flam+own",
    "mine",
    BEST,
    "oracle",
)
KS = (1, 5, 10, 20, 50, 100)


def figure(value: float, **changes: Any) -> dict[str, Any]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01, "n": 100, **changes}


def metrics(seed: int = 0, more: bool = True) -> dict[str, Any]:
    """Every figure another one; with ``more`` also those that a version may not measure yet."""
    rng = np.random.default_rng(seed)

    def figures(name: str) -> dict[str, Any]:
        values = np.sort(rng.uniform(0.1, 0.9, len(KS)))
        return {f"{name}@{k}": figure(float(v)) for k, v in zip(KS, values, strict=True)}

    def of_edits() -> dict[str, Any]:
        return {
            k: f for name in ("T", "P", "as_it_was", "utility") for k, f in figures(name).items()
        }

    found = {
        "dataset": "shop",
        "notes": ["two photos left out"],
        "fam": {name: {g: of_edits() for g in ("all", *TYPES)} for name in METHODS},
        "best": BEST,
        "fir_by_method": {name: figures("R") for name in METHODS},
        "counterfactual": {},
        "edits": {"evaluated": 700, "impossible": 80},
        "queries": {"edited": 60, "gallery": 90},
        "dimensions": {"flam": 1024},
        "config": {
            "backbone": {"model": "m", "weights": "none", "max_epochs": 2, "image_size": 64},
            "trainer": {"max_epochs": None},
        },
    }
    found |= {
        "fam_ratio": {"cls_concat": {name: figures("T") for name in METHODS}},
        "fam_change": {BEST: {name: figures("T") for name in METHODS}},
    }
    if more:
        found |= {
            "macro": {name: figures("T") for name in METHODS},
            "kept": {
                name: {t: figures("kept_of_wanted") for t in ("mean", "season")} for name in METHODS
            },
            "ndcg": {
                name: {kind: figures("NDCG") for kind in ("all", "target", "other")}
                for name in METHODS
            },
            "fam_pairs": {
                name: {g: figures("T") for g in ("all", "shape and color")} for name in METHODS
            },
            "by_strength": {
                name: {
                    strength: {
                        "wanted_first": figure(0.4),
                        "cosine_to_query": figure(value),
                        "T@10": figure(value - 0.3),
                        "P@10": figure(value - 0.5),
                    }
                    for strength in ("0.5", "1")
                }
                for name, value in (("arithmetic", 0.9), (BEST, 0.8))
            },
            "by_depth": {
                name: {depth: figures("T") | figures("P") for depth in ("50", "all")}
                for name in (BEST, "flam+posteriors")
            },
            "calibration": {
                kind: {
                    "ECE": figure(0.02, low=None, high=None),
                    "Brier": figure(0.1),
                    "observed": figure(0.3),
                    "raw": {"ECE": figure(0.2, low=None, high=None), "Brier": figure(0.2)},
                }
                for kind in ("attribute", "answer")
            },
        }
        found["calibration"]["answer"]["AUROC"] = {
            "value": None,
            "low": None,
            "high": None,
            "n": 0,
        }
    return found


def rows(part: Part) -> dict[str, dict[str, Any]]:
    return {name: dict(zip(part.columns[1:], cells, strict=True)) for name, cells in part.rows}


def test_every_figure_that_was_measured_has_its_place() -> None:
    own = metrics()
    parts = RunResults("shop", [0], [own]).parts()
    value = rows(parts["edits"])["FLAM+"]["T@20"].data["value"]
    assert value == own["fam"]["flam_plus"]["all"]["T@20"]["value"]
    value = rows(parts["macro"])["FLAM+ + posteriors"]["T@20"].data["value"]
    assert value == own["macro"][BEST]["T@20"]["value"]
    value = rows(parts["by_type"])["FLAM"]["color"].data["value"]
    assert value == own["fam"]["flam"]["color"]["T@10"]["value"]
    value = rows(parts["edits_shape"])["no edit"]["T@1"].data["value"]
    assert value == own["fam"]["no_edit"]["shape"]["T@1"]["value"]
    value = rows(parts["instances"])["Cls-Concat"]["R@5"].data["value"]
    assert value == own["fir_by_method"]["cls_concat"]["R@5"]["value"]
    value = rows(parts["pairs"])["FLAM+"]["T@5"].data["value"]
    assert value == own["fam_pairs"]["flam_plus"]["all"]["T@5"]["value"]
    value = rows(parts["ndcg"])["FLAM"]["target"].data["value"]
    assert value == own["ndcg"]["flam"]["target"]["NDCG@10"]["value"]
    value = rows(parts["ndcg_other"])["FLAM"]["NDCG@50"].data["value"]
    assert value == own["ndcg"]["flam"]["other"]["NDCG@50"]["value"]
    value = rows(parts["edits"])["FLAM+ + posteriors"]["utility@10"].data["value"]
    assert value == own["fam"][BEST]["all"]["utility@10"]["value"]
    value = rows(parts["edits_color"])["filter, then similarity"]["P@5"].data["value"]
    assert value == own["fam"]["filter"]["color"]["P@5"]["value"]
    value = rows(parts["edits"])["labels known, nearest first"]["as_it_was@1"].data["value"]
    assert value == own["fam"]["oracle"]["all"]["as_it_was@1"]["value"]
    found = rows(parts["kept"])["FLAM+"]["kept_of_wanted@10"].data["value"]
    assert found == own["kept"]["flam_plus"]["mean"]["kept_of_wanted@10"]["value"]
    found = rows(parts["calibration"])["the gallery has the combination"]
    assert found["ECE, raw"].text == ".200" and found["AUROC"].text == "-"
    assert found["Brier"].text == ".100 [.090, .110]"
    assert rows(parts["strength"])["0.5"]["cosine_to_query"].data["value"] == 0.8
    found = rows(parts["by_strength"])
    assert list(found) == [
        "arithmetic, 0.5", "arithmetic, 1", "FLAM+ + posteriors, 0.5", "FLAM+ + posteriors, 1",
    ]  # fmt: skip
    assert found["arithmetic, 0.5"]["T@10"].text == ".600 [.590, .610]"
    assert list(found["FLAM+ + posteriors, 1"]) == ["T@10", "P@10"]
    found = rows(parts["by_depth"])["FLAM + posteriors, 50"]["P@10"].data["value"]
    assert found == own["by_depth"]["flam+posteriors"]["50"]["P@10"]["value"]
    assert "T@100" not in parts["edits"].columns


def test_methods_come_in_the_order_of_their_titles() -> None:
    names = [name for name, _ in RunResults("shop", [0], [metrics()]).parts()["edits"].rows]
    assert names == [
        "no edit", "Cls-Concat", "FLAM", "FLAM + own", "FLAM + posteriors", "FLAM+",
        "FLAM+ + posteriors", "filter, then similarity", "labels known, nearest first", "mine",
    ]  # fmt: skip


def test_what_is_missing_is_said_and_what_there_is_none_of_too() -> None:
    parts = RunResults("shop", [0], [metrics(more=False)]).parts()
    missing = (
        "macro",
        "kept",
        "ndcg",
        "pairs",
        "strength",
        "by_strength",
        "by_depth",
        "calibration",
    )
    for name in (*missing, "labels"):
        assert parts[name].notes == ["Not measured."] and not parts[name].rows
    assert parts["counterfactual"].notes == ["There is none on this data set."]
    without = metrics(more=False)
    without["fam"] = {"no_edit": without["fam"]["no_edit"]}
    without["fam_ratio"] = {}
    parts = RunResults("shop", [0], [without]).parts()
    assert parts["to_cls_concat"].notes == ["Not measured."]
    page = run_page(RunResults("shop", [0], [without]).plain(), {})
    assert page.count("Not measured.") == 10


def test_a_data_set_without_edits_still_has_a_page() -> None:
    bare = metrics(more=False) | {"fam": {}, "edits": {"evaluated": 0, "impossible": 0}}
    plain = RunResults("shop", [0], [bare]).plain()
    assert "There is none on this data set." in run_page(plain, {})
    assert "| FLAM " in joined_page([plain], [{}], None)  # the instance search


def test_seeds_are_summed_up_and_ratios_taken_seed_by_seed() -> None:
    own = [metrics(seed) for seed in range(3)]
    results = RunResults("shop", [0, 1, 2], own)
    plus = np.array([m["fam"]["flam_plus"]["all"]["T@5"]["value"] for m in own])
    data = rows(results.parts()["edits"])["FLAM+"]["T@5"].data
    assert data["values"] == plus.tolist() and data["low"] < plus.mean() - 0.01
    assert data["mean"] == pytest.approx(plus.mean())
    assert data["std"] == pytest.approx(plus.std(ddof=1))
    data = rows(results.parts()["to_cls_concat"])["FLAM+"]["T@5"].data
    ratios = [m["fam_ratio"]["cls_concat"]["flam_plus"]["T@5"]["value"] for m in own]
    assert data["values"] == ratios and data["std"] == pytest.approx(np.std(ratios, ddof=1))


def test_each_row_is_set_beside_the_one_that_searches() -> None:
    own = [metrics(0), metrics(1)]
    for m in own:
        m["counterfactual_change"] = {BEST: {"flam": {"CF@1": figure(-0.25)}}}
    found = rows(RunResults("shop", [0, 1], own).parts()["change"])
    assert "FLAM+ + posteriors" not in found and len(found) == len(METHODS) - 1
    values = [m["fam_change"][BEST]["flam"]["T@5"]["value"] for m in own]
    assert found["FLAM"]["T@5"].data["values"] == values
    assert found["FLAM"]["CF@1"].data["mean"] == pytest.approx(-0.25)
    assert found["Cls-Concat"]["CF@1"].text == "-"


def test_a_row_that_another_seed_has_not_is_summed_up_over_those_that_have_it() -> None:
    """The best row need not be the same for every seed."""
    own = [metrics(0), metrics(1)]
    of = own[1]["by_strength"]
    of["flam+own"] = of.pop(BEST)
    data = rows(RunResults("shop", [0, 1], own).parts()["by_strength"])
    cell = data["FLAM+ + posteriors, 1"]["T@10"]
    assert cell.data["values"] == [own[0]["by_strength"][BEST]["1"]["T@10"]["value"]]
    assert cell.data["std"] is None


def test_a_baseline_that_finds_nothing_divides_nothing() -> None:
    own = metrics()
    nothing = {"value": None, "low": None, "high": None, "n": 0}
    own["fam_ratio"]["cls_concat"]["flam"]["T@1"] = nothing
    cell = rows(RunResults("shop", [0], [own]).parts()["to_cls_concat"])["FLAM"]["T@1"]
    assert cell.text == "-" and cell.data["mean"] is None


def test_results_survive_json() -> None:
    results = RunResults("shop", [0, 1], [metrics(0), metrics(1)])
    plain = json.loads(json.dumps(results.plain(), allow_nan=False))
    for name, part in results.parts().items():
        again = Part.from_plain(plain["parts"][name])
        assert again.grid("github") == part.grid("github")
        assert again.plain() == plain["parts"][name]


def test_the_joined_page_sets_data_sets_side_by_side() -> None:
    other = copy.deepcopy(metrics(5))
    other["dataset"] = "street"
    del other["fam"]["mine"], other["fam"]["flam_plus"]
    runs = [RunResults("a", [0], [metrics()]).plain(), RunResults("b", [0], [other]).plain()]
    pictures = {"labels": "labels.png", "by_strength": "hits.png"}
    page = joined_page(runs, [{}, pictures], "- Nothing.")
    glance = page.split("## At a glance")[1].split("##")[0]
    head, _, *lines = glance.strip().splitlines()
    assert [word.strip() for word in head.split("|")[2:-1]] == [
        "shop T@1", "shop T@10", "street T@1", "street T@10",
    ]  # fmt: skip
    by_name = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in lines}
    assert [cell.strip() for cell in by_name["FLAM+"]][2:] == ["-", "-"]
    value = other["fam"]["flam"]["all"]["T@10"]["value"]
    assert by_name["FLAM"][3].strip() == f"{value:.3f}".lstrip("0")
    assert "## shop" in page and "## street" in page and "(labels.png)" in page
    titles = [line for line in page.splitlines() if line.startswith("###") or "hits.png" in line]
    place = next(n for n, line in enumerate(titles) if "hits.png" in line)
    assert "strength" in titles[place - 1] and page.count("hits.png") == 1
    assert "two photos left out" in page and page.rstrip().endswith("- Nothing.")


@pytest.mark.parametrize(
    ("column", "wanted"),
    [("T@1", True), ("T@100", False), ("color", True), ("NDCG@7", False), ("ECE, raw", True)],
)
def test_only_the_cut_offs_of_the_tables_are_shown(column: str, wanted: bool) -> None:
    assert shown(column) == wanted


def test_every_method_that_can_be_trained_has_a_title() -> None:
    from flam_pl.config.methods import METHODS as TRAINABLE

    assert all(called(name) != name for name in TRAINABLE)
