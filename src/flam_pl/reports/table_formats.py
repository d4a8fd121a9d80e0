"""A table as the paper has them, and its three forms: Markdown, LaTeX (booktabs) and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t
from tabulate import LATEX_ESCAPE_RULES, tabulate

from flam_pl.atomic_io import write_text
from flam_pl.reports.tables import interval, short


@dataclass(frozen=True)
class Cell:
    """What is read (``text``), and the same for programs (``data``)."""

    text: str = "-"
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def brief(self) -> str:
        """``.642 ± .003``: without the interval."""
        mean, std = self.data.get("mean"), self.data.get("std")
        if mean is None:
            return "-"
        return short(mean) + (f" ± {short(std)}" if std is not None else "")

    @classmethod
    def measured(
        cls, figures: Sequence[Mapping[str, Any] | None], published: float | None = None
    ) -> Cell:
        """A share, the paper's own beside it.

        Args:
            figures: {"value", "low", "high", "n"} of each seed, the run's own first; None or
                n = 0 where nothing could be measured; low and high None where there is no interval.
            published: what the paper prints for it on the same data set.

        Returns:
            With several seeds the mean and the standard deviation (ddof=1) of the values, and an
            interval that covers the seeds and the items (``over_seeds``). A figure that is the same
            for all seeds is shown as that of one.
        """
        if figures and all(figure == figures[0] for figure in figures):
            figures = figures[:1]
        known = [f for f in figures if f and f["n"] and f["value"] is not None]
        first = dict(known[0]) if known else {}
        if first.get("low") is not None:
            first["low"], first["high"] = over_seeds(known)
        around = interval(first) if first.get("low") is not None else ""
        return cls._of([float(f["value"]) for f in known], first, around, published)

    @classmethod
    def changed(cls, changes: Sequence[float], published: float | None = None) -> Cell:
        """The difference of two shares, of each seed, without an interval."""
        return cls._of(changes, {}, "", published)

    @classmethod
    def _of(
        cls, values: Sequence[float], first: Mapping[str, Any], around: str, published: float | None
    ) -> Cell:
        mean = float(np.mean(values)) if values else None
        std = float(np.std(values, ddof=1)) if len(values) > 1 else None
        words = [
            short(mean) if mean is not None else "",
            f"± {short(std)}" if std is not None else "",
            around,
            f"(paper {short(published)})" if published is not None else "",
        ]
        data = {**first, "values": [*values], "mean": mean, "std": std, "published": published}
        return cls(" ".join(filter(None, words)) or "-", data)


def over_seeds(figures: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """A 95 % interval of the mean over seeds, for other items and for other seeds.

    All seeds are measured on the same items, so their intervals by item do not shrink in the mean:
    their half-widths are averaged. The seeds add the half-width of Student's interval of their
    mean; half-widths of independent causes add up as squares (Zou and Donner, Statistics in
    Medicine 2008).

    Args:
        figures: {"value", "low", "high"} of each seed; of one its own interval is given back.

    Example:
        >>> two = [{"value": v, "low": v - 0.03, "high": v + 0.03} for v in (0.5, 0.5)]
        >>> [round(end, 2) for end in over_seeds(two)]
        [0.47, 0.53]
    """
    values, low, high = (
        np.array([float(f[name]) for f in figures]) for name in ("value", "low", "high")
    )
    if len(values) == 1:
        return float(low[0]), float(high[0])
    mean, seeds = values.mean(), len(values)
    of_seeds = t.ppf(0.975, seeds - 1) * values.std(ddof=1) / seeds**0.5
    below, above = np.mean(values - low), np.mean(high - values)
    return float(mean - np.hypot(below, of_seeds)), float(mean + np.hypot(above, of_seeds))


@dataclass(frozen=True)
class Part:
    """One grid of cells: a table of the paper, or the left or right half of one."""

    title: str
    columns: Sequence[str]
    """The first one heads the names of the rows."""
    rows: Sequence[tuple[str, Sequence[Cell]]]
    notes: Sequence[str] = ()

    def grid(self, style: str) -> str:
        body = [[name, *(cell.text for cell in cells)] for name, cells in self.rows]
        return str(tabulate(body, self.columns, tablefmt=style, disable_numparse=True))

    def plain(self) -> dict[str, Any]:
        """Fit for JSON, names and words included."""
        return {
            "title": self.title,
            "head": self.columns[0],
            "columns": list(self.columns[1:]),
            "rows": [
                {
                    "name": name,
                    "cells": {
                        column: {"text": cell.text, **cell.data}
                        for column, cell in zip(self.columns[1:], cells, strict=True)
                    },
                }
                for name, cells in self.rows
            ],
            "notes": list(self.notes),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Part:
        """The part that ``plain`` was made of."""
        rows = [
            (
                row["name"],
                [
                    Cell(cell["text"], {k: v for k, v in cell.items() if k != "text"})
                    for cell in (row["cells"][column] for column in plain["columns"])
                ],
            )
            for row in plain["rows"]
        ]
        return cls(plain["title"], [plain["head"], *plain["columns"]], rows, plain["notes"])


@dataclass(frozen=True)
class PaperTable:
    """A numbered table on one data set."""

    number: int
    dataset: str
    parts: Sequence[Part]
    seeds: Sequence[int] = ()
    """That ``values`` of the cells are of, in this order."""

    def title_of(self, part: Part) -> str:
        return f"Table {self.number} on {self.dataset}: {part.title}"

    def markdown(self) -> str:
        lines = []
        for part in self.parts:
            lines += [f"## {self.title_of(part)}", "", part.grid("github"), ""]
            lines += [*(f"- {note}" for note in part.notes), ""]
        return "\n".join(lines)

    def latex(self) -> str:
        """A ``table`` environment a part, its notes in the caption; needs the package booktabs."""
        lines = []
        for position, part in enumerate(self.parts):
            caption = " ".join([f"{self.title_of(part)}.", *part.notes])
            lines += [
                r"\begin{table}",
                r"\centering",
                part.grid("latex_booktabs"),
                rf"\caption{{{_escaped(caption)}}}",
                rf"\label{{tab:{self.number}-{position}-{self.dataset.replace('_', '-')}}}",
                r"\end{table}",
                "",
            ]
        return "\n".join(lines)

    def json(self) -> str:
        parts = [part.plain() for part in self.parts]
        whole = {
            "table": self.number,
            "dataset": self.dataset,
            "seeds": list(self.seeds),
            "parts": parts,
        }
        return json.dumps(whole, indent=1, allow_nan=False)

    def write(self, folder: Path) -> None:
        """``table<N>.md``, ``.tex`` and ``.json``."""
        forms = {"md": self.markdown(), "tex": self.latex(), "json": self.json()}
        for ending, text in forms.items():
            write_text(folder / f"table{self.number}.{ending}", text)


def _escaped(text: str) -> str:
    return "".join(LATEX_ESCAPE_RULES.get(letter, letter) for letter in text)
