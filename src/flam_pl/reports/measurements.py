"""The long table: one row per measured value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t

from flam_pl.errors import FlamError
from flam_pl.reports.wording import describe_backbone, how_edits, how_intervals, text_of

FORMAT = 2  # of metrics.json and results.json

PARTS = (  # keys of metrics.json with values per method
    *("edits", "instance_by_method", "counterfactual", "double_edits", "preservation", "ndcg"),
    *("by_strength", "depth", "ratio", "change", "classification", "calibration"),
)

KEYS = ["dataset", "part", "method", "group", "measure"]
VALUES = ["value", "low", "high", "n"]
FLOATS = dict.fromkeys(VALUES[:3], float)

Metrics = Mapping[str, Any]


@dataclass(frozen=True)
class Measurements:
    """All figures of a run, per seed."""

    dataset: str
    best: str  # the method that searches
    methods: Mapping[str, Mapping[str, str]]  # method -> "title" and "color"
    about: Sequence[str]  # notes on all tables
    table: pd.DataFrame
    """Columns "seed", ``KEYS`` and ``VALUES``; the run's own seed is first."""

    @classmethod
    def of(cls, by_seed: Sequence[Metrics]) -> Measurements:
        own, order = by_seed[0], list(by_seed[0]["methods"])

        def place(row: Mapping[str, Any]) -> tuple[int, str]:
            head, _, scorer = row["method"].partition("+")
            return (order.index(head), scorer) if head in order else (len(order), "")

        rows = sorted((row for metrics in by_seed for row in _rows(metrics)), key=place)
        seeds = [int(metrics["config"]["seed"]) for metrics in by_seed]
        features = f"Features: {describe_backbone(own)}."
        about = [how_edits(own), features, how_intervals(seeds), *own["notes"]]
        table = pd.DataFrame(rows, columns=["seed", *KEYS, *VALUES]).astype(FLOATS)
        return cls(own["dataset"], own["best"], own["methods"], about, table)

    def plus(self, table: pd.DataFrame) -> Measurements:
        return replace(self, table=pd.concat([self.table, table], ignore_index=True))

    @cached_property
    def summary(self) -> pd.DataFrame:
        found = summarise(self.table)
        return found.assign(title=found["method"].map(self.title))

    def part(self, name: str, **equal: str) -> pd.DataFrame:
        """Rows of the summary, e.g. ``part("edits", group="all")``."""
        found = self.summary
        for column, value in {"part": name, **equal}.items():
            found = found[found[column] == value]
        return found

    def title(self, method: str) -> str:
        return display_name(method, self.methods)

    def to_plain(self) -> dict[str, Any]:
        rows = self.table.astype(object).where(self.table.notna(), None)
        plain = {name: getattr(self, name) for name in ("dataset", "best", "methods", "about")}
        return {"format": FORMAT, **plain, "table": rows.to_dict("split", index=False)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], source: object) -> Measurements:
        require_format(plain, source, "make results")
        fields = {name: plain[name] for name in ("dataset", "best", "methods", "about")}
        return cls(**fields, table=pd.DataFrame(**plain["table"]).astype(FLOATS))


def require_format(plain: Mapping[str, Any], source: object, remedy: str) -> None:
    """Raises FlamError for another format; ``remedy`` is a command."""
    if (found := plain.get("format", 1)) != FORMAT:
        raise FlamError(
            f"{source} has format {found}, expected {FORMAT}: another version of flam-pl wrote it. "
            f"Evaluate again: {remedy}"
        )


def _rows(metrics: Metrics) -> Iterator[dict[str, Any]]:
    fixed = {"seed": int(metrics["config"]["seed"]), "dataset": metrics["dataset"]}
    for part in PARTS:
        for (method, *groups, measure), estimate in _estimates(metrics[part]):
            names = {"part": part, "method": method, "group": [*groups, "all"][0]}
            yield {**fixed, **names, "measure": measure, **estimate}


def _estimates(node: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[Any, Any]]:
    """The keys and the values of every {"value", "low", "high", "n"} below a node."""
    for name, below in node.items():
        if isinstance(below, Mapping) and isinstance(below.get("n"), int):
            yield (*path, name), below
        elif isinstance(below, Mapping):
            yield from _estimates(below, (*path, name))


def display_name(method: str, methods: Mapping[str, Mapping[str, str]]) -> str:
    """The title of a method, e.g. ``FLAM + posteriors``, else its name."""
    head, plus, scorer = method.partition("+")
    if head not in methods:
        return method
    return methods[head]["title"] + (f" + {scorer}" if plus else "")


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Mean over the seeds, with a 95 % interval over items and seeds.

    Half-width: sqrt(a^2 + b^2) (Zou and Donner, Statistics in Medicine 2008), a the mean over seeds
    of bootstrap half-widths, b of Student's interval of the mean. "std": ddof=1, nan if all equal.
    """
    known = table[table["value"].notna() & (table["n"] > 0)]
    known = known.assign(below=known["value"] - known["low"], above=known["high"] - known["value"])
    groups = known.groupby(KEYS, sort=False)
    found, seeds, half = groups[VALUES].first(), groups.size(), groups[["below", "above"]].mean()
    several = (groups[VALUES].nunique(dropna=False) > 1).any(axis=1)
    # by NumPy: the sums of pandas differ in the last digit, which decides how .8005 is rounded
    mean = groups["value"].agg(lambda v: np.mean(v.to_numpy())).where(several)
    std = groups["value"].agg(lambda v: np.std(v.to_numpy(), ddof=len(v) > 1)).where(several)
    of_seeds = t.ppf(0.975, seeds - 1) * std / np.sqrt(seeds)
    below, above = np.hypot(half["below"], of_seeds), np.hypot(half["above"], of_seeds)
    found.update(pd.DataFrame({"value": mean, "low": mean - below, "high": mean + above}))
    found["std"] = std
    own = table.loc[table["seed"] == table["seed"].iloc[0], KEYS] if len(table) else table[KEYS]
    found = found.reindex(pd.MultiIndex.from_frame(own.drop_duplicates())).reset_index()
    columns = (found[name] for name in ("value", "std", "low", "high"))
    return found.assign(text=[text_of(*row) for row in zip(*columns, strict=True)])
