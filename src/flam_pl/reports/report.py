"""One report: ``metrics.json``, ``tables.md``, ``figures/`` and a page that shows them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from flam_pl.atomic_io import replace_folder
from flam_pl.datasets.catalog import Catalog
from flam_pl.errors import FlamError
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.reports import candidates, tables
from flam_pl.reports.pictures import choose_examples, draw_curves, draw_methods, draw_searches, save
from flam_pl.reports.precision_and_hits import draw as draw_precision_and_hits
from flam_pl.reports.reliability import draw_reliability
from flam_pl.retrieval.retriever import Retriever
from flam_pl.retrieval.vectors import SearchVectors
from flam_pl.training.records import STAGES

COMPARED = ("no_edit", "arithmetic", "cls_concat", "emb_concat", "flam")
"""Methods whose searches stand below each other in a picture, where the run has them."""

METRICS = "metrics.json"
"""Every figure of a report; its tables and its page are made from it."""


@dataclass(frozen=True)
class Report:
    """What was measured, and where it is written.

    Attributes:
        folder: of this report.
        run: folder of the run, whose logs the curves are drawn from.
        metrics: every figure; a share is {"value", "low", "high", "n"}, null where nothing counted.
    """

    folder: Path
    run: Path
    metrics: Mapping[str, Any]

    def write(
        self,
        catalog: Catalog,
        rows: np.ndarray,
        data: EvaluationSet,
        methods: Sequence[SearchVectors],
        examples: int,
    ) -> None:
        """Draw and write everything into a new folder, then put it in the old one's place.

        Args:
            rows: catalog row of each position of ``data``.
            methods: the pictures show the first (before) and the last (after), and one edit of
                each type by all of ``COMPARED`` and the last.
            examples: edited searches drawn of each attribute type.
        """
        new = self.folder.with_name(f".{self.folder.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        (new / "figures").mkdir(parents=True)
        seed = int(self.metrics["config"]["evaluation"]["seed"])
        chosen = choose_examples(data, examples, seed)
        shown = [m for m in methods if m.name in COMPARED or m is methods[-1]] if chosen else []
        sides = [(row.name, Retriever.of(row, data.features)) for row in shown]
        for name in data.schema.types:
            of_type = [e for e in chosen if e.target_type == name]
            if of_type:
                picture = new / "figures" / f"edits-{name}.png"
                draw_searches(picture, catalog, rows, data, [sides[0], sides[-1]], of_type)
                picture = new / "figures" / f"methods-{name}.png"
                draw_methods(picture, catalog, rows, data, sides, of_type[0])
        if self.metrics.get("calibration"):
            draw_reliability(new / "figures" / "reliability.png", self.metrics["calibration"])
        by_strength = self.metrics.get("by_strength")
        if by_strength and self.metrics["edits"]["evaluated"]:
            save(draw_precision_and_hits([by_strength]), new / "figures" / "precision-and-hits.png")
        if self.metrics.get("by_depth"):
            save(candidates.draw([self.metrics["by_depth"]]), new / "figures" / "candidates.png")
        for stage in STAGES:
            log = self.run / stage / "logs" / "metrics.csv"
            draw_curves(new / "figures" / f"training-{stage}.png", log, stage)
        (new / METRICS).write_text(json.dumps(self.metrics, indent=1, allow_nan=False))
        write_pages(new, self.metrics)
        replace_folder(new, self.folder)

    @classmethod
    def open(cls, folder: Path) -> Report:
        """A report that was written before.

        Raises:
            FlamError: there is no ``metrics.json``.
        """
        path = folder / METRICS
        if not path.is_file():
            raise FlamError(
                f"there is no report at {folder}: {path} is missing. make evaluate first"
            )
        return cls(folder, folder.parent, json.loads(path.read_text()))

    def summary(self) -> str:
        """The main tables and where the page is, to be printed."""
        return f"{tables.summary(self.metrics)}\n\nreport: {self.folder / 'index.html'}"


def write_pages(folder: Path, metrics: Mapping[str, Any]) -> None:
    """``tables.md`` and ``index.html`` from the metrics and the figures that are there."""
    (folder / "tables.md").write_text(tables.markdown(metrics), encoding="utf-8")
    template = jinja2.Environment(autoescape=True).from_string(
        files("flam_pl.reports").joinpath("index.html").read_text(encoding="utf-8")
    )
    page = template.render(
        metrics=metrics,
        sections=tables.sections(metrics, style="html"),
        searches=sorted(p.name for p in folder.glob("figures/edits-*.png")),
        methods=sorted(p.name for p in folder.glob("figures/methods-*.png")),
        precision_and_hits=sorted(p.name for p in folder.glob("figures/precision-and-hits*.png")),
        candidates=sorted(p.name for p in folder.glob("figures/candidates*.png")),
        reliability=sorted(p.name for p in folder.glob("figures/reliability*.png")),
        curves=sorted(p.name for p in folder.glob("figures/training-*.png")),
    )
    (folder / "index.html").write_text(page, encoding="utf-8")


def rewrite(folder: Path) -> Report:
    """Write the tables and the page of a report again from its metrics.

    Raises:
        FlamError: there is no ``metrics.json``.
    """
    report = Report.open(folder)
    write_pages(folder, report.metrics)
    return report
