"""Pictures of searches and of training curves."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from itertools import accumulate, zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from flam_pl.atomic_io import replacing
from flam_pl.distributed import log
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.images.pixels import read_image
from flam_pl.reports.examples import SHOWN, Example, Search
from flam_pl.retrieval.retriever import Retriever

HIT, QUERY = "#1a9850", "#2166ac"  # frames: green and blue
CAPTION = 26  # letters of a line above a result
MARGIN = 0.05  # inches around an image


class PlainFigure(Figure):
    """A figure that reads no text as mathematics, e.g. a class $0_$."""

    def draw(self, renderer: RendererBase) -> None:
        for text in self.findobj(Text):
            text.set_parse_math(False)
        super().draw(renderer)


def panels(
    rows: int, columns: int, width: float, height: float, **grid: Any
) -> tuple[Figure, np.ndarray]:
    """A figure of ``width`` by ``height`` inches, and its axes ``(rows, columns)``."""
    figure = PlainFigure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, gridspec_kw=grid)


def attempt(name: str, make: Callable[[], bool | None]) -> bool:
    """Call ``make``; return whether it worked. An error is only logged."""
    try:
        return make() is not False
    except Exception as error:
        log(f"{name}: left out ({type(error).__name__}: {error})")
        return False


def draw(path: Path, make: Callable[[], Figure | None], dpi: int = 110) -> bool:
    """Draw a picture in place of an older file; return whether that worked."""

    def write() -> bool:
        path.unlink(missing_ok=True)
        figure = make()
        if figure is None:
            return False
        with replacing(path) as new:
            figure.savefig(new, dpi=dpi, format="png")
        return True

    return attempt(path.name, write)


class Tile(NamedTuple):
    """An image with a title; ``frame``: its color, None for thin grey."""

    path: Path
    frame: str | None = None
    title: str = ""


def draw_tiles(lines: Sequence[Sequence[Tile | None]], size: float = 1.3) -> Figure:
    """Lines of images of ``size`` inches; None: an empty place."""
    widths = [size if any(column) else 0.25 * size for column in zip_longest(*lines)]
    titles = [tile.title for line in lines for tile in line if tile]
    high = size + 0.13 * (1 + max(title.count("\n") for title in titles))
    width, height = sum(widths), high * len(lines)
    figure = PlainFigure(figsize=(width, height))
    # one pair of axes in inches: fifty take ten times as long
    axis = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axis.axis("off")
    for number, line in enumerate(lines, start=1):
        for left, tile in zip(accumulate(widths, initial=0.0), line, strict=False):
            if tile:
                show_tile(axis, tile, left, number * high, size)
    return figure


def show_tile(axis: Axes, tile: Tile, left: float, bottom: float, size: float) -> None:
    """Draw a tile of ``size`` inches, the title above it."""
    image = read_image(tile.path).permute(1, 2, 0).numpy()
    scale = (size - 2 * MARGIN) / max(image.shape[:2])
    height, width = scale * image.shape[0], scale * image.shape[1]
    left, top = left + (size - width) / 2, bottom - MARGIN - height
    axis.imshow(image, extent=(left, left + width, top + height, top), aspect="auto")
    line = (tile.frame, 3.5) if tile.frame else ("#dddddd", 0.8)
    axis.add_patch(Rectangle((left, top), width, height, fill=False, color=line[0], lw=line[1]))
    axis.text(left, top - MARGIN, tile.title, fontsize=7, va="bottom")


def draw_searches(
    paths: Sequence[Path],
    data: EvaluationSet,
    sides: Sequence[tuple[str, Retriever]],
    examples: Sequence[Example],
    colors: tuple[str, str] = (QUERY, HIT),
    shown: int = SHOWN,
) -> Figure:
    """A line per example: the query, then the results of each side (title, retriever).

    ``paths (N,)`` are the images of ``data``; ``colors`` frame queries and hits.
    """
    lines: list[list[Tile | None]] = []
    for example in examples:
        line: list[Tile | None] = [Tile(paths[example.query], colors[0], example.title(data))]
        for title, index in sides:
            search = Search.run(example, data, index, shown)
            marks = zip(search.results, search.hits, strict=True)
            tiles = [Tile(paths[p], colors[1] if hit else None) for p, hit in marks]
            if tiles and not lines:
                tiles[0] = tiles[0]._replace(title=title)
            line += [None, *tiles, *[None] * (shown - len(tiles))]
        lines.append(line)
    return draw_tiles(lines)


def draw_results(path: Path, query: tuple[Path, str], results: Sequence[tuple[Path, str]]) -> bool:
    def tile(image: tuple[Path, str], frame: str | None = None) -> Tile:
        return Tile(image[0], frame, textwrap.fill(image[1], CAPTION, break_on_hyphens=False))

    found = [tile(result) for result in results]
    starts = range(0, max(1, len(found)), SHOWN)
    lines = [[None if s else tile(query, QUERY), *found[s : s + SHOWN]] for s in starts]
    return draw(path, lambda: draw_tiles(lines, 1.5))


def draw_curves(log: Path, title: str) -> Figure | None:
    """A panel per value of a ``metrics.csv``; None for an empty log."""
    if not log.is_file():
        return None
    table = pd.read_csv(log).groupby("epoch").mean()
    values = table.filter(regex="^(train/|val/(?!no_edit/))").dropna(axis="columns", thresh=2)
    if values.empty:
        return None
    lines = -(-len(values.columns) // 4)
    figure, axes = panels(lines, 4, 12, 2.2 * lines)
    for axis, name in zip_longest(axes.flat, values):
        if name is None:
            axis.axis("off")
            continue
        axis.plot(values[name].dropna(), lw=1.4)
        plain = str(name).replace("val/", "val/no_edit/")
        if plain in table:
            axis.axhline(table[plain].dropna().iloc[-1], color="grey", ls=":", lw=1)
        axis.set_title(name, fontsize=8)
        axis.tick_params(labelsize=7)
    figure.suptitle(f"{title} (by epoch; dotted: no edit)", fontsize=10)
    return figure
