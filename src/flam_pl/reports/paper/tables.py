"""The paper's Tables 1 to 5."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import OmegaConf

from flam_pl.atomic_io import write_text
from flam_pl.reports import wording
from flam_pl.reports.measurements import Measurements, Metrics
from flam_pl.reports.tables import Table
from flam_pl.reports.wording import NAN, how_intervals, text_of

ABLATED = "FLAM (M, OS, adv)"  # FLAM as proposed, in Table 3
Cell = dict[str, Any]  # with "row", "column" and "text"
Keys = Mapping[str, tuple[str, ...]]  # column -> (part, method, group, measure)


def published(part: str, dataset: str) -> dict[str, Any]:
    """Row -> column -> the paper's value on this data set."""
    text = files("flam_pl.reports.paper").joinpath("published.yaml").read_text(encoding="utf-8")
    content: Any = OmegaConf.to_container(OmegaConf.create(text))
    return dict(content[part].get(dataset, {}))


@dataclass(frozen=True)
class PaperTables:
    dataset: str
    classes: Mapping[str, Mapping[str, int]]  # attribute type -> class -> number of images
    by_seed: Sequence[Metrics] = ()
    by_backbone: Mapping[str, Metrics] | None = None  # choice of conf/backbone/ -> of its run
    note: str = ""  # of every table

    def table(self, number: int) -> list[Table]:
        builders = {
            1: [self.class_table],
            2: [self.instance_table],
            3: [self.edit_table],
            4: [self.both_tasks],
            5: [self.backbones, self.classification],
        }
        place = re.sub("[^A-Za-z0-9]+", "-", self.dataset)
        title = f"Table {number} on {self.dataset}"
        return [
            replace(part, name=f"{number}-{position}-{place}", title=f"{title}: {part.title}")
            for position, part in enumerate(build() for build in builders[number])
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
            own = {"column": "classes (images)", "text": text, "counts": {**counts}}
            quoted = {"column": "classes in the paper", "text": paper.get(name, "-")}
            cells += [{"row": name} | of for of in ([own, quoted] if paper else [own])]
        title = "attribute classes used for the experiments"
        notes = filter(None, (self.note, "Images of all splits that carry the label."))
        return Table("", title, pd.DataFrame(cells), tuple(notes), head="attribute type")

    def instance_table(self) -> Table:
        """Table 2: instance retrieval."""
        keys = at_cut_offs("instance_by_method", "no_edit", "R", 1, 5, 20, 50)
        paper, own = published("instances", self.dataset), self.by_seed[0]
        of_flam = paper.pop("flam", {})
        cells = self.quoted(paper, keys) + self.cells("FLAM (features of stage 1)", keys, of_flam)
        features = f"Features: {wording.describe_backbone(own)}."
        return self.filled("instance retrieval, R@k", cells, wording.how_instances(own), features)

    def edit_table(self) -> Table:
        """Table 3: T@50 by the edited type."""
        paper, groups = published("edits", self.dataset), [*self.classes, "all"]
        others = {name: of for name, of in paper.items() if name not in self.found.methods}
        cells = self.quoted(others, groups)
        for method in self.found.part("edits")["method"].unique():
            keys = {group: ("edits", method, group, "T@50") for group in groups}
            cells += self.of_method(method, keys, paper)
        legend = (
            "M / S: the remaining types are matched too / only the target. adv: adversarial loss. "
            "OS: online sampling. Cls-Concat and Emb-Concat search a second vector that is stored "
            "for edits alone; all others search the features as they are stored."
        )
        title = "T@50 of edited searches, by the edited attribute type"
        return self.filled(title, cells, wording.how_edits(self.by_seed[0]), legend)

    def both_tasks(self) -> Table:
        """Table 4: one vector for both tasks."""
        paper, cells = published("both_tasks", self.dataset), []
        for method in ("cls_concat", "emb_concat", "flam"):
            keys = at_cut_offs("instance_by_method", method, "R", 1, 5, 20, 100)
            keys |= at_cut_offs("edits", method, "T", 1, 5, 20, 100)
            cells += self.of_method(method, keys, paper)
        how = "R@k: searched in the vectors in which the method searches edits."
        title = "instance retrieval (R@k) and edited search (T@k) in the same vector"
        return self.filled(title, cells, how, wording.how_edits(self.by_seed[0]))

    def backbones(self) -> Table:
        """Table 5, left: R@20 and T@20 by backbone."""
        paper, cells = published("backbones", self.dataset), []
        keys = at_cut_offs("instance_by_method", "no_edit", "R", 20)
        keys |= at_cut_offs("edits", "flam", "T", 20)
        for row, metrics in (self.by_backbone or {}).items():
            settings = metrics["config"]["backbone"]
            own = paper.get(settings["model"], {}) if settings["max_epochs"] else {}
            cells.append(
                {"row": row, "column": "what it is", "text": wording.describe_backbone(metrics)}
            )
            cells += replace(self, by_seed=[metrics]).cells(row, keys, own)
        how = f"Each backbone trains every stage anew, with seed {self.seeds[0]}."
        once, edits = replace(self, by_seed=self.by_seed[:1]), wording.how_edits(self.by_seed[0])
        return once.filled("FLAM on different backbones", cells, how, edits, head="backbone")

    def classification(self) -> Table:
        """Table 5, right: classifiers on manipulated features."""
        paper, cells = published("classification", self.dataset), []
        for kind in ("original", "manipulated"):
            columns = *self.classes, "mean change"
            keys = {column: ("classification", kind, "all", column) for column in columns}
            cells += self.cells(kind, keys, paper.get(kind, {}))
        how = (
            "The classifiers are those of Cls-Concat, trained on original features of labelled "
            "training images. Original: share of the query images whose class they recognise. "
            "Manipulated: share of FLAM's edits of that type, those that count in Table 3, whose "
            "wanted class they recognise."
        )
        title = "accuracy of classifiers on original and on manipulated features"
        return self.filled(title, cells, how, head="query")

    def cells(self, row: str, keys: Keys, paper: Mapping[str, float]) -> list[Cell]:
        cells = []
        for column, key in keys.items():
            known = self.values.get(key, {}) | {"published": paper.get(column)}
            shown = {name: known.get(name, NAN) for name in ("value", "std", "low", "high")}
            text = text_of(**shown, paper=paper.get(column, NAN))
            cells.append({"row": row, "column": column, "text": text, **known})
        return cells

    @cached_property
    def values(self) -> dict[Any, Cell]:
        index = self.found.summary.set_index(["part", "method", "group", "measure"])
        return dict(index[["value", "std", "low", "high", "n"]].to_dict("index"))  # type: ignore

    def quoted(self, paper: Mapping[str, Any], columns: Iterable[str]) -> list[Cell]:
        nowhere: Keys = dict.fromkeys(columns, ())
        return [cell for row, of in paper.items() for cell in self.cells(row, nowhere, of)]

    def of_method(self, method: str, keys: Keys, paper: Mapping[str, Any]) -> list[Cell]:
        own = self.by_seed[0]
        settings, dimension = own["config"]["manipulator"], own["dimensions"].get(method, "-")
        proposed = settings["with_remaining"] and settings["online_sampling"]
        proposed = proposed and settings["adversarial_weight"] > 0
        row = ABLATED if method == "flam" and proposed else self.found.title(method)
        first = {"row": row, "column": "dim", "text": str(dimension)}
        return [first, *self.cells(row, keys, paper.get(method, {}))]

    def filled(self, title: str, cells: list[Cell], *notes: str, head: str = "method") -> Table:
        compared = any(cell.get("published") is not None for cell in cells)
        beside = "(paper ...): what the paper prints for the same data set." if compared else ""
        shown = tuple(filter(None, (self.note, *notes, how_intervals(self.seeds), beside)))
        table = pd.DataFrame(cells, columns=None if cells else ["row", "column", "text"])
        return Table("", title, table, shown, head)


def at_cut_offs(part: str, method: str, measure: str, *ks: int) -> dict[str, tuple[str, ...]]:
    return {f"{measure}@{k}": (part, method, "all", f"{measure}@{k}") for k in ks}


def write(folder: Path, number: int, tables: Sequence[Table], seeds: Sequence[int]) -> None:
    plain = {"seeds": list(seeds), "parts": [table.to_plain() for table in tables]}
    forms = {
        "md": "\n\n".join(table.markdown() for table in tables) + "\n",
        "tex": "\n\n".join(table.latex() for table in tables) + "\n",
        "json": json.dumps(plain, indent=1, allow_nan=False),
    }
    for ending, text in forms.items():
        write_text(folder / f"table{number}.{ending}", text)
