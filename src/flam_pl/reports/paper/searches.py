"""Figure 2: the first results after an edit of each attribute type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flam_pl.editing.editor import Editor
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.reports.pictures import Search, choose_examples, show_image
from flam_pl.retrieval.retriever import Retriever

QUERY, HIT = "#1a9850", "#d73027"
"""Frames as in the paper: the query green, hits red."""

SHOWN = 3
"""Results of each search."""


def find(editor: Editor, data: EvaluationSet, examples: int, seed: int) -> list[Search]:
    """So many edited searches of each attribute type, drawn at random, not picked."""
    index = Retriever.of(editor, data.features)
    return [Search.run(e, data, index, SHOWN) for e in choose_examples(data, examples, seed)]


def numbers(
    searches: Sequence[Search], data: EvaluationSet, paths: Sequence[Path]
) -> dict[str, Any]:
    """What the picture shows, in words.

    Args:
        paths: of the images of ``data``, ``(N,)``.
    """
    return {
        "searches": [
            {
                "query": paths[s.example.query].name,
                "labels": named(data, s.example.query),
                "target_type": s.example.target_type,
                "target_class": s.example.target_class,
                "results": [
                    {"image": paths[p].name, "labels": named(data, p), "hit": hit}
                    for p, hit in zip(s.results, s.hits, strict=True)
                ],
            }
            for s in searches
        ]
    }


def named(data: EvaluationSet, position: int) -> Mapping[str, str]:
    """Attribute type -> class of one image."""
    schema, labels = data.schema, data.labels[position]
    return {name: schema.of(name)[labels[t]] for t, name in enumerate(schema.types)}


def draw(searches: Sequence[Search], data: EvaluationSet, paths: Sequence[Path]) -> Figure:
    """A block of columns an attribute type, a line a search: the query, then its results."""
    by_type = {
        name: [s for s in searches if s.example.target_type == name] for name in data.schema.types
    }
    blocks = {name: of_type for name, of_type in by_type.items() if of_type}
    lines = max(map(len, blocks.values()))
    widths = [1.0, 0.12, *[1.0] * SHOWN, 0.35]  # query, gap, results, gap to the next block
    figure, axes = plt.subplots(
        lines,
        len(blocks) * len(widths) - 1,
        figsize=(1.15 * (sum(widths) * len(blocks) - widths[-1]), 1.55 * lines + 0.3),
        squeeze=False,
        gridspec_kw={"width_ratios": (widths * len(blocks))[:-1], "wspace": 0.04, "hspace": 0.3},
    )
    figure.subplots_adjust(left=0.005, right=0.995, bottom=0.01, top=1 - 0.55 / (1.55 * lines))
    for axis in axes.flat:
        axis.axis("off")
    for number, (name, of_type) in enumerate(blocks.items()):
        columns = axes[:, number * len(widths) :]
        columns[0, 0].annotate(
            f"edits of {name}",
            (0, 1),
            (0, 20),
            "axes fraction",
            "offset points",
            fontsize=11,
            weight="bold",
        )
        for search, line in zip(of_type, columns, strict=False):
            _draw_search(line, search, data, paths)
    return figure


def _draw_search(
    line: np.ndarray, search: Search, data: EvaluationSet, paths: Sequence[Path]
) -> None:
    query: Axes = line[0]
    show_image(query, paths[search.example.query], QUERY)
    own = named(data, search.example.query)[search.example.target_type]
    query.set_title(f"{own} → {search.example.target_class}", fontsize=9, pad=4, loc="left")
    for axis, position, hit in zip(line[2:], search.results, search.hits, strict=False):
        show_image(axis, paths[position], HIT if hit else None)
