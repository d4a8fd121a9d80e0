"""Pictures: images in rows with frames, curves of a training, and how a picture is written."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from flam_pl.atomic_io import temporary
from flam_pl.distributed import log
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.images import read_image
from flam_pl.reports.examples import SHOWN, Example, Search
from flam_pl.retrieval.retriever import Retriever

HIT, QUERY = "#1a9850", "#2166ac"  # frames: green and blue
CAPTION = 26  # letters of a line above a result


def attempt(name: str, make: Callable[[], bool | None]) -> bool:
    """Whether ``make`` worked; its failure is only logged."""
    try:
        return make() is not False
    except Exception as error:
        log(f"{name}: left out ({type(error).__name__}: {error})")
        return False


def draw(path: Path, make: Callable[[], Figure | None], dpi: int = 110) -> bool:
    """Whether the picture was drawn; else an older file is removed."""

    def write() -> bool:
        figure = make()
        if figure is not None:
            save(figure, path, dpi)
        return figure is not None

    drawn = attempt(path.name, write)
    if not drawn:
        path.unlink(missing_ok=True)
    return drawn


def save(figure: Figure, path: Path, dpi: int = 110) -> None:
    for text in figure.findobj(Text):  # a class may be named $0_$
        text.set_parse_math(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = temporary(path)
    figure.savefig(new, dpi=dpi, format="png")
    new.replace(path)


def panels(rows: int, columns: int, width: float, height: float) -> tuple[Figure, np.ndarray]:
    """A figure of this size in inches and its axes, ``(rows, columns)``."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


@dataclass(frozen=True)
class Tile:
    """An image with a title; ``frame`` is a color, None thin and grey."""

    path: Path
    frame: str | None = None
    title: str = ""


def draw_tiles(lines: Sequence[Sequence[Tile | None]], size: float = 1.3) -> Figure:
    """Images of ``size`` inches; None is an empty place, a column of them narrow."""
    widths = [1.0 if any(column) else 0.25 for column in zip_longest(*lines)]
    titles = [tile.title for line in lines for tile in line if tile]
    high = size + 0.13 * (1 + max(title.count("\n") for title in titles))
    figure = Figure(figsize=(size * sum(widths), high * len(lines)), layout="constrained")
    axes = figure.subplots(
        len(lines), len(widths), squeeze=False, gridspec_kw={"width_ratios": widths}
    )
    for axis in axes.flat:
        axis.axis("off")
    for line, places in zip(lines, axes, strict=True):
        for tile, axis in zip(line, places, strict=False):
            if tile:
                show_image(axis, tile.path, tile.frame)
                axis.set_title(tile.title, fontsize=7, pad=3, loc="left")
    return figure


def draw_searches(
    paths: Sequence[Path],
    data: EvaluationSet,
    sides: Sequence[tuple[str, Retriever]],
    examples: Sequence[Example],
    colors: tuple[str, str] = (QUERY, HIT),
    shown: int = SHOWN,
) -> Figure:
    """A line per example: the query, then the results of each side (title, index).

    ``paths`` ``(N,)`` are the images of ``data``; ``colors`` frame queries and hits.
    """
    lines: list[list[Tile | None]] = []
    for example in examples:
        line: list[Tile | None] = [Tile(paths[example.query], colors[0], example.title(data))]
        for title, index in sides:
            search = Search.run(example, data, index, shown)
            tiles = [
                Tile(paths[position], colors[1] if hit else None, "" if lines or rank else title)
                for rank, (position, hit) in enumerate(
                    zip(search.results, search.hits, strict=True)
                )
            ]
            line += [None, *tiles, *[None] * (shown - len(tiles))]
        lines.append(line)
    return draw_tiles(lines)


def draw_results(path: Path, query: tuple[Path, str], results: Sequence[tuple[Path, str]]) -> bool:
    """Draw a photo and what a search found, each with its caption."""

    def tile(image: tuple[Path, str], frame: str | None = None) -> Tile:
        return Tile(image[0], frame, textwrap.fill(image[1], CAPTION, break_on_hyphens=False))

    def make() -> Figure:
        found = [tile(result) for result in results]
        starts = range(0, max(1, len(found)), SHOWN)
        lines = [[None if s else tile(query, QUERY), *found[s : s + SHOWN]] for s in starts]
        return draw_tiles(lines, 1.5)

    return draw(path, make)


def show_image(axis: Axes, path: Path, frame: str | None) -> None:
    """An image in a frame, as of ``Tile``."""
    axis.imshow(read_image(path).permute(1, 2, 0).numpy())
    axis.axis("on")
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_color(frame or "#dddddd")
        spine.set_linewidth(3.5 if frame else 0.8)


def draw_curves(log: Path, title: str) -> Figure | None:
    """A panel per value in Lightning's ``metrics.csv``; None for an empty log."""
    table = pd.read_csv(log) if log.is_file() else pd.DataFrame()
    names = [
        c
        for c in table.columns
        if c.startswith(("train/", "val/"))
        and not c.startswith("val/no_edit/")
        and table[c].notna().sum() > 1
    ]
    if not names:
        return None
    lines = -(-len(names) // 4)
    figure, axes = panels(lines, 4, 12, 2.2 * lines)
    for axis in axes.flat[len(names) :]:
        axis.axis("off")
    for axis, name in zip(axes.flat, names, strict=False):
        values = table[["epoch", name]].dropna()
        axis.plot(np.linspace(0, values["epoch"].max() + 1, len(values)), values[name], lw=1.4)
        plain = f"val/no_edit/{name.removeprefix('val/')}"
        if plain in table:
            axis.axhline(table[plain].dropna().iloc[-1], color="grey", ls=":", lw=1)
        axis.set_title(name, fontsize=8)
        axis.tick_params(labelsize=7)
    figure.suptitle(f"{title} (by epoch; dotted: no edit)", fontsize=10)
    return figure
