"""T@10 against P@10 of each method, from the plain search to the whole edit.

A search that brings one right photo among nine that ignore the edit has a high T@10 and a low P@10:
a shopper wants both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from flam_pl.evaluation.strength import K
from flam_pl.reports.tables import called

COLORS = {
    "no_edit": "#7f7f7f",
    "arithmetic": "#bcbd22",
    "cls_concat": "#1f77b4",
    "emb_concat": "#17becf",
    "slerp": "#8c564b",
    "adde_m": "#e377c2",
    "tirg": "#2ca02c",
    "flam": "#d62728",
    "flam_plus": "#9467bd",
}
"""Method -> its line, the same in every figure."""

FOUND, RIGHT = f"T@{K}", f"P@{K}"


def draw(by_seed: Sequence[Mapping[str, Any]]) -> Figure:
    """A line per method, a point per strength, the largest at the whole edit; means over seeds.

    Args:
        by_seed: as ``metrics.json`` has it: method -> strength -> figures; at least one.
    """
    figure, axis = plt.subplots(figsize=(7, 4.6))
    for method, of in by_seed[0].items():
        found, right = (
            np.mean(
                np.array(
                    [
                        [seed[method][s][name]["value"] for s in of]
                        for seed in by_seed
                        if method in seed  # the best row need not be the same for every seed
                    ],
                    dtype=float,  # where no edit has an answer there is no value
                ),
                axis=0,
            )
            for name in (FOUND, RIGHT)
        )
        color = COLORS.get(method.partition("+")[0], "#333333")
        axis.plot(
            found,
            right,
            color=color,
            linestyle="-" if method in COLORS else "--",
            label=called(method),
            lw=1.6,
            marker="o",
            ms=3,
        )
        axis.plot(found[-1], right[-1], "o", color=color, ms=7)
    axis.set_xlabel(f"{FOUND}: a photo of exactly the wanted combination is there")
    axis.set_ylabel(f"{RIGHT}: share of the results with the wanted class")
    axis.grid(alpha=0.25)
    axis.legend(fontsize=8)
    figure.tight_layout()
    return figure
