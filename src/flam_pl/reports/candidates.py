"""T@1 and T@50 against the number of candidates: what an edited feature alone can find.

The candidates are the photos nearest by the edited feature; the whole score then orders them. A
gallery of billions of photos affords few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from flam_pl.reports.precision_and_hits import COLORS
from flam_pl.reports.tables import called

SHOWN = ("T@1", "T@50")


def draw(by_seed: Sequence[Mapping[str, Any]]) -> Figure:
    """A panel per figure, a line per method, a point per number of candidates; means over seeds.

    Args:
        by_seed: as ``metrics.json`` has it: row -> number of candidates -> figures; at least one.
            A figure that was not measured has no panel; if none was, the first one has.
    """
    depths = list(next(iter(by_seed[0].values())))
    measured = next(iter(by_seed[0].values()))[depths[0]]
    names = [name for name in SHOWN if name in measured] or list(measured)[:1]
    figure, axes = plt.subplots(1, len(names), figsize=(4.8 * len(names), 3.8), squeeze=False)
    for axis, name in zip(axes[0], names, strict=True):
        for row, of in by_seed[0].items():
            values = [[seed[row][depth][name]["value"] for depth in of] for seed in by_seed]
            method = row.partition("+")[0]
            axis.plot(
                range(len(of)),
                np.mean(np.array(values, dtype=float), axis=0),
                color=COLORS.get(method, "#333333"),
                label=called(method),
                lw=2.2 if method.startswith("flam") else 1.4,
                marker="o",
                ms=4,
            )
        axis.set_xticks(range(len(depths)), depths)
        axis.set_xlabel("candidates, the nearest by the edited feature")
        axis.set_ylabel(f"{name}, scored by the posteriors")
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.25)
    axes[0, 0].legend(fontsize=8)
    figure.tight_layout()
    return figure
