"""Tables of ``Measurements``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
from tabulate import LATEX_ESCAPE_RULES, tabulate

from flam_pl.reports.measurements import Measurements
from flam_pl.reports.wording import bullets, text_of

BRIEF = "10"  # cut-off k of a measure with one column
REFERENCE = "cls_concat"  # the paper's upper bound, which T@k is divided by

EVENTS = {  # of which an edited search gives the probability
    "attribute": "a result has the wanted attribute",
    "combination": "a result has the whole combination",
    "answer": "the gallery has the combination",
}

NOTES = {
    "edits": f"P@{BRIEF}: share of the first {BRIEF} results with the wanted class. as_it_was: "
    "share with the query's own combination. utility: 0 without the wanted class, else four times "
    "as much for each other attribute that is the query's; discounted by rank, divided by the best "
    "order's. kept_of_wanted and NDCG: see their own tables.",
    "macro": "Averaged over the wanted combinations: rare ones count as much as frequent ones.",
    "change": "Each method minus the one that searches, paired by item.",
    "counterfactual": "CF@k: share of the edits with the same item, with only this attribute "
    "changed, among the first k results.",
    "instance": "R@k, in the vectors in which each method searches edits.",
    "double_edits": "Two edits of different attributes, drawn at random among the possible ones.",
    "by_strength": "From 0, the plain search, to 1, the whole edit. wanted_first: share of first "
    "results with the wanted class. cosine_to_query: cosine of the edited to the unedited query.",
    "depth": "Only so many images, the nearest by the edited feature, are scored with posteriors.",
    "ndcg": "A result gains 2^r - 1, discounted by log2(rank + 1). r: the share of its attributes, "
    "of the edited one (target) or of the others that are as wanted. 1: the gallery's best order.",
    "preservation": "Of the results with the wanted class, the share with the query's value of an "
    "attribute that no training and no edit uses.",
    "calibration": "Probabilities of the embedders (raw), and after Platt scaling on validation "
    "searches. ECE: expected calibration error. observed: share of the events that came true. The "
    "search warns where an answer is too unlikely: detection_rate is the share of edits without an "
    "answer that get a warning, false_alarm_rate the same of those with one.",
    "labels": "In brackets: the number of labels. Each seed keeps other labels.",
}


@dataclass(frozen=True)
class Table:
    name: str
    title: str
    cells: pd.DataFrame  # one row per cell, with at least "row", "column" and "text"
    notes: tuple[str, ...] = ()
    head: str = "method"

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The grid of texts; "-" for a missing cell."""
        rows, columns = self.cells["row"].unique(), self.cells["column"].unique()
        grid = self.cells.pivot(index="row", columns="column", values="text")
        grid = grid.reindex(index=rows, columns=columns).fillna("-")
        return grid.rename_axis(index=self.head, columns=None).reset_index()

    def text(self, style: str) -> str:
        """The grid in a ``tabulate`` style."""
        rows, head = self.frame.to_numpy().tolist(), list(self.frame)
        return str(tabulate(rows, head, tablefmt=style, disable_numparse=True))

    def markdown(self, level: int = 2, picture: str = "") -> str:
        head, notes = f"{'#' * level} {self.title}", bullets(self.notes)
        image = f"![{self.title}]({picture})" if picture else ""
        grid = self.text("github") if len(self.cells) else ""
        return "\n\n".join(filter(None, [head, image, notes, grid]))

    def latex(self) -> str:
        """A ``table`` environment; needs the package booktabs."""
        caption = " ".join([f"{self.title}.", *self.notes])
        escaped = "".join(LATEX_ESCAPE_RULES.get(letter, letter) for letter in caption)
        start = "\\begin{table}\n\\centering\n" + self.text("latex_booktabs")
        return f"{start}\n\\caption{{{escaped}}}\n\\label{{tab:{self.name}}}\n\\end{{table}}"

    def to_plain(self) -> dict[str, Any]:
        cells = self.cells.astype(object).where(self.cells.notna(), None)
        return {"title": self.title, "notes": list(self.notes), "cells": cells.to_dict("records")}


