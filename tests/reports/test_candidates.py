"""The picture of T@k against the number of candidates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot as plt

from flam_pl.reports.candidates import draw


def depths(shift: float, *names: str) -> dict[str, Any]:
    return {
        f"{method}+posteriors": {
            depth: {name: {"value": start + n / 10 + shift} for name in names}
            for n, depth in enumerate(("50", "100", "all"))
        }
        for method, start in (("no_edit", 0.1), ("flam", 0.3), ("mine", 0.5))
    }


def test_every_method_has_a_line_through_the_means_over_the_seeds() -> None:
    both = [depths(shift, "T@1", "T@50", "P@10") for shift in (0.0, 0.2)]
    figure = draw(both)
    assert [axis.get_ylabel().split(",")[0] for axis in figure.axes] == ["T@1", "T@50"]
    for axis in figure.axes:
        assert [text.get_text() for text in axis.get_xticklabels()] == ["50", "100", "all"]
        lines = {line.get_label(): line.get_ydata() for line in axis.get_lines()}
        np.testing.assert_allclose(lines["FLAM"], [0.4, 0.5, 0.6])
        np.testing.assert_allclose(lines["no edit"], [0.2, 0.3, 0.4])
        assert len(lines) == 3
    plt.close(figure)


@pytest.mark.parametrize("names", [("T@1", "T@20"), ("T@50",), ("T@20", "P@10")])
def test_a_figure_that_was_not_measured_has_no_panel(names: tuple[str, ...]) -> None:
    figure = draw([depths(0.0, *names)])
    assert len(figure.axes) == 1
    plt.close(figure)
