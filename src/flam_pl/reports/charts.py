"""Charts of ``Measurements``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from flam_pl.reports.measurements import Measurements
from flam_pl.reports.pictures import panels
from flam_pl.reports.tables import EVENTS

FEWEST = 30  # probabilities in a bin, else its share says nothing


def precision_and_hits(found: Measurements) -> Figure | None:
    """P@10 against T@10: a line per method, over the strength of the edit from 0 to 1."""
    rows = found.part("by_strength").dropna(subset="value")
    if rows.empty:
        return None
    figure, [[axis]] = panels(1, 1, 7.4, 4.8)
    for method, of in rows.groupby("method", sort=False):
        x, y = (of.loc[of["measure"] == name, "value"].to_numpy() for name in ("T@10", "P@10"))
        style = line_style(found, str(method))
        axis.plot(x, y, **style, lw=1.6, marker="o", ms=3)
        axis.plot(x[-1], y[-1], "o", color=style["color"], ms=7)
    label = "T@10: an image of exactly the wanted combination is there"
    axis.set(xlabel=label, ylabel="P@10: share of the results with the wanted class")
    axis.grid(alpha=0.25)
    figure.legend(loc="outside right upper", fontsize=8)
    return figure


def candidates(found: Measurements) -> Figure | None:
    rows = found.part("depth")
    rows = rows[rows["measure"].str.startswith("T@")]
    return draw_groups(found, rows, "candidates, the nearest by the edited feature")


def label_shares(found: Measurements) -> Figure | None:
    return draw_groups(found, found.part("labels"), "share of the training labels (their number)")


CHARTS: Mapping[str, Callable[[Measurements], Figure | None]] = {
    "precision_and_hits": precision_and_hits,
    "candidates": candidates,
    "label_share": label_shares,
}


def draw_groups(found: Measurements, rows: pd.DataFrame, label: str) -> Figure | None:
    """A panel per measure; in it, a line per method over the groups."""
    if rows.empty:
        return None
    by_measure, groups = list(rows.groupby("measure", sort=False)), list(rows["group"].unique())
    places = range(len(groups))
    figure, axes = panels(1, len(by_measure), 4.8 * len(by_measure), 3.8)
    for axis, (name, of_measure) in zip(axes[0], by_measure, strict=True):
        for method, of in of_measure.groupby("method", sort=False):
            of = of.set_index("group").reindex(groups)
            y = of["value"]  # which a few draws may leave outside of the interval
            around = (y - of["low"]).clip(lower=0), (of["high"] - y).clip(lower=0)
            style = line_style(found, str(method))
            axis.errorbar(places, y, around, **style, marker="o", ms=4, capsize=2)
        axis.set_xticks(places, [group.replace(" (", "\n(") for group in groups])
        axis.set_ylim(bottom=0)
        axis.set(xlabel=label, ylabel=f"{name}, with its 95 % interval")
        axis.grid(alpha=0.25)
    axes[0, 0].legend(fontsize=8)
    return figure


def line_style(found: Measurements, method: str) -> dict[str, Any]:
    head, plus, _ = method.partition("+")
    color = found.methods.get(head, {}).get("color", "#333333")
    return {"color": color, "label": found.title(method), "ls": "--" if plus else "-"}


def reliability(calibration: Mapping[str, Any]) -> Figure:
    """Per event, a reliability diagram (DeGroot and Fienberg, 1983)."""
    figure, axes = panels(1, len(calibration), 12, 3.6)
    kinds = {"raw": ("#aaaaaa", "embedders alone"), "calibrated": ("#2166ac", "calibrated")}
    for axis, (event, of_event) in zip(axes[0], calibration.items(), strict=True):
        axis.plot([0, 1], [0, 1], color="grey", ls=":", lw=1)
        for kind, (color, label) in kinds.items():
            bins = pd.DataFrame(of_event[kind]["bins"]).query("n >= @FEWEST")
            label += f": ECE {of_event[kind]['ECE']['value']:.3f}"
            axis.plot(bins["predicted"], bins["observed"], "o-", color=color, ms=4, label=label)
        axis.set(xlabel="predicted probability", ylabel="observed share", title=EVENTS[event])
        axis.legend(fontsize=8, loc="upper left", frameon=False)
    return figure
