"""The results of runs as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from flam_pl.reports.measurements import Measurements
from flam_pl.reports.tables import BRIEF, Table, tables_of
from flam_pl.reports.wording import bullets, text_of

PICTURES = {  # table -> its picture
    "by_strength": "precision_and_hits",
    "depth": "candidates",
    f"labels_T@{BRIEF}": "label_share",
}

LEFT_OUT = ("macro", "edits_")  # tables that the page of several runs leaves out, by beginning

INTRODUCTION = """# Results

Made by `make results-page` from what `make results` measured. All methods are trained on the same
features and measured by the same code."""


def run_page(found: Measurements, pictures: Mapping[str, str]) -> str:
    """Every table of a run; ``pictures``: chart -> its file."""
    parts = [f"# Results on {found.dataset}", bullets(found.about)]
    return "\n\n".join([*parts, *sections(tables_of(found), 2, pictures)]) + "\n"


def joined_page(
    runs: Sequence[Measurements], pictures: Sequence[Mapping[str, str]], tried: str | None
) -> str:
    """Several runs on one page; ``tried``: Markdown about what did not help."""
    parts = [INTRODUCTION, at_a_glance(runs).markdown()]
    for found, drawn in zip(runs, pictures, strict=True):
        tables = [table for table in tables_of(found) if not table.name.startswith(LEFT_OUT)]
        parts += [f"## {found.dataset}", bullets(found.about), *sections(tables, 3, drawn)]
    if tried:
        parts += ["## What was tried and did not help", tried.strip()]
    return "\n\n".join(parts) + "\n"


def sections(tables: Sequence[Table], level: int, pictures: Mapping[str, str]) -> list[str]:
    return [t.markdown(level, pictures.get(PICTURES.get(t.name, ""), "")) for t in tables]


def at_a_glance(runs: Sequence[Measurements]) -> Table:
    datasets, cells = [found.dataset for found in runs], []
    for name in ("T@1", f"T@{BRIEF}"):
        for number, found in enumerate(runs, start=1):
            rows = found.part("edits", group="all", measure=name)
            several = datasets.count(found.dataset) > 1
            column = f"{found.dataset} {f'({number}) ' if several else ''}{name}"
            text = [text_of(*pair) for pair in zip(rows["value"], rows["std"], strict=True)]
            cells.append(rows.assign(row=rows["title"], column=column, text=text))
    return Table("glance", "At a glance", pd.concat(cells))
