"""The picture of what is found against what is kept: what its lines pass through."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot as plt

from flam_pl.measuring import BY_STRENGTH
from flam_pl.reports.found_and_kept import COLORS, draw, has_traits


def strengths(shift: float) -> dict[str, Any]:
    return {
        method: {
            f"{s:g}": {"T@10": {"value": s / 2 + shift}, "kept@10": {"value": kept - s / 10}}
            for s in (0.0, 0.5, 1.0)
        }
        for method, kept in (("flam", 0.6), ("flam_plus", 0.8))
    }


def test_every_method_has_a_line_through_the_means_over_the_seeds() -> None:
    figure = draw([strengths(0.0), strengths(0.2)])
    (axis,) = figure.axes
    lines = {line.get_label(): line for line in axis.get_lines()}
    np.testing.assert_allclose(lines["FLAM"].get_xdata(), [0.1, 0.35, 0.6])
    np.testing.assert_allclose(lines["FLAM"].get_ydata(), [0.6, 0.55, 0.5])
    np.testing.assert_allclose(lines["FLAM+"].get_ydata(), [0.8, 0.75, 0.7])
    ends = [line for line in axis.get_lines() if len(line.get_xdata()) == 1]
    assert [float(line.get_ydata()[0]) for line in ends] == pytest.approx([0.5, 0.7])
    plt.close(figure)


def test_every_method_that_is_measured_by_strength_has_a_color() -> None:
    assert {*BY_STRENGTH, "arithmetic_far"} <= {*COLORS}


def test_without_traits_there_is_nothing_to_draw() -> None:
    found = strengths(0.0)
    assert has_traits(found)
    del found["flam"]["0.5"]["kept@10"]
    assert not has_traits(found)
