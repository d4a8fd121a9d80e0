"""The results of a run: every method, several seeds, several shares of the labels."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

from flam_pl.atomic_io import write_text
from flam_pl.config.root import Config
from flam_pl.config.saved_files import read_json, reading, sealed
from flam_pl.datasets.inspection import edits_cannot_be_evaluated
from flam_pl.distributed import is_first_process, log
from flam_pl.errors import FlamError
from flam_pl.experiments import label_shares
from flam_pl.experiments.paper import extended, metrics_of, with_seeds
from flam_pl.experiments.pipeline import train
from flam_pl.methods.registry import require_known, trainable
from flam_pl.reports.charts import CHARTS
from flam_pl.reports.measurements import Measurements
from flam_pl.reports.pictures import draw
from flam_pl.reports.results_page import joined_page, run_page
from flam_pl.training.run import Run

RESULTS = "results.json"
CUTOFFS = (1, 5, 10, 20, 50)
OF_SHARES = ("cls_concat", "emb_concat", "flam_plus")
"""Trained on few labels beside FLAM, where they are trained on all labels."""


def make_results(config: Config) -> str | None:
    """Write ``runs/<run>/results/results.{json,md}``, or the page of the runs in ``results.page``.

    Returns the page; None in the further processes of a DDP run.
    """
    if config.results.page:
        return str(make_page(config)) if is_first_process() else None
    settings = config.results
    require_known(settings.methods, "results.methods")
    config = extended(config, settings.methods or trainable(), CUTOFFS)
    run = train(config)
    by_seed = with_seeds(run, settings.seeds)
    by_share: list[dict[float, Run]] = []
    if settings.labels and not edits_cannot_be_evaluated(run.catalog):
        of_shares = [m for m in OF_SHARES if m in config.methods]
        by_share = [label_shares.train_shares(of_seed, of_shares) for of_seed in by_seed]
    if not is_first_process():
        return None
    found = Measurements.of([metrics_of(of_seed) for of_seed in by_seed])
    if by_share:
        found = found.plus(label_shares.measure_shares(by_share).table)
    return str(write(run.folder / "results", found))


def write(folder: Path, found: Measurements) -> Path:
    """``results.json``, the charts and ``results.md``, which is returned."""
    write_text(folder / RESULTS, sealed(found.to_plain()))
    page = folder / "results.md"
    write_text(page, run_page(found, {}))
    drawn = {
        name: f"{name}.png"
        for name, chart in CHARTS.items()
        if draw(folder / f"{name}.png", partial(chart, found), dpi=150)
    }
    write_text(page, run_page(found, drawn))
    return page


def make_page(config: Config) -> Path:
    """Join the results of runs into ``results.page_file``, with ``tried.md`` beside it."""
    page = Path(config.results.page_file)
    runs = [Path(run) for run in config.results.page]
    found = [read(run) for run in runs]
    tried = page.parent / "tried.md"
    if not tried.is_file():
        log(f"{tried} is missing: the page says nothing of what did not help")
    page.parent.mkdir(parents=True, exist_ok=True)
    pictures = []
    for run in runs:
        drawn = {}
        for name in CHARTS:
            picture = run / "results" / f"{name}.png"
            if picture.is_file():
                drawn[name] = f"{name}_{run.name}.png"
                shutil.copyfile(picture, page.parent / drawn[name])
        pictures.append(drawn)
    text = tried.read_text(encoding="utf-8") if tried.is_file() else None
    write_text(page, joined_page(found, pictures, text))
    return page


def read(run: Path) -> Measurements:
    """Raises: FlamError: the run has no ``results.json``, or one of another format."""
    path = run / "results" / RESULTS
    if not path.is_file():
        raise FlamError(
            f"{path} is missing: there are no results of {run}. Run make results for it first "
            f'(ARGS="run={run.name} ..." with the settings that it was trained with)'
        )
    remedy = "Run make results for this run again."
    with reading(path, remedy):
        return Measurements.from_plain(read_json(path, dict[str, Any], remedy), path)
