"""What each method finds against what it keeps, from the plain search to the whole wish.

A method that hardly leaves the query keeps much and finds little: only at equal T@k does what is
kept say which of two is better, and every method can be asked for less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from flam_pl.editing.strength import K
from flam_pl.reports.tables import called

COLORS = {
    "no_edit": "#7f7f7f",
    "arithmetic": "#bcbd22",
    "arithmetic_far": "#bcbd22",
    "cls_concat": "#1f77b4",
    "cls_concat_best": "#1f77b4",
    "emb_concat": "#17becf",
    "emb_concat_best": "#17becf",
    "flam": "#d62728",
    "flam_plus_unscored": "#c5b0d5",
    "flam_plus": "#9467bd",
}
"""Method -> its line, the same in every figure."""

FOUND, KEPT = f"T@{K}", f"kept@{K}"


def has_traits(by_strength: Mapping[str, Any]) -> bool:
    """Whether anything was measured that could be kept.

    Args:
        by_strength: as ``metrics.json`` has it: method -> strength -> figures.
    """
    return all(KEPT in figures for of in by_strength.values() for figures in of.values())


def draw(by_seed: Sequence[Mapping[str, Any]]) -> Figure:
    """A line a method, a point a strength, the largest at the whole wish; means over the seeds.

    Args:
        by_seed: as ``has_traits`` takes it, at least one.
    """
    figure, axis = plt.subplots(figsize=(7, 4.6))
    for method, of in by_seed[0].items():
        found, kept = (
            np.mean(
                [[seed[method][s][name]["value"] for s in of] for seed in by_seed],
                axis=0,
            )
            for name in (FOUND, KEPT)
        )
        axis.plot(
            found,
            kept,
            color=COLORS[method],
            label=called(method),
            lw=2.2 if method in ("flam", "flam_plus") else 1.4,
            marker="o",
            ms=3,
        )
        axis.plot(found[-1], kept[-1], "o", color=COLORS[method], ms=7)
    axis.set_xlabel(f"{FOUND}: found")
    axis.set_ylabel(f"{KEPT}: kept of what nobody asked to change")
    axis.grid(alpha=0.25)
    axis.legend(fontsize=8)
    figure.tight_layout()
    return figure
