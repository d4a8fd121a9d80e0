"""Pictures are written whole, read no mathematics, and cost nothing else when they fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from flam_pl.reports.pictures import (
    HIT,
    Tile,
    attempt,
    draw,
    draw_curves,
    draw_results,
    draw_tiles,
    panels,
)

AWKWARD = ("$0_$", "$x", r"\frac{1}{2}$_^$", "a_1^2")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.mark.parametrize("name", AWKWARD)
def test_no_text_is_read_as_mathematics(name: str, tmp_path: Path, photo: Path) -> None:
    figure, [[axis]] = panels(1, 1, 3, 2)
    axis.plot([0, 1], label=name)
    axis.set_title(name)
    axis.set_xlabel(name)
    axis.set_xticks([0, 1], [name, name])
    axis.annotate(name, (0, 0))
    axis.legend()
    figure.suptitle(name)
    figure.savefig(tmp_path / "of_a_notebook.png")
    assert draw(tmp_path / "chart.png", lambda: figure)
    assert draw(tmp_path / "tiles.png", lambda: draw_tiles([[Tile(photo, HIT, name)]]))
    assert draw_results(tmp_path / "results.png", (photo, name), [(photo, name)])


def test_a_picture_that_fails_is_reported_by_name_and_leaves_no_old_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> Figure:
        raise ZeroDivisionError("in the chart")

    path = tmp_path / "figures" / "chart.png"
    assert draw(path, lambda: panels(1, 1, 2, 2)[0]) and path.is_file()
    assert not draw(path, fails)
    assert not path.exists()
    assert "chart.png: left out (ZeroDivisionError: in the chart)" in capsys.readouterr().out
    assert not draw(path, lambda: None)  # nothing to draw is no error
    assert capsys.readouterr().out == "" and not path.exists()


def test_an_interruption_is_no_failed_picture() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt("chart", interrupted)


def test_nothing_but_the_picture_is_left(tmp_path: Path) -> None:
    assert draw(tmp_path / "a.png", lambda: panels(1, 1, 2, 2)[0], dpi=50)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (100, 100)


def test_tiles_stand_in_columns_and_a_column_of_gaps_is_narrow(photo: Path) -> None:
    tile = Tile(photo)
    figure = draw_tiles([[tile, None, tile, tile], [tile, None, tile]], size=1.0)
    (axis,) = figure.axes
    left, right, bottom, top = np.array([image.get_extent() for image in axis.images]).T
    np.testing.assert_allclose((left + right) / 2, [0.5, 1.75, 2.75, 0.5, 1.75])  # inches
    assert figure.get_size_inches()[0] == pytest.approx(3.25)
    np.testing.assert_allclose((bottom - top) / (right - left), 12 / 10)  # as in the file
    assert (bottom[:3] < top[3:].min()).all()
    assert bottom.max() < figure.get_size_inches()[1]


def test_results_stand_five_per_line_beside_the_query(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list = []
    monkeypatch.setattr(
        "flam_pl.reports.pictures.draw_tiles",
        lambda given, size: lines.extend(given) or panels(1, 1, 1, 1)[0],
    )
    draw_results(tmp_path / "a.png", (photo, "query"), [(photo, f"r{n}") for n in range(7)])
    titles = [[tile and tile.title for tile in line] for line in lines]
    assert titles == [["query", "r0", "r1", "r2", "r3", "r4"], [None, "r5", "r6"]]


def test_curves_show_what_was_logged_more_than_once(tmp_path: Path) -> None:
    log = tmp_path / "metrics.csv"
    assert draw_curves(log, "stage") is None
    log.write_text(
        "epoch,step,train/loss,val/T@10,val/no_edit/T@10,val/once\n"
        "0,1,0.5,,,\n0,1,,0.1,0.05,0.3\n1,2,0.4,,,\n1,2,,0.2,0.05,\n"
    )
    figure = draw_curves(log, "stage")
    assert figure is not None
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert titles == ["train/loss", "val/T@10"]
    assert figure.axes[1].get_lines()[0].get_ydata().tolist() == [0.1, 0.2]
    assert figure.axes[1].get_lines()[1].get_ydata() == [0.05, 0.05]  # no edit
