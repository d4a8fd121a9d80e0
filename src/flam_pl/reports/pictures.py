"""Pictures of a run: edited searches with their hits framed, and the curves of the training."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flam_pl.datasets.catalog import Catalog
from flam_pl.editing.edits import Edit
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.images import read_image
from flam_pl.reports.tables import called
from flam_pl.retrieval.retriever import Retriever

HIT, QUERY = "#1a9850", "#2166ac"
SHOWN = 5
"""Results drawn of each search."""
CAPTION = 26
"""Letters of a line above a result."""


@dataclass(frozen=True)
class Example:
    """One edit: a query image and the class that it should have instead."""

    query: int
    """Position in the evaluation set."""
    target_type: str
    target_class: str

    def wanted(self, data: EvaluationSet) -> np.ndarray:
        """The labels asked for, ``(types,)``."""
        labels: np.ndarray = data.labels[self.query].copy()
        position = data.schema.types.index(self.target_type)
        labels[position] = data.schema.index(self.target_type, self.target_class)
        return labels

    def title(self, data: EvaluationSet) -> str:
        """E.g. ``dress blue stripes``, and below it ``→ red``."""
        schema, labels = data.schema, data.labels[self.query]
        names = [schema.of(name)[labels[t]] for t, name in enumerate(schema.types)]
        return f"{' '.join(names)}\n→ {self.target_class}"


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
            if len(found) == count:
                break
            labels = np.repeat(data.labels[query][None], data.schema.sizes[t], axis=0)
            labels[:, t] = np.arange(data.schema.sizes[t])
            codes = data.schema.combinations(labels)
            possible = [c for c in range(len(codes)) if codes[c] in have]
            possible = [c for c in possible if c != data.labels[query, t]]
            if possible:
                wanted = data.schema.of(name)[int(rng.choice(possible))]
                found.append(Example(int(query), name, wanted))
        examples += found
    return examples


@dataclass(frozen=True)
class Search:
    """What an edited search found: gallery positions, best first, and which of them are hits."""

    example: Example
    results: list[int]
    hits: list[bool]

    @classmethod
    def run(cls, example: Example, data: EvaluationSet, index: Retriever, shown: int) -> Search:
        """The first ``shown`` results beside the query itself; ``index`` is of all of ``data``."""
        edits = [Edit(example.target_type, example.target_class)]
        query = data.features[[example.query]]
        _, found = index.search(query, edits, shown, exclude=[example.query])
        results = found[0].tolist()
        wanted = example.wanted(data)
        return cls(example, results, [bool((data.labels[p] == wanted).all()) for p in results])


def draw_searches(
    path: Path,
    catalog: Catalog,
    rows: np.ndarray,
    data: EvaluationSet,
    sides: Sequence[tuple[str, Retriever]],
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
        show_image(line[0], paths[rows[example.query]], QUERY)
        line[0].set_title(example.title(data), fontsize=7, pad=3, loc="left")
        for number, (name, index) in enumerate(sides):
            search = Search.run(example, data, index, SHOWN)
            start = 2 + number * (SHOWN + 1)
            found = zip(line[start:], search.results, search.hits, strict=False)
            for axis, position, hit in found:
                show_image(axis, paths[rows[position]], HIT if hit else None)
            if row == 0:
                line[start].set_title(called(name), fontsize=9, pad=3, loc="left", weight="bold")
    figure.tight_layout(pad=0.3, w_pad=0.3, h_pad=0.3)
    save(figure, path)


def draw_methods(
    path: Path,
    catalog: Catalog,
    rows: np.ndarray,
    data: EvaluationSet,
    methods: Sequence[tuple[str, Retriever]],
    example: Example,
) -> None:
    """One edit by every method, a row each; the last row, in bold, is the run's best.

    Args:
        rows: catalog row of each position of ``data``, ``(N,)``.
        methods: each with the index of ``data`` by it.
    """
    paths = catalog.paths
    widths = [1.0, 1.1, *[1.0] * SHOWN]
    figure, axes = plt.subplots(
        len(methods),
        len(widths),
        figsize=(1.3 * sum(widths), 1.4 * len(methods) + 0.3),
        squeeze=False,
        gridspec_kw={"width_ratios": widths},
    )
    for axis in axes.flat:
        axis.axis("off")
    show_image(axes[0, 0], paths[rows[example.query]], QUERY)
    axes[0, 0].set_title(example.title(data), fontsize=8, pad=3, loc="left")
    for line, (name, index) in zip(axes, methods, strict=True):
        weight = "bold" if name == methods[-1][0] else "normal"
        line[1].text(0.95, 0.5, called(name), ha="right", va="center", weight=weight)
        search = Search.run(example, data, index, SHOWN)
        for axis, position, hit in zip(line[2:], search.results, search.hits, strict=False):
            show_image(axis, paths[rows[position]], HIT if hit else None)
    figure.tight_layout(pad=0.3, w_pad=0.3, h_pad=0.3)
    save(figure, path)


def draw_results(path: Path, query: tuple[Path, str], results: Sequence[tuple[Path, str]]) -> None:
    """A photo and what a search for it found, five a line; each with what is written above it."""
    captions = [textwrap.fill(title, CAPTION, break_on_hyphens=False) for _, title in results]
    captions = [textwrap.fill(query[1], CAPTION, break_on_hyphens=False), *captions]
    high = 1.5 + 0.11 * max(caption.count("\n") + 1 for caption in captions)
    lines = max(1, -(-len(results) // SHOWN))
    figure, axes = plt.subplots(
        lines,
        SHOWN + 1,
        figsize=(1.5 * (SHOWN + 1), high * lines),
        squeeze=False,
        layout="constrained",
    )
    for axis in axes.flat:
        axis.axis("off")
    places = [axes[0, 0], *axes[:, 1:].flat]
    paths = [query[0], *(path for path, _ in results)]
    for axis, image, caption in zip(places, paths, captions, strict=False):
        show_image(axis, image, QUERY if axis is axes[0, 0] else None)
        axis.set_title(caption, fontsize=7, pad=3, loc="left", parse_math=False)
    save(figure, path)


def show_image(axis: Axes, path: Path, frame: str | None) -> None:
    """An image without ticks, in a frame of this color; None is a thin grey one."""
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


def save(figure: Figure, path: Path, dpi: int = 110) -> None:
    """Write the figure as a file and free its memory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=dpi)
    plt.close(figure)
