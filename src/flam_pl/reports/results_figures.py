"""Where in ``metrics.json`` the figures of the results' tables are, each as row -> column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flam_pl.reports.paper.tables import Metrics
from flam_pl.reports.precision_and_hits import FOUND, RIGHT
from flam_pl.reports.tables import CALIBRATION, TITLES, called

CUTOFFS = (1, 5, 10, 20, 50)
"""k of the tables."""
BRIEF = 10
"""k where a table has one only."""

Figures = Mapping[str, Mapping[str, Any]]
"""Row (mostly a method) -> column -> {"value", "low", "high", "n"}."""


def in_order(names: Iterable[str]) -> list[str]:
    """Methods in the order of ``TITLES``, whatever has no title behind them as it was."""
    order = list(TITLES)

    def place(name: str) -> tuple[int, str]:
        head, _, scored_by = name.partition("+")
        return (order.index(head), scored_by) if head in order else (len(order), "")

    return sorted(names, key=place)


def shown(column: str) -> bool:
    """Whether a figure is in the tables: not at other cut-offs than theirs."""
    _, at, k = column.partition("@")
    return not at or not k.isdigit() or int(k) in CUTOFFS


def kinds(by_method: Mapping[str, Mapping[str, Any]] | None) -> list[str]:
    """The names of the groups of a method's figures."""
    return list(next(iter((by_method or {}).values()), {}))


def group_of(by_method: Mapping[str, Any] | None, group: str) -> Figures | None:
    """Method -> group -> figures, for one group."""
    if by_method is None:
        return None
    return {name: of[group] for name, of in by_method.items() if group in of}


def of_group(key: str, group: str) -> Callable[[Metrics], Figures | None]:
    return lambda metrics: group_of(metrics.get(key), group)


def at_cutoff(by_method: Mapping[str, Any] | None, figure: str) -> Figures | None:
    """Method -> group -> figures, for one figure of each group."""
    if by_method is None:
        return None
    return {
        name: {group: figures[figure] for group, figures in of.items() if figure in figures}
        for name, of in by_method.items()
    }


def kept(metrics: Metrics) -> Figures | None:
    """Method -> mean over the traits of what the results with the wanted class keep."""
    if metrics.get("kept") is None:
        return None
    return {name: of["mean"] for name, of in metrics["kept"].items() if of}


def strength_of_last(metrics: Metrics) -> Figures | None:
    """Strength -> figures, of the best method."""
    by_method = metrics.get("by_strength")
    return list(by_method.values())[-1] if by_method else by_method


def by_strength(metrics: Metrics) -> Figures | None:
    """Method and strength -> T@k and P@k."""
    found = metrics.get("by_strength")
    if found is None:
        return None
    return {
        f"{called(method)}, {strength}": {name: figures[name] for name in (FOUND, RIGHT)}
        for method, of in found.items()
        for strength, figures in of.items()
    }


def by_depth(metrics: Metrics) -> Figures | None:
    """Method and number of candidates -> figures."""
    found = metrics.get("by_depth")
    if found is None:
        return None
    return {
        f"{called(method)}, {depth}": figures
        for method, of in found.items()
        for depth, figures in of.items()
    }


def change(metrics: Metrics) -> Figures | None:
    """Row -> its T@k, P@k and CF@k minus those of the row that searches, paired."""
    by_reference = metrics.get("fam_change")
    if not by_reference:
        return by_reference
    best, rows = next(iter(by_reference.items()))
    counterfactual = metrics.get("counterfactual_change", {}).get(best, {})
    return {
        row: {n: of for n, of in figures.items() if n.startswith(("T@", "P@"))}
        | counterfactual.get(row, {})
        for row, figures in rows.items()
        if row != best
    }


def calibration(metrics: Metrics) -> Figures | None:
    """What a search says -> its errors, before and after they were set right on validation."""
    if metrics.get("calibration") is None:
        return None
    return {
        CALIBRATION[kind]: {
            "ECE, raw": of["raw"]["ECE"],
            "Brier, raw": of["raw"]["Brier"],
            **{name: of[name] for name in ("ECE", "Brier", "observed")},
            **{name: of[name] for name in ("AUROC",) if name in of},
        }
        for kind, of in metrics["calibration"].items()
    }