def tables_of(found: Measurements) -> list[Table]:
    edits = found.part("edits")
    types = [group for group in edits["group"].unique() if group not in ("all", "macro")]
    t_at_k, ndcg, kept = (at_cut_off(found, name) for name in ("T", "NDCG", "kept_of_wanted"))
    overall = edits[edits["group"] == "all"]
    by_type = edits[(edits["measure"] == t_at_k) & edits["group"].isin(["all", *types])]
    by_kind = pd.concat([overall, found.part("ndcg")]).query("measure == @ndcg")
    by_trait = pd.concat([overall, found.part("preservation")]).query("measure == @kept")
    changes = found.part("change")  # without those of the row to itself
    changes = changes[changes.groupby("method")["value"].transform("any")]
    both = (found.part(name) for name in ("by_strength", "depth"))
    strengths, depths = (of.assign(title=of["title"] + ", " + of["group"]) for of in both)
    share = f"T@k divided by that of {found.title(REFERENCE)}"
    tables = [
        table("edits", "Edited search, all edits", overall),
        table("macro", "Mean over the wanted combinations", edits[edits["group"] == "macro"]),
        table("by_type", f"{t_at_k} by the edited attribute", by_type, columns="group"),
        *(table(f"edits_{t}", f"Edits of {t}", edits[edits["group"] == t]) for t in types),
        table("change", "Difference to the method that searches", changes),
        table("ratio", share, found.part("ratio", group=REFERENCE)),
        table("counterfactual", "Counterfactuals", found.part("counterfactual")),
        table("instance", "Instance search", found.part("instance_by_method")),
        table("double_edits", "Two edits at once", found.part("double_edits", group="all")),
        table("by_strength", "Strength of the edit", strengths),
        table("depth", "Number of candidates", depths),
        table("ndcg", f"{ndcg} by attribute", by_kind, columns="group"),
        table("preservation", f"Attribute preservation, {kept}", by_trait, columns="group"),
        calibration(found.part("calibration")),
        *(
            table(f"labels_{name}", f"{name} by the share of the labels", of_k, columns="group")
            for name, of_k in found.part("labels").groupby("measure", sort=False)
        ),
    ]
    return [table for table in tables if len(table.cells)]


def table(name: str, title: str, rows: pd.DataFrame, columns: str = "measure") -> Table:
    """A row per method, a column per group or measure; only T, R and CF at every cut-off k."""
    if columns == "measure":
        shown = rf"(T|R|CF)@.*|[^@]*|.*@{cut_off(rows['measure'])}"
        rows = rows[rows["measure"].str.fullmatch(shown).astype(bool)]
    note = NOTES.get(name.partition("_T@")[0])
    cells = rows.assign(row=rows["title"], column=rows[columns])
    return Table(name, title, cells, (note,) if note else ())


def calibration(rows: pd.DataFrame) -> Table:
    raw = rows["group"] == "raw"
    column = rows["measure"].where(~raw, rows["measure"] + ", raw")
    cells = rows.assign(row=rows["method"].map(EVENTS), column=column)
    cells = cells[column != "observed, raw"]
    return Table("calibration", "Calibration", cells, (NOTES["calibration"],), head="event")


def short_table(found: Measurements) -> Table:
    """The main values of the methods without posteriors and of the best method."""
    rows = found.summary[found.summary["group"] == "all"]
    columns = ["T@1", at_cut_off(found, "T"), at_cut_off(found, "P"), "CF@1", "R@1"]
    parts = ["edits", "counterfactual", "instance_by_method"]
    plain = ~rows["method"].str.contains("+", regex=False) | (rows["method"] == found.best)
    rows = rows[plain & rows["measure"].isin(columns) & rows["part"].isin(parts)]
    text = [text_of(value) for value in rows["value"]]
    cells = rows.assign(row=rows["title"], column=rows["measure"], text=text)
    how = ", as chosen on validation images" if "+" in found.best else ""
    note = f"The search uses {found.title(found.best)}{how}."
    return Table("short", "The main numbers", cells, (note,))


def at_cut_off(found: Measurements, measure: str) -> str:
    """E.g. ``NDCG@10``; the last cut-off if 10 is none."""
    return f"{measure}@{cut_off(found.part('edits', group='all')['measure'])}"


def cut_off(measures: pd.Series) -> str:
    known = [name.partition("@")[2] for name in measures if "@" in name]
    return BRIEF if BRIEF in known or not known else known[-1]
