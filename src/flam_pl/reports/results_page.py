"""The results of a run, and of several runs together, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tabulate import tabulate

from flam_pl.evaluation.oracle import ORACLE
from flam_pl.evaluation.strength import QUERIES
from flam_pl.reports.results_figures import BRIEF, CUTOFFS
from flam_pl.reports.table_formats import Part
from flam_pl.reports.tables import TITLES, called

ON_THE_PAGE = (
    "edits",
    "change",
    "to_cls_concat",
    "by_type",
    "counterfactual",
    "instances",
    "pairs",
    "ndcg",
    "kept",
    "by_strength",
    "by_depth",
    "calibration",
)
"""Tables that the page of several runs has of each, before the label shares; all
others are in ``runs/<run>/results/results.md``."""

SHOWS = {
    "by_strength": "T@10 against P@10, from the plain search to the whole edit",
    "by_depth": "T@1 and T@50 by the number of candidates",
    "labels": "T@k by the share of the labels",
}
"""Parts that have a picture, and what it shows."""

INTRODUCTION = """Made by `make results-page` from what `make results` measured: every method is
trained on the same features and measured by the same code."""

MEANINGS = (
    "CF@k: the first k results hold the same item with just that attribute changed. R@k: photos of "
    "the item itself, without an edit.",
    f"NDCG@{BRIEF}: how early the results that are as wanted come: by all attributes, by the "
    "edited one (target) and by the others.",
    "P@k: share of the first k results with the wanted class; as_it_was@k: share with exactly the "
    "query's own combination; utility@k: discounted worth of the results, none without the wanted "
    "class, else four times as much for each other attribute that is the query's. "
    "kept_of_wanted@k: of "
    "the results with the wanted class, the share that has the query's value of a trait.",
    f"Strength: from 0, the plain search, to 1, all that is asked for; of {QUERIES} query images "
    "at most.",
    f"{called(ORACLE)}: images with exactly the wanted combination come first, ordered by their "
    "cosine to the query. No method knows the labels.",
    "Calibration: ECE and Brier score of what the search says of itself, before (raw) and after it "
    "was set right on validation.",
)


def run_page(plain: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    """``results.md`` of a run: every table.

    Args:
        plain: ``results.json``.
        pictures: part -> its picture, beside the page.
    """
    lines = [f"# Results on {plain['dataset']}", "", *bullets([*plain["about"], *MEANINGS])]
    left = {**pictures}
    for name, part in plain["parts"].items():
        of = "labels" if name.startswith("labels") else name
        lines += section(Part.from_plain(part), 2, picture(of, left))
        left.pop(of, None)  # several tables share that of the labels
    return "\n".join(lines)


def joined_page(
    runs: Sequence[Mapping[str, Any]], pictures: Sequence[Mapping[str, str]], tried: str | None
) -> str:
    """The page of several runs.

    Args:
        runs: ``results.json`` of each.
        pictures: of each part -> its picture, from the page.
        tried: what was tried and did not help, in Markdown without a title.
    """
    lines = ["# Results", "", INTRODUCTION, "", *bullets(MEANINGS), *at_a_glance(runs)]
    for plain, drawn in zip(runs, pictures, strict=True):
        parts = {name: Part.from_plain(part) for name, part in plain["parts"].items()}
        dataset = plain["dataset"]
        lines += [f"## {dataset}", "", *bullets(plain["about"])]
        for name in ON_THE_PAGE:
            lines += section(parts[name], 3, picture(name, drawn))
        lines += [f"### How many labels are needed on {dataset}", "", *picture("labels", drawn)]
        for name in (name for name in parts if name.startswith("labels")):
            lines += section(parts[name], 4)
    if tried:
        lines += ["## What was tried and did not help", "", tried.strip(), ""]
    return "\n".join(lines)


def picture(part: str, pictures: Mapping[str, str]) -> list[str]:
    """The picture of a part, where it has one."""
    file = pictures.get(part)
    return [f"![{SHOWS[part]}]({file})", ""] if file else []


def at_a_glance(runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """T@1 and T@10 of every method on every data set."""
    ks = [k for k in CUTOFFS if k in (1, BRIEF)]
    columns: list[str] = []
    by_title: dict[str, list[str]] = {title: [] for title in TITLES.values()}
    for plain in runs:
        part = Part.from_plain(plain["parts"]["edits"])
        rows = dict(part.rows)
        for k in (k for k in ks if f"T@{k}" in part.columns):
            columns.append(f"{plain['dataset']} T@{k}")
            place = part.columns.index(f"T@{k}") - 1
            for title, cells in by_title.items():
                cells.append(rows[title][place].brief if title in rows else "-")
    shown = [[title, *cells] for title, cells in by_title.items() if {*cells} - {"-"}]
    grid = tabulate(shown, ["method", *columns], tablefmt="github", disable_numparse=True)
    return ["## At a glance", "", str(grid), ""]


def section(part: Part, level: int, drawn: Sequence[str] = ()) -> list[str]:
    """A table under its title and its picture."""
    return [f"{'#' * level} {part.title}", "", *drawn, *body(part)]


def body(part: Part) -> list[str]:
    """Notes and table; the notes alone where there is nothing to show."""
    notes = ["\n".join(part.notes), ""] if part.notes else []
    return notes + ([part.grid("github"), ""] if part.rows else [])


def bullets(texts: Sequence[str]) -> list[str]:
    return [*(f"- {text}" for text in texts), ""]
