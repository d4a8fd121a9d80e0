"""Where in ``metrics.json`` the figures of the results' tables are, each as row -> column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flam_pl.config.methods import TRIED
from flam_pl.reports.found_and_kept import FOUND, KEPT, has_traits
from flam_pl.reports.paper_tables import Metrics
from flam_pl.reports.tables import SURENESS, TITLES, called

CUTOFFS = (1, 5, 10, 20, 50)
"""k of the tables."""
BRIEF = 10
"""k where a table has one only."""

Figures = Mapping[str, Mapping[str, Any]]
"""Row (mostly a method) -> column -> {"value", "low", "high", "n"}."""


def in_order(names: Iterable[str]) -> list[str]:
    """Methods in the order of ``TITLES``, whatever has no title behind them as it was."""
    order = list(TITLES)
    return sorted(names, key=lambda n: order.index(n) if n in order else len(order))


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


def kept_of(measure: str) -> Callable[[Metrics], Figures | None]:
    """Of kept traits one measure's mean over the traits."""
    return lambda metrics: {
        name: of[measure]["mean"] for name, of in metrics.get("kept", {}).items() if measure in of
    }


def kept_briefly(metrics: Metrics) -> Figures | None:
    """Of kept traits every measure's mean at one cut-off, under the measure's name."""
    if metrics.get("kept") is None:
        return None
    ending = f"@{BRIEF}"
    return {
        name: {
            measure.replace("_", " "): figure
            for measure, of_traits in of.items()
            for cut_off, figure in of_traits["mean"].items()
            if cut_off.endswith(ending)
        }
        for name, of in metrics["kept"].items()
    }


def strength_of_last(metrics: Metrics) -> Figures | None:
    """Strength -> figures, of the best method."""
    by_method = metrics.get("by_strength")
    return list(by_method.values())[-1] if by_method else by_method


def found_and_kept(metrics: Metrics) -> Figures | None:
    """Method and strength -> T@k and kept@k, where there is anything to keep."""
    by_method = metrics.get("by_strength")
    if by_method is None or not has_traits(by_method):
        return None if by_method is None else {}
    return {
        f"{called(method)}, {strength}": {name: figures[name] for name in (FOUND, KEPT)}
        for method, of in by_method.items()
        for strength, figures in of.items()
    }


def calibration(metrics: Metrics) -> Figures | None:
    """What a search says -> its errors, before and after they were set right on validation."""
    if metrics.get("calibration") is None:
        return None
    return {
        SURENESS[kind]: {
            "ECE, raw": of["raw"]["ECE"],
            "Brier, raw": of["raw"]["Brier"],
            **{name: of[name] for name in ("ECE", "Brier", "observed")},
            **{name: of[name] for name in ("AUROC",) if name in of},
        }
        for kind, of in metrics["calibration"].items()
    }


def tried_settings(metrics: Metrics, method: str) -> dict[str, float]:
    """Setting of a concatenation -> T@10 on validation, as its stage left them."""
    start = f"{method}/{TRIED} "
    return {
        name.removeprefix(start): value
        for name, value in metrics["training"].items()
        if name.startswith(start)
    }
