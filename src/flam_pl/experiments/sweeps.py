"""The results of a run: every method, several seeds, several shares of the labels."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from flam_pl.atomic_io import write_text
from flam_pl.attributes import UNLABELLED
from flam_pl.config.loading import load_config
from flam_pl.config.root import Config
from flam_pl.config.saved_files import read_json, reading, sealed
from flam_pl.data.batches import batches_in_pass
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.inspection import edits_cannot_be_evaluated
from flam_pl.datasets.labels import keep_label_share
from flam_pl.distributed import is_first_process, log
from flam_pl.errors import FlamError
from flam_pl.experiments.evaluate import measured
from flam_pl.experiments.pipeline import train, train_beside
from flam_pl.methods.registry import require_known, trainable
from flam_pl.reports.charts import CHARTS
from flam_pl.reports.measurements import Measurements
from flam_pl.reports.pictures import draw
from flam_pl.reports.results_page import joined_page, run_page
from flam_pl.training.run import Run

RESULTS = "results.json"
CUTOFFS = (1, 5, 10, 20, 50)
CONCATENATIONS = ("cls_concat", "emb_concat")
SHARE_METHODS = ("no_edit", "arithmetic", "flam", *CONCATENATIONS, "flam_plus")
SHARE_CUTOFFS = (10, 50)


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
        of_shares = [name for name in SHARE_METHODS if name in config.methods]
        by_share = [train_shares(of_seed, of_shares) for of_seed in by_seed]
    if not is_first_process():
        return None
    found = Measurements.of([metrics_of(of_seed) for of_seed in by_seed])
    if by_share:
        found = found.plus(measure_shares(by_share).table)
    return str(write(run.folder / "results", found))


def extended(config: Config, methods: Collection[str], cut_offs: Sequence[int]) -> Config:
    """Settings with further methods and cut-offs, which the run saves as if they were written."""
    named = [name for name in trainable() if name in {*config.methods, *methods}]
    ks = sorted({*config.evaluation.ks, *cut_offs})
    written = [f"methods=[{','.join(named)}]", f"evaluation.ks={ks}".replace(" ", "")]
    return load_config([*config.overrides, *written])


def with_seeds(run: Run, seeds: Sequence[int]) -> list[Run]:
    """The run, and a run per further seed."""
    runs = {run.config.seed: run}
    for seed in seeds:
        place, overrides = f"seeds/{seed}", [*run.config.overrides, f"seed={seed}"]
        config = replace(run.config, seed=seed, overrides=overrides)
        if seed not in runs and config.backbone.max_epochs:
            runs[seed] = train(replace(config, run=f"{run.config.name}/{place}"), run.catalog)
        elif seed not in runs:  # a backbone that is not trained stays the run's own
            runs[seed] = train_beside(run, place, config)
    return list(runs.values())


def metrics_of(run: Run) -> Mapping[str, Any]:
    report = measured(run)
    assert report is not None  # the first process measures
    return report.metrics


def train_shares(run: Run, methods: Sequence[str] = CONCATENATIONS) -> dict[float, Run]:
    """Share of the training labels -> its run."""
    return {s: train_share(run, s, methods) for s in sorted({*run.config.figures.shares})}


def train_share(run: Run, share: float, methods: Sequence[str]) -> Run:
    if share == 1:
        return run
    settings = run.config.data
    label_seed = settings.label_seed + run.config.seed
    catalog = keep_label_share(run.catalog, share, label_seed)
    config = with_as_many_steps(run.config, run.catalog, catalog)
    config = replace(
        config,
        data=replace(settings, label_share=settings.label_share * share, label_seed=label_seed),
        evaluation=replace(config.evaluation, examples=0),
        methods=[*methods],
    )
    return train_beside(run, f"shares/{100 * share:g}", config, catalog)


def with_as_many_steps(config: Config, full: Catalog, fewer: Catalog) -> Config:
    """Settings for the same number of steps on fewer labels: more epochs."""

    def epochs(number: int, batch_size: int) -> int:
        counts = (len(of.rows(split="train", labelled=True)) for of in (full, fewer))
        before, after = (batches_in_pass(count, batch_size) for count in counts)
        return round(number * before / after)

    embedder, concat = config.embedder, config.concat
    longer = epochs(embedder.max_epochs, embedder.batch_size)
    return replace(
        config,
        embedder=replace(embedder, max_epochs=longer),
        concat=replace(concat, max_epochs=epochs(concat.max_epochs, concat.batch_size)),
        # for the methods that choose other embedders
        overrides=[*config.overrides, f"embedder.max_epochs={longer}"],
    )


def measure_shares(by_seed: Sequence[Mapping[float, Run]]) -> Measurements:
    """Part "labels" of the measurements: T@k by share and number of labels.

    ``by_seed``: per seed, share -> run.
    """
    groups = {
        share: f"{100 * share:g} % ({sum(label_counts(run.catalog).values()):,})"
        for share, run in by_seed[0].items()
    }
    shares = [
        (share, Measurements.of([metrics_of(run)]))
        for of_seed in by_seed
        for share, run in of_seed.items()
    ]
    table = pd.concat([found.table.assign(share=groups[share]) for share, found in shares])
    rows = table.query("part == 'edits' and group == 'all' and method in @SHARE_METHODS")
    rows = rows[rows["measure"].isin([f"T@{k}" for k in SHARE_CUTOFFS])]
    everywhere = rows.groupby("method")["share"].transform("nunique") == len(groups)
    rows = rows.assign(part="labels", group=rows["share"])[everywhere].drop(columns="share")
    return replace(shares[0][1], table=rows)


def label_counts(catalog: Catalog) -> dict[str, int]:
    labels = catalog.labels[catalog.rows(split="train")]
    counts = (labels != UNLABELLED).sum(axis=0)
    return {name: int(count) for name, count in zip(catalog.schema.types, counts, strict=True)}


def write(folder: Path, found: Measurements) -> Path:
    """Write ``results.json``, the charts and ``results.md``; return the path of ``results.md``."""
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
    """Join the results of runs and ``tried.md`` into ``results.page_file``."""
    page = Path(config.results.page_file)
    runs = [Path(run) for run in config.results.page]
    found = [read(run) for run in runs]
    tried = page.parent / "tried.md"
    if not tried.is_file():
        log(f"{tried} is missing: the page says nothing of what did not help")
    page.parent.mkdir(parents=True, exist_ok=True)
    pictures: list[dict[str, str]] = [{} for _ in runs]
    for run, drawn in zip(runs, pictures, strict=True):
        for name in CHARTS:
            picture = run / "results" / f"{name}.png"
            if picture.is_file():
                drawn[name] = f"{name}_{run.name}.png"
                shutil.copyfile(picture, page.parent / drawn[name])
    text = tried.read_text(encoding="utf-8") if tried.is_file() else None
    write_text(page, joined_page(found, pictures, text))
    return page


def read(run: Path) -> Measurements:
    path = run / "results" / RESULTS
    if not path.is_file():
        raise FlamError(
            f"{path} is missing: there are no results of {run}. Run make results for it first "
            f'(ARGS="run={run.name} ..." with the settings that it was trained with)'
        )
    remedy = "Run make results for this run again."
    with reading(path, remedy):
        return Measurements.from_plain(read_json(path, dict[str, Any], remedy), path)
