"""Charts of the long table: precision against hits, candidates, label shares, calibration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flam_pl.reports.measurements import Measurements
from flam_pl.reports.pictures import panels
from flam_pl.reports.tables import EVENTS

FEWEST = 30  # probabilities in a bin, else its share says nothing


def precision_and_hits(found: Measurements) -> Figure | None:
    """P@10 against T@10: a line per method from the plain search to the whole edit (large dot)."""
    rows = found.part("by_strength").dropna(subset="value")
    if rows.empty:
        return None
    figure, [[axis]] = panels(1, 1, 6.4, 4.8)
    ends = []
    for method, of in rows.groupby("method", sort=False):
        x, y = (of.loc[of["measure"] == name, "value"].to_numpy() for name in ("T@10", "P@10"))
        style = line_style(found, str(method))
        axis.plot(x, y, **style, lw=1.6, marker="o", ms=3)
        axis.plot(x[-1], y[-1], "o", color=style["color"], ms=7)
        ends.append((y[-1], x[-1], style["label"], style["color"]))
    label_ends(axis, ends)
    axis.set_xlabel("T@10: an image of exactly the wanted combination is there")
    axis.set_ylabel("P@10: share of the results with the wanted class")
    axis.grid(alpha=0.25)
    return figure


def label_ends(axis: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Names right of the chart, each with a thin line to its (y, x, name, color)."""
    (left, right), (low, high) = axis.get_xlim(), axis.get_ylim()
    axis.set(xlim=(left, right), ylim=(low, high))
    gap, place = 0.05 * (high - low), low
    for number, (y, x, name, color) in enumerate(sorted(ends), start=1):
        place = min(max(place + gap, y), high - gap * (len(ends) - number))
        axis.annotate(
            name,
            (x, y),
            (right + 0.03 * (right - left), place),
            color=color,
            fontsize=9,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": color, "lw": 0.5, "relpos": (0, 0.5)},
        )


def candidates(found: Measurements) -> Figure | None:
    rows = found.part("depth")
    few = rows[rows["measure"].isin(["T@1", "T@50"])]
    rows = few if len(few) else rows[rows["measure"] == rows["measure"].min()]
    return draw_groups(found, rows, "candidates, the nearest by the edited feature")


def label_shares(found: Measurements) -> Figure | None:
    return draw_groups(found, found.part("labels"), "share of the training labels (their number)")


CHARTS: Mapping[str, Callable[[Measurements], Figure | None]] = {
    "precision_and_hits": precision_and_hits,
    "candidates": candidates,
    "label_share": label_shares,
}


def draw_groups(found: Measurements, rows: pd.DataFrame, label: str) -> Figure | None:
    """A panel per measure and a line per method over the groups, with 95 % intervals."""
    names, groups = rows["measure"].unique(), list(rows["group"].unique())
    if not len(names):
        return None
    figure, axes = panels(1, len(names), 4.8 * len(names), 3.8)
    places = range(len(groups))
    for axis, name in zip(axes[0], names, strict=True):
        for method, of in rows[rows["measure"] == name].groupby("method", sort=False):
            of = of.set_index("group").reindex(groups)
            around = of["value"] - of["low"], of["high"] - of["value"]
            style = line_style(found, str(method))
            axis.errorbar(places, of["value"], around, **style, lw=1.6, marker="o", ms=4, capsize=2)
        axis.set_xticks(places, [group.replace(" (", "\n(") for group in groups])
        axis.set_ylim(bottom=0)
        axis.set_xlabel(label)
        axis.set_ylabel(f"{name}, with its 95 % interval")
        axis.grid(alpha=0.25)
    axes[0, 0].legend(fontsize=8)
    return figure


def line_style(found: Measurements, method: str) -> dict[str, Any]:
    """How a method looks in every chart: dashed with posteriors."""
    head, plus, _ = method.partition("+")
    color = found.methods.get(head, {}).get("color", "#333333")
    return {"color": color, "label": found.title(method), "ls": "--" if plus else "-"}


def reliability(calibration: Mapping[str, Any]) -> Figure:
    """Reliability diagram (DeGroot and Fienberg, 1983) per event, with counts."""
    figure, axes = panels(2, len(calibration), 12, 5.2)
    kinds = (("raw", "#aaaaaa", "embedders alone"), ("calibrated", "#2166ac", "calibrated"))
    for (above, below), (event, of_event) in zip(axes.T, calibration.items(), strict=True):
        above.plot([0, 1], [0, 1], color="grey", ls=":", lw=1)
        for kind, color, label in kinds:
            of = of_event[kind]
            shown = [b for b in of["bins"] if b["n"] >= FEWEST]
            predicted, observed = ([b[name] for b in shown] for name in ("predicted", "observed"))
            text = f"{label}: ECE {of['ECE']['value']:.3f}"
            above.plot(predicted, observed, "o-", color=color, lw=1.4, ms=4, label=text)
        counts = [b["n"] for b in of_event["calibrated"]["bins"]]
        middles = (np.arange(len(counts)) + 0.5) / len(counts)
        below.bar(middles, counts, width=0.9 / len(counts), color="#2166ac")
        below.set(yscale="log", xlabel="predicted", ylabel="count")
        below.yaxis.set_major_formatter("{x:,.0f}")
        below.set_ylim(bottom=1)
        above.set_title(EVENTS[event], fontsize=10)
        above.set_ylabel("observed share")
        above.legend(fontsize=8, loc="upper left", frameon=False)
    return figure
