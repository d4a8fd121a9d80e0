"""Pictures of a run: edited searches with their hits framed, and the curves of the training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flam_pl.data.images import read_image
from flam_pl.datasets.catalog import Catalog
from flam_pl.editing.editor import Editor
from flam_pl.editing.evaluation import EvaluationSet
from flam_pl.galleries.index import GalleryIndex
from flam_pl.reports.examples import Example
from flam_pl.reports.tables import METHODS

HIT, QUERY = "#1a9850", "#2166ac"
SHOWN = 5
"""Results drawn of each search."""


def draw_searches(
    path: Path,
    catalog: Catalog,
    rows: np.ndarray,
    data: EvaluationSet,
    sides: Sequence[tuple[Editor, GalleryIndex]],
    examples: Sequence[Example],
) -> None:
    """A row an example: the query, then for each side its method's first results.

    Args:
        rows: catalog row of each position of ``data``, ``(N,)``.
        sides: a method and the index of ``data`` by it.
    """
    paths = catalog.paths
    columns = 1 + len(sides) * (SHOWN + 1)  # the query, and a gap before each side
    widths = [1.0, *([0.25, *[1.0] * SHOWN] * len(sides))]
    figure, axes = plt.subplots(
        len(examples),
        columns,
        figsize=(1.3 * sum(widths), 1.6 * len(examples)),
        squeeze=False,
        gridspec_kw={"width_ratios": widths},
    )
    for axis in axes.flat:
        axis.axis("off")
    for row, (example, line) in enumerate(zip(examples, axes, strict=True)):
        _show(line[0], paths[rows[example.query]], QUERY)
        line[0].set_title(example.title(data), fontsize=7, pad=3, loc="left")
        for number, (editor, index) in enumerate(sides):
            results = example.search(data, index, SHOWN)
            start = 2 + number * (SHOWN + 1)
            hits = example.hits(data, results)
            for axis, position, hit in zip(line[start:], results, hits, strict=False):
                _show(axis, paths[rows[position]], HIT if hit else None)
            if row == 0:
                title = METHODS.get(editor.name, editor.name)
                line[start].set_title(title, fontsize=9, pad=3, loc="left", weight="bold")
    figure.tight_layout(pad=0.3, w_pad=0.3, h_pad=0.3)
    save(figure, path)


def _show(axis: Axes, path: Path, frame: str | None) -> None:
    axis.imshow(read_image(path).permute(1, 2, 0).numpy())
    axis.axis("on")
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_color(frame or "#dddddd")
        spine.set_linewidth(3.5 if frame else 0.8)


def draw_curves(path: Path, log: Path, title: str) -> bool:
    """Every figure that a stage logged, a panel each; False where nothing was logged.

    Args:
        log: ``metrics.csv`` of Lightning's CSV logger.
    """
    if not log.is_file():
        return False
    table = pd.read_csv(log)
    names = [
        c
        for c in table.columns
        if c.startswith(("train/", "val/"))
        and not c.startswith("val/no_edit/")
        and table[c].notna().sum() > 1
    ]
    if not names:
        return False
    columns = 4
    lines = -(-len(names) // columns)
    figure, axes = plt.subplots(lines, columns, figsize=(12, 2.2 * lines), squeeze=False)
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
    figure.tight_layout()
    save(figure, path)
    return True


def save(figure: Figure, path: Path) -> None:
    """Write the figure as a file and free its memory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
