"""Cells, and the three forms of a table."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from flam_pl.reports.table_formats import Cell, PaperTable, Part, over_seeds


def figure(value: float, n: int = 10) -> dict[str, float]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01, "n": n}


def test_one_seed_shows_its_value_and_interval() -> None:
    cell = Cell.measured([figure(0.5)])
    assert cell.text == ".500 [.490, .510]"
    assert cell.data["value"] == 0.5 and cell.data["n"] == 10
    assert cell.data["std"] is None and cell.data["published"] is None


def test_several_seeds_show_mean_and_standard_deviation_as_numpy_has_them() -> None:
    values = [0.41, 0.47, 0.52]
    cell = Cell.measured([figure(v) for v in values], published=0.822)
    mean, std = np.mean(values), np.std(values, ddof=1)
    assert cell.data["mean"] == pytest.approx(mean) and cell.data["std"] == pytest.approx(std)
    assert cell.data["values"] == values
    half = np.hypot(0.01, 4.302653 * std / 3**0.5)  # of the items, and Student's with 2 degrees
    assert (cell.data["low"], cell.data["high"]) == pytest.approx((mean - half, mean + half))
    assert cell.text == ".467 ± .055 [.329, .604] (paper .822)"


def test_an_interval_over_seeds_holds_the_truth_as_often_as_it_says() -> None:
    """Shares that vary with the items, which all seeds share, and with the seed."""
    rng, held, times = np.random.default_rng(0), 0, 2000
    for _ in range(times):
        of_items, of_seeds = rng.normal(0, 0.02), rng.normal(0, 0.01, size=3)
        figures = [
            {"value": v, "low": v - 1.96 * 0.02, "high": v + 1.96 * 0.02}
            for v in 0.5 + of_items + of_seeds
        ]
        low, high = over_seeds(figures)
        held += low <= 0.5 <= high
    assert 0.94 < held / times < 0.99


def test_a_figure_that_no_seed_changes_is_shown_once() -> None:
    assert Cell.measured([figure(0.5)] * 3).text == Cell.measured([figure(0.5)]).text


@pytest.mark.parametrize("nothing", [[], [None], [{**figure(0.5), "value": None, "n": 0}]])
def test_what_could_not_be_measured_is_a_dash_or_the_paper_alone(nothing: list) -> None:
    assert Cell.measured(nothing).text == "-"
    assert Cell.measured(nothing, 0.7).text == "(paper .700)"


def test_a_change_has_its_sign() -> None:
    assert Cell.changed([-0.04, -0.06]).text == "-.050 ± .014"
    assert Cell.changed([0.1], 0.102).text == ".100 (paper .102)"


AWKWARD = PaperTable(
    4,
    "shop_of_mine",
    [
        Part("T@50 & more", ["method", "a_b", "50 %"], [("x_y", [Cell("{1}"), Cell("$2")])]),
        Part("empty", ["method", "T@1"], [], ["100 % of #3, c_1 ~ 2 ^ 3."]),
    ],
)


def test_latex_is_balanced_and_escaped() -> None:
    text = AWKWARD.latex()
    opened = re.findall(r"\\begin\{(\w+)\}", text)
    assert opened == ["table", "tabular"] * 2
    assert sorted(opened) == sorted(re.findall(r"\\end\{(\w+)\}", text))
    unescaped = re.sub(r"\\[{}]", "", text)
    assert unescaped.count("{") == unescaped.count("}")
    assert not re.search(r"(?<!\\)[%#$]", text)
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert [len(re.findall(r"(?<!\\)&", row)) for row in rows] == [2, 2, 1]
    outside = re.sub(r"\\label\{[^}]*\}", "", text)
    assert "_" not in outside.replace(r"\_", "") and r"100 \% of \#3" in text
    for rule in ("toprule", "midrule", "bottomrule"):
        assert text.count(f"\\{rule}") == 2


def test_all_forms_are_written_and_say_the_same(tmp_path: Path) -> None:
    AWKWARD.write(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["table4.json", "table4.md", "table4.tex"]
    content = json.loads((tmp_path / "table4.json").read_text())
    assert content["table"] == 4 and content["dataset"] == "shop_of_mine"
    [row] = content["parts"][0]["rows"]
    assert row == {"name": "x_y", "cells": {"a_b": {"text": "{1}"}, "50 %": {"text": "$2"}}}
    markdown = (tmp_path / "table4.md").read_text()
    assert "| x_y" in markdown and "## Table 4 on shop_of_mine: T@50 & more" in markdown
    assert "- 100 % of #3, c_1 ~ 2 ^ 3." in markdown
