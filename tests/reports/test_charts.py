"""Charts: what their lines pass through, and how they are told apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from flam_pl.methods.registry import looks
from flam_pl.reports import charts
from flam_pl.reports.measurements import Measurements
from flam_pl.reports.pictures import draw
from made_metrics import BEST, NOTHING, estimate, made_metrics, without_edits


def by_seed(part: str, *of_seeds: Any) -> Measurements:
    return Measurements.of([made_metrics(n) | {part: of} for n, of in enumerate(of_seeds)])


def strengths(shift: float) -> dict[str, Any]:
    return {
        method: {
            f"{s:g}": {"T@10": estimate(s / 2 + shift), "P@10": estimate(right - s / 10)}
            for s in (0.0, 0.5, 1.0)
        }
        for method, right in {"flam": 0.6, "flam_plus": 0.8, BEST: 0.9, "mine": 0.5}.items()
    }


def test_precision_and_hits_have_a_line_per_method_through_the_means_over_the_seeds(
    tmp_path: Path,
) -> None:
    found = by_seed("by_strength", strengths(0.0), strengths(0.2))
    figure = charts.precision_and_hits(found)
    assert figure is not None
    [axis] = figure.axes
    lines = {line.get_label(): line for line in axis.get_lines() if len(line.get_xdata()) == 3}
    np.testing.assert_allclose(lines["FLAM"].get_xdata(), [0.1, 0.35, 0.6])
    np.testing.assert_allclose(lines["FLAM"].get_ydata(), [0.6, 0.55, 0.5])
    np.testing.assert_allclose(lines["FLAM+"].get_ydata(), [0.8, 0.75, 0.7])
    ends = [line for line in axis.get_lines() if len(line.get_xdata()) == 1]
    heights = [float(line.get_ydata()[0]) for line in ends]
    assert heights == pytest.approx([0.5, 0.7, 0.8, 0.4])  # in the order of the methods
    assert "T@10" in axis.get_xlabel() and "P@10" in axis.get_ylabel()
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["FLAM", "FLAM+", "FLAM+ + posteriors", "mine"]
    assert draw(tmp_path / "chart.png", lambda: figure)
    assert (tmp_path / "chart.png").stat().st_size > 5000


def test_a_method_and_its_row_with_posteriors_have_one_color_and_two_strokes() -> None:
    figure = charts.precision_and_hits(by_seed("by_strength", strengths(0.0)))
    assert figure is not None
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    plain, scored = lines["FLAM+"], lines["FLAM+ + posteriors"]
    assert plain.get_color() == scored.get_color() != lines["FLAM"].get_color()
    assert (plain.get_linestyle(), scored.get_linestyle()) == ("-", "--")


def test_where_no_edit_has_an_answer_there_is_no_chart() -> None:
    nothing = {"flam": {s: {"T@10": NOTHING, "P@10": NOTHING} for s in ("0", "1")}}
    assert charts.precision_and_hits(by_seed("by_strength", nothing)) is None
    bare = Measurements.of([without_edits(made_metrics())])
    assert [chart(bare) for chart in charts.CHARTS.values()] == [None] * len(charts.CHARTS)


def depths(shift: float, *names: str) -> dict[str, Any]:
    return {
        f"{method}+posteriors": {
            depth: {name: estimate(start + n / 10 + shift) for name in names}
            for n, depth in enumerate(("50", "100", "all"))
        }
        for method, start in (("no_edit", 0.1), ("flam", 0.3), ("mine", 0.5))
    }


def test_candidates_have_a_line_per_method_through_the_means_over_the_seeds() -> None:
    names = ("T@1", "T@50", "P@10")
    figure = charts.candidates(by_seed("depth", depths(0.0, *names), depths(0.2, *names)))
    assert figure is not None
    assert [axis.get_ylabel().split(",")[0] for axis in figure.axes] == [
        "T@1",
        "T@50",
    ]  # P@10 is in the table
    for axis in figure.axes:
        assert [text.get_text() for text in axis.get_xticklabels()] == ["50", "100", "all"]
        lines = [line.get_ydata() for line in axis.get_lines() if line.get_linestyle() == "--"]
        np.testing.assert_allclose(
            np.array(lines, dtype=float), [[0.2, 0.3, 0.4], [0.4, 0.5, 0.6], [0.6, 0.7, 0.8]]
        )
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["no edit + posteriors", "FLAM + posteriors", "mine+posteriors"]


@pytest.mark.parametrize("names", [("T@1", "P@10"), ("T@50",), ("T@20", "P@10")])
def test_a_measure_that_is_not_there_has_no_panel(names: tuple[str, ...]) -> None:
    figure = charts.candidates(by_seed("depth", depths(0.0, *names)))
    assert figure is not None and len(figure.axes) == 1


def test_label_shares_have_the_intervals_of_the_tables() -> None:
    found = by_seed("depth", {})
    rows = found.table[(found.table["part"] == "edits") & (found.table["group"] == "all")]
    rows = rows[rows["measure"].isin(["T@10", "T@50"]) & rows["method"].isin(["flam", "flam_plus"])]
    shares = pd.concat(
        [rows.assign(part="labels", group=g, value=v, low=v - 0.1, high=v + 0.2)
         for g, v in (("1 % (3)", 0.3), ("100 % (300)", 0.6))]
    )  # fmt: skip
    figure = charts.label_shares(found.plus(shares))
    assert figure is not None and len(figure.axes) == 2
    axis = figure.axes[0]
    assert [text.get_text() for text in axis.get_xticklabels()] == ["1 %\n(3)", "100 %\n(300)"]
    bars = [container[2][0].get_segments() for container in axis.containers]
    for of_method in bars:
        np.testing.assert_allclose([bar[:, 1] for bar in of_method], [[0.2, 0.5], [0.5, 0.8]])


def test_the_reliability_diagram_has_the_bins_that_hold_enough(tmp_path: Path) -> None:
    calibration = made_metrics()["calibration"]
    figure = charts.reliability(calibration)
    above = figure.axes[0]
    points = [line.get_xydata().tolist() for line in above.get_lines() if line.get_marker() == "o"]
    assert points == [[[0.1, 0.2], [0.9, 0.8]]] * 2
    calibration["attribute"]["raw"]["bins"][0]["n"] = charts.FEWEST - 1
    [raw, _] = [
        line.get_xydata().tolist()
        for line in charts.reliability(calibration).axes[0].get_lines()
        if line.get_marker() == "o"
    ]
    assert raw == [[0.9, 0.8]]
    assert draw(tmp_path / "reliability.png", lambda: figure)


def test_every_method_has_a_title_and_a_color_of_its_own() -> None:
    colors = [to_hex(of["color"]) for of in looks().values()]
    assert len(set(colors)) == len(colors)
    assert len({of["title"] for of in looks().values()}) == len(looks())
