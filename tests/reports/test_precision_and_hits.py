"""The picture of T@10 against P@10: what its lines pass through, and how they are told apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot as plt

from flam_pl.experiments import label_shares
from flam_pl.reports.precision_and_hits import COLORS, draw

METHODS = {"flam": 0.6, "flam_plus": 0.8, "flam_plus+posteriors": 0.9, "mine": 0.5}


def strengths(shift: float) -> dict[str, Any]:
    return {
        method: {
            f"{s:g}": {"T@10": {"value": s / 2 + shift}, "P@10": {"value": right - s / 10}}
            for s in (0.0, 0.5, 1.0)
        }
        for method, right in METHODS.items()
    }


def test_every_method_has_a_line_through_the_means_over_the_seeds() -> None:
    figure = draw([strengths(0.0), strengths(0.2)])
    (axis,) = figure.axes
    lines = {line.get_label(): line for line in axis.get_lines()}
    np.testing.assert_allclose(lines["FLAM"].get_xdata(), [0.1, 0.35, 0.6])
    np.testing.assert_allclose(lines["FLAM"].get_ydata(), [0.6, 0.55, 0.5])
    np.testing.assert_allclose(lines["FLAM+"].get_ydata(), [0.8, 0.75, 0.7])
    ends = [line for line in axis.get_lines() if len(line.get_xdata()) == 1]
    assert [float(line.get_ydata()[0]) for line in ends] == pytest.approx([0.5, 0.7, 0.8, 0.4])
    assert "T@10" in axis.get_xlabel() and "P@10" in axis.get_ylabel()
    plt.close(figure)


def test_where_no_edit_has_an_answer_the_lines_are_empty() -> None:
    nothing = {"flam": {s: {"T@10": {"value": None}, "P@10": {"value": None}} for s in ("0", "1")}}
    figure = draw([nothing])
    (line, _) = figure.axes[0].get_lines()
    assert np.isnan(line.get_xdata()).all() and np.isnan(line.get_ydata()).all()
    plt.close(figure)


def test_another_seed_may_have_another_best_row() -> None:
    """Of the scored rows a report has the best one only."""
    other = strengths(0.2)
    other["flam+own"] = other.pop("flam_plus+posteriors")
    figure = draw([strengths(0.0), other])
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    np.testing.assert_allclose(lines["FLAM+ + posteriors"].get_xdata(), [0, 0.25, 0.5])
    np.testing.assert_allclose(lines["FLAM"].get_xdata(), [0.1, 0.35, 0.6])
    plt.close(figure)


def test_a_method_and_its_scored_row_have_one_color_and_two_strokes() -> None:
    figure = draw([strengths(0.0)])
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    plain, scored = lines["FLAM+"], lines["FLAM+ + posteriors"]
    assert plain.get_color() == scored.get_color() != lines["FLAM"].get_color()
    assert (plain.get_linestyle(), scored.get_linestyle()) == ("-", "--")
    assert lines["mine"].get_color() not in COLORS.values()
    plt.close(figure)


def test_every_method_of_the_label_shares_has_a_color_of_its_own() -> None:
    assert {*label_shares.METHODS} <= {*COLORS}
    assert len({*COLORS.values()}) == len(COLORS)
