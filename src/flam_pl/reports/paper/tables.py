"""The paper's Tables 1 to 5, filled from the long table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import OmegaConf

from flam_pl.atomic_io import write_text
from flam_pl.reports.measurements import Measurements, Metrics
from flam_pl.reports.tables import Table
from flam_pl.reports.wording import (
    NAN,
    describe_backbone,
    how_edits,
    how_instances,
    how_intervals,
    text_of,
)

ABLATED = "FLAM (M, OS, adv)"  # FLAM as proposed, in Table 3
COLUMNS = ["row", "column", "text"]
Cell = dict[str, Any]  # with COLUMNS


def published(part: str, dataset: str) -> dict[str, Any]:
    """Row -> column -> the paper's value on this data set, empty where it has none."""
    text = files("flam_pl.reports.paper").joinpath("published.yaml").read_text(encoding="utf-8")
    content: Any = OmegaConf.to_container(OmegaConf.create(text))
    return dict(content[part].get(dataset, {}))


@dataclass(frozen=True)
class PaperTables:
    """What the tables are filled from."""

    dataset: str
    classes: Mapping[str, Mapping[str, int]]
    """Attribute type -> class -> number of images."""
    by_seed: Sequence[Metrics] = ()
    by_backbone: Mapping[str, Metrics] | None = None
    """Choice of ``conf/backbone/`` -> metrics of its run."""
    note: str = ""
    """Of every table."""

    def table(self, number: int) -> list[Table]:
        """The parts of Table 1 to 5."""
        builders = {
            1: [self.class_table],
            2: [self.instance_table],
            3: [self.edit_table],
            4: [self.both_tasks],
            5: [self.backbones, self.classification],
        }
        parts, place = [build() for build in builders[number]], self.dataset.replace("_", "-")
        title = f"Table {number} on {self.dataset}"
        return [
            replace(part, name=f"{number}-{position}-{place}", title=f"{title}: {part.title}")
            for position, part in enumerate(parts)
        ]

    @property
    def seeds(self) -> list[int]:
        return [int(metrics["config"]["seed"]) for metrics in self.by_seed]

    @cached_property
    def found(self) -> Measurements:
        return Measurements.of(self.by_seed)

    def class_table(self) -> Table:
        """Table 1: the classes of each attribute type."""
        paper, cells = published("classes", self.dataset), []
        for name, counts in self.classes.items():
            text = ", ".join(f"{label} {count}" for label, count in counts.items())
            column = "classes (images)"
            cells.append({"row": name, "column": column, "text": text, "counts": {**counts}})
            if paper:
                shown = paper.get(name, "-")
                cells.append({"row": name, "column": "classes in the paper", "text": shown})
        title = "attribute classes used for the experiments"
        notes = filter(None, (self.note, "Images of all splits that carry the label."))
        return Table("", title, pd.DataFrame(cells), tuple(notes), head="attribute type")

    def instance_table(self) -> Table:
        """Table 2: instance retrieval."""
        columns = ["R@1", "R@5", "R@20", "R@50"]
        paper = published("instances", self.dataset)
        own, key = paper.pop("flam", {}), ("instance_by_method", "no_edit", "all")
        cells = self.quoted(paper, columns)
        row = "FLAM (features of stage 1)"
        cells += [self.cell(row, c, own.get(c), *key, c) for c in columns]
        features = f"Features: {describe_backbone(self.by_seed[0])}."
        notes = how_instances(self.by_seed[0]), features
        return self.filled("instance retrieval, R@k", cells, own, notes)

    def edit_table(self) -> Table:
        """Table 3: T@50 by the edited type."""
        paper, groups = published("edits", self.dataset), [*self.classes, "all"]
        others = {name: of for name, of in paper.items() if name not in self.found.methods}
        cells = self.quoted(others, groups)
        for method in self.found.part("edits")["method"].unique():
            own, row = paper.get(method, {}), self.row_of(method)
            cells.append(self.dimension(row, method))
            cells += [self.cell(row, g, own.get(g), "edits", method, g, "T@50") for g in groups]
        legend = (
            "M / S: the remaining types are matched too / only the target. adv: adversarial loss. "
            "OS: online sampling. Cls-Concat and Emb-Concat search a second vector that is stored "
            "for edits alone; all others search the features as they are stored."
        )
        title = "T@50 of edited searches, by the edited attribute type"
        return self.filled(title, cells, paper, (how_edits(self.by_seed[0]), legend))

    def both_tasks(self) -> Table:
        """Table 4: one vector for both tasks."""
        paper, cells = published("both_tasks", self.dataset), []
        for method in ("cls_concat", "emb_concat", "flam"):
            own, row = paper.get(method, {}), self.row_of(method)
            cells.append(self.dimension(row, method))
            for part, letter in (("instance_by_method", "R"), ("edits", "T")):
                columns, key = [f"{letter}@{k}" for k in (1, 5, 20, 100)], (part, method, "all")
                cells += [self.cell(row, c, own.get(c), *key, c) for c in columns]
        how = "R@k: searched in the vectors in which the method searches edits."
        title = "instance retrieval (R@k) and edited search (T@k) in the same vector"
        return self.filled(title, cells, paper, (how, how_edits(self.by_seed[0])))

    def backbones(self) -> Table:
        """Table 5, left: R@20 and T@20 by backbone."""
        paper, cells = published("backbones", self.dataset), []
        for row, metrics in (self.by_backbone or {}).items():
            settings = metrics["config"]["backbone"]
            own = paper.get(settings["model"], {}) if settings["max_epochs"] else {}
            of_run = PaperTables(self.dataset, self.classes, [metrics])
            cells.append({"row": row, "column": "what it is", "text": describe_backbone(metrics)})
            for key in (
                ("instance_by_method", "no_edit", "all", "R@20"),
                ("edits", "flam", "all", "T@20"),
            ):
                cells.append(of_run.cell(row, key[-1], own.get(key[-1]), *key))
        how = f"Each backbone trains every stage anew, with seed {self.seeds[0]}."
        notes = how, how_edits(self.by_seed[0])
        title = "FLAM on different backbones"
        return self.filled(title, cells, paper, notes, "backbone", self.seeds[:1])

    def classification(self) -> Table:
        """Table 5, right: classifiers on manipulated features."""
        paper = published("classification", self.dataset)
        cells = [
            self.cell(kind, c, paper.get(kind, {}).get(c), "classification", kind, "all", c)
            for kind in ("original", "manipulated")
            for c in (*self.classes, "mean change")
        ]
        how = (
            "The classifiers are those of Cls-Concat, trained on original features of labelled "
            "training images. Original: share of the query images whose class they recognise. "
            "Manipulated: share of FLAM's edits of that type, those that count in Table 3, whose "
            "wanted class they recognise."
        )
        title = "accuracy of classifiers on original and on manipulated features"
        return self.filled(title, cells, paper, (how,), "query")

    def cell(self, row: str, column: str, paper: float | None, *key: str) -> Cell:
        """The value of a key (part, method, group, measure), and the paper's."""
        known = self.values.get(key, {})
        shown = {name: known.get(name, NAN) for name in ("value", "std", "low", "high")}
        text = text_of(**shown, published=paper)
        return {"row": row, "column": column, "text": text, **known, "published": paper}

    @cached_property
    def values(self) -> dict[Any, Cell]:
        index = self.found.summary.set_index(["part", "method", "group", "measure"])
        return dict(index[["value", "std", "low", "high", "n"]].to_dict("index"))  # type: ignore

    def quoted(self, paper: Mapping[str, Mapping[str, float]], columns: list[str]) -> list[Cell]:
        """Rows that the paper quotes from others."""
        return [self.cell(row, c, of.get(c)) for row, of in paper.items() for c in columns]

    def row_of(self, method: str) -> str:
        """A method's name in Table 3."""
        settings = self.by_seed[0]["config"]["manipulator"]
        proposed = settings["with_remaining"] and settings["online_sampling"]
        proposed = proposed and settings["adversarial_weight"] > 0
        return ABLATED if method == "flam" and proposed else self.found.title(method)

    def dimension(self, row: str, method: str) -> Cell:
        known = self.by_seed[0]["dimensions"].get(method, "-")
        return {"row": row, "column": "dim", "text": str(known)}

    def filled(
        self,
        title: str,
        cells: list[Cell],
        paper: Mapping[str, Any],
        notes: Sequence[str],
        head: str = "method",
        seeds: Sequence[int] | None = None,
    ) -> Table:
        beside = "(paper ...): what the paper prints for the same data set." if paper else ""
        intervals = how_intervals(self.seeds if seeds is None else seeds)
        shown = tuple(filter(None, (self.note, *notes, intervals, beside)))
        table = pd.DataFrame(cells, columns=None if cells else COLUMNS)
        return Table("", title, table, shown, head)


def write(folder: Path, number: int, tables: Sequence[Table], seeds: Sequence[int]) -> None:
    """``table<N>.md``, ``.tex`` and ``.json``."""
    plain = {"seeds": list(seeds), "parts": [table.to_plain() for table in tables]}
    forms = {
        "md": "\n\n".join(table.markdown() for table in tables) + "\n",
        "tex": "\n\n".join(table.latex() for table in tables) + "\n",
        "json": json.dumps(plain, indent=1, allow_nan=False),
    }
    for ending, text in forms.items():
        write_text(folder / f"table{number}.{ending}", text)
