"""The report of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from torchvision.io import write_jpeg

from flam_pl.atomic_io import only_writer, remove, replace_folder, temporary, write_text
from flam_pl.config.saved_files import read_json, reading, require_ours, sealed
from flam_pl.datasets.catalog import Catalog
from flam_pl.errors import FlamError
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.images.pixels import fit, read_image
from flam_pl.reports.charts import CHARTS, reliability
from flam_pl.reports.examples import Search, choose_examples, classes_of
from flam_pl.reports.measurements import Measurements, require_format
from flam_pl.reports.pictures import attempt, draw, draw_curves, draw_searches
from flam_pl.reports.tables import short_table, tables_of
from flam_pl.reports.wording import bullets, how_instances
from flam_pl.retrieval.retriever import Retriever
from flam_pl.retrieval.vectors import SearchVectors
from flam_pl.training.records import STAGES

METRICS = "metrics.json"
SEARCHES = "searches.json"
REMEDY = "Run make evaluate: the report is measured and written again."
THUMBNAIL = 128  # pixels per side


@dataclass(frozen=True)
class Report:
    folder: Path  # in that of the run
    metrics: Mapping[str, Any]
    """A value is {"value", "low", "high", "n"}; without cases, n is 0 and the others are null."""

    @cached_property
    def found(self) -> Measurements:
        return Measurements.of([self.metrics])

    def write(
        self,
        catalog: Catalog,
        rows: np.ndarray,
        data: EvaluationSet,
        methods: Sequence[SearchVectors],
        examples: int,
    ) -> None:
        """Replace the folder by a new one with numbers and tables, then draw the pictures.

        ``rows``: catalog rows of ``data``; ``methods[-1]``: the best method.
        """
        with only_writer(self.folder):
            require_replaceable(self.folder)
            new = temporary(self.folder)
            try:
                new.mkdir(parents=True)
                (new / METRICS).write_text(sealed(self.metrics))
                self.write_pages(new)
                replace_folder(new, self.folder)
            finally:
                remove(new)
            self.draw_charts()
            every = catalog.paths
            paths = [every[row] for row in rows]
            shown = [m for m in methods if not m.posteriors or m is methods[-1]]
            searches = partial(self.show_searches, paths, data, shown, examples)
            attempt("edited searches", searches)
            self.write_pages(self.folder)

    def draw_charts(self) -> None:
        folder, calibration = self.folder / "figures", self.metrics["calibration"]
        for name, chart in CHARTS.items():
            draw(folder / f"{name}.png", partial(chart, self.found))
        if calibration:
            draw(folder / "reliability.png", partial(reliability, calibration))
        for stage in STAGES:
            log = self.folder.parent / stage / "logs" / "metrics.csv"
            draw(folder / f"training-{stage}.png", partial(draw_curves, log, stage))

    def show_searches(
        self,
        paths: Sequence[Path],
        data: EvaluationSet,
        methods: Sequence[SearchVectors],
        examples: int,
    ) -> None:
        """All methods search the first example of each type; the best searches every example."""
        chosen = choose_examples(data, examples, int(self.metrics["config"]["evaluation"]["seed"]))
        sides = [(self.found.title(m.name), Retriever.of(m, data.features)) for m in methods]
        searches = []
        (self.folder / "images").mkdir()

        @cache
        def image(position: int) -> dict[str, Any]:
            file = f"images/{position}.jpg"

            def write() -> None:
                pixels = fit(read_image(paths[position]), THUMBNAIL)
                write_jpeg(pixels, str(self.folder / file), quality=85)

            attempt(file, write)
            return {"file": file, "classes": " ".join(classes_of(data, position).values())}

        for t, name in enumerate(data.schema.types, start=1):
            of_type = [example for example in chosen if example.target_type == name]
            for number, example in enumerate(of_type):
                for title, index in reversed(sides[-1:] if number else sides):
                    search = Search.run(example, data, index).to_plain(image)
                    of = {"method": title, "first": title == sides[-1][0], "number": number}
                    searches.append(search | of)
            if of_type:  # a type's name is no file name
                make = partial(draw_searches, paths, data, [sides[0], sides[-1]], of_type)
                draw(self.folder / "figures" / f"edits-{t}.png", make)
        write_text(self.folder / SEARCHES, json.dumps(searches, indent=1))

    def write_pages(self, folder: Path) -> None:
        """Write ``tables.md``, and ``index.html`` with the pictures in ``folder``."""
        metrics, found = self.metrics, self.found
        about = [*found.about, *([how_instances(metrics)] if metrics["instance"] else [])]
        tables, short = tables_of(found), short_table(found)
        seconds = ", ".join(f"{name} {value:.0f} s" for name, value in metrics["seconds"].items())
        cost = f"Time: {seconds}. Peak memory: {metrics['peak_memory_mb']} MB."
        start = [f"# {metrics['dataset']}", bullets([*about, cost])]
        text = [*start, *(table.markdown() for table in [short, *tables])]
        searches = folder / SEARCHES
        template = files("flam_pl.reports").joinpath("page.html").read_text(encoding="utf-8")
        engine = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
        page = engine.from_string(template).render(
            metrics=metrics,
            best=found.title(found.best),
            about=about,
            cost=cost,
            short=short,
            tables=tables,
            searches=json.loads(searches.read_text()) if searches.is_file() else [],
            pictures={path.stem for path in folder.glob("figures/*.png")},
        )
        write_text(folder / "tables.md", "\n\n".join(text) + "\n")
        write_text(folder / "index.html", page)

    @classmethod
    def open(cls, folder: Path) -> Report:
        """The report in a folder. FlamError without ``metrics.json``, and for another format."""
        path = folder / METRICS
        if not path.is_file():
            raise FlamError(f"{path} is missing: there is no report. Run make evaluate first.")
        metrics = read_json(path, dict[str, Any], REMEDY)
        require_format(metrics, path, "make evaluate")
        return cls(folder, metrics)

    def summary(self) -> str:
        table = short_table(self.found)
        page = f"report: {self.folder / 'index.html'}"
        return "\n".join([table.text("simple"), *table.notes, page])


def rewrite(folder: Path) -> Report:
    report = Report.open(folder)
    with reading(folder, REMEDY):
        report.write_pages(folder)
    return report


def require_replaceable(folder: Path) -> None:
    """Raises FlamError if a report would replace another folder."""
    require_ours(folder, METRICS, "tables.md")
