"""Pictures of a run: edited searches with their hits framed, and the curves of the training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from flam_pl.data.images import read_image
from flam_pl.datasets.catalog import Catalog
from flam_pl.editing.editor import Editor
from flam_pl.editing.evaluation import EvaluationSet
from flam_pl.galleries.index import GalleryIndex

HIT, QUERY = "#1a9850", "#2166ac"
SHOWN = 5
"""Results drawn of each search."""


@dataclass(frozen=True)
class Example:
    """One wish: a query image and the class that it should have instead."""

    query: int
    """Position in the evaluation set."""
    target_type: str
    target_class: str


def choose_examples(data: EvaluationSet, count: int, seed: int) -> list[Example]:
    """``count`` edits of each type, drawn at random among those that the gallery can answer.

    Drawn, not picked: pictures of the best cases would say nothing about the method.
    """
    rng = np.random.default_rng(seed)
    combinations = data.schema.combinations(data.labels)
    have = set(combinations.tolist())
    examples = []
    for t, name in enumerate(data.schema.types):
        found: list[Example] = []
        for query in rng.permutation(data.queries):
            labels = np.repeat(data.labels[query][None], data.schema.sizes[t], axis=0)
            labels[:, t] = np.arange(data.schema.sizes[t])
            codes = data.schema.combinations(labels)
            possible = [c for c in range(len(codes)) if codes[c] in have]
            possible = [c for c in possible if c != data.labels[query, t]]
            if possible:
                wanted = data.schema.of(name)[int(rng.choice(possible))]
                found.append(Example(int(query), name, wanted))
            if len(found) == count:
                break
        examples += found
    return examples


def draw_searches(
    path: Path,
    catalog: Catalog,
    rows: np.ndarray,
    data: EvaluationSet,
    editors: Sequence[Editor],
    examples: Sequence[Example],
) -> None:
    """A block an example: the query, then a row of results for each method, hits framed green.

    Args:
        rows: catalog row of each position of ``data``, ``(N,)``.
    """
    indexes = [GalleryIndex(editor, data.features) for editor in editors]
    height = len(examples) * len(editors)
    figure, axes = plt.subplots(
        height, SHOWN + 1, figsize=(1.5 * (SHOWN + 1), 1.62 * height), squeeze=False
    )
    for axis in axes.flat:
        axis.axis("off")
    combinations = data.schema.combinations(data.labels)
    for block, example in enumerate(examples):
        wanted = data.labels[example.query].copy()
        wanted[data.schema.types.index(example.target_type)] = data.schema.index(
            example.target_type, example.target_class
        )
        goal = data.schema.combinations(wanted[None])[0]
        for line, (editor, index) in enumerate(zip(editors, indexes, strict=True)):
            row = axes[block * len(editors) + line]
            query = data.features[[example.query]]
            edit = (example.target_type, example.target_class)
            _, found = index.search(query, SHOWN + 1, edit)
            results = [p for p in found[0] if p != example.query][:SHOWN]
            if line == 0:
                title = " ".join(_names(data, example.query))
                _show(row[0], catalog.paths[rows[example.query]], QUERY, title)
            for axis, position in zip(row[1:], results, strict=False):
                hit = combinations[position] == goal
                _show(axis, catalog.paths[rows[position]], HIT if hit else None, "")
            row[1].set_title(
                f"{editor.name.replace('_', ' ')}  →  {example.target_class}",
                fontsize=8,
                loc="left",
                pad=3,
            )
    figure.tight_layout(pad=0.3, h_pad=0.5)
    save(figure, path)


def _names(data: EvaluationSet, position: int) -> list[str]:
    return [
        data.schema.of(name)[data.labels[position, t]] for t, name in enumerate(data.schema.types)
    ]


def _show(axis: Axes, path: Path, frame: str | None, title: str) -> None:
    axis.imshow(read_image(path).permute(1, 2, 0).numpy())
    axis.axis("on")
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_color(frame or "#dddddd")
        spine.set_linewidth(3.5 if frame else 0.8)
    if title:
        axis.set_title(title, fontsize=7, pad=3)


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
        plain = name.replace("val/", "val/no_edit/")
        if plain in table:
            axis.axhline(table[plain].dropna().iloc[-1], color="grey", ls=":", lw=1)
        axis.set_title(name, fontsize=8)
        axis.tick_params(labelsize=7)
    figure.suptitle(f"{title} (by epoch; dotted: no edit)", fontsize=10)
    figure.tight_layout()
    save(figure, path)
    return True


def save(figure: plt.Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
