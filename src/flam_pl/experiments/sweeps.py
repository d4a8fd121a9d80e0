"""The results of a run in one go: every method, several seeds, several shares of the labels."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from flam_pl.atomic_io import write_text
from flam_pl.config.methods import METHODS
from flam_pl.config.root import Config
from flam_pl.datasets.inspection import edits_cannot_be_evaluated
from flam_pl.distributed import is_first_process, log
from flam_pl.errors import FlamError
from flam_pl.experiments import label_shares
from flam_pl.experiments.methods import train_methods
from flam_pl.experiments.paper import further_seeds, metrics_of, with_seed
from flam_pl.experiments.pipeline import Run, train
from flam_pl.reports import candidates, precision_and_hits
from flam_pl.reports.pictures import save
from flam_pl.reports.results_figures import CUTOFFS
from flam_pl.reports.results_page import joined_page, run_page
from flam_pl.reports.results_tables import RunResults

RESULTS = "results.json"

PICTURES = {
    "by_strength": "precision_and_hits",
    "by_depth": "candidates",
    "labels": "label_share",
}
"""Part of the page that has a picture -> its file, without ``.png``."""

OF_SHARES = ("cls_concat", "emb_concat", "flam_plus")
"""What is trained on few labels, beside FLAM, where it is trained on all of them."""


def make_results(config: Config) -> str | None:
    """Write ``runs/<run>/results/results.{json,md}``, or the page of several runs.

    What is trained and measured already, with the same settings on the same data, is used as it is.

    Returns:
        What was written, to be said; None in the further processes of a DDP run.

    Raises:
        FlamError: a run of ``results.page`` that has no results.
    """
    if config.results.page:
        return str(make_page(config)) if is_first_process() else None
    settings = config.results
    needed = {*config.methods, *settings.methods}
    config = replace(
        config,
        methods=[name for name in METHODS if name in needed],
        evaluation=replace(
            config.evaluation,
            ks=sorted({*config.evaluation.ks, *CUTOFFS, *label_shares.CUTOFFS}),
        ),
    )
    run = train(config)
    train_methods(run)
    by_seed = [run, *(with_seed(run, s) for s in further_seeds(config.seed, settings.seeds))]
    by_share: list[dict[float, Run]] = []
    if settings.labels and not edits_cannot_be_evaluated(run.catalog):
        of_shares = [m for m in OF_SHARES if m in config.methods]
        by_share = [label_shares.train_shares(of_seed, of_shares) for of_seed in by_seed]
    if not is_first_process():
        return None
    metrics = [metrics_of(of_seed) for of_seed in by_seed]
    labels = [label_shares.numbers(of_seed) for of_seed in by_share]
    seeds = [of_seed.config.seed for of_seed in by_seed]
    return str(write(run.folder / "results", RunResults(config.name, seeds, metrics, labels)))


def write(folder: Path, results: RunResults) -> Path:
    """``results.json``, ``results.md`` and the pictures.

    Returns:
        The Markdown file.
    """
    plain, drawn = results.plain(), pictures_of(results)
    folder.mkdir(parents=True, exist_ok=True)
    for part, name in PICTURES.items():
        if part in drawn:
            save(drawn[part], folder / f"{name}.png", dpi=150)
        else:
            (folder / f"{name}.png").unlink(missing_ok=True)  # of an earlier call
    write_text(folder / RESULTS, json.dumps(plain, indent=1, allow_nan=False))
    page = folder / "results.md"
    write_text(page, run_page(plain, {part: f"{PICTURES[part]}.png" for part in drawn}))
    return page


def pictures_of(results: RunResults) -> dict[str, Figure]:
    """Part of the page -> its picture, where there is anything to draw."""
    by_strength = [m["by_strength"] for m in results.by_seed if m.get("by_strength")]
    drawn = {}
    if by_strength:
        drawn["by_strength"] = precision_and_hits.draw(by_strength)
    depths = [m["by_depth"] for m in results.by_seed if m.get("by_depth")]
    if depths:
        drawn["by_depth"] = candidates.draw(depths)
    if results.labels:
        drawn["labels"] = label_shares.draw(results.labels)
    return drawn


def make_page(config: Config) -> Path:
    """Join the results of the runs in ``results.page`` into ``results.page_file``.

    The pictures are copied beside it; ``tried.md`` there is included.

    Raises:
        FlamError: a run without results.
    """
    page = Path(config.results.page_file)
    runs = [Path(run) for run in config.results.page]
    found = [read(run) for run in runs]
    tried = page.parent / "tried.md"
    if not tried.is_file():
        log(f"{tried} is missing: the page says nothing of what did not help")
    page.parent.mkdir(parents=True, exist_ok=True)
    pictures = []
    for run in runs:
        there = {part: run / "results" / f"{name}.png" for part, name in PICTURES.items()}
        copies = {
            part: f"{PICTURES[part]}_{run.name}.png" for part, of in there.items() if of.is_file()
        }
        for part, copy in copies.items():
            shutil.copyfile(there[part], page.parent / copy)
        pictures.append(copies)
    text = tried.read_text(encoding="utf-8") if tried.is_file() else None
    write_text(page, joined_page(found, pictures, text))
    return page


def read(run: Path) -> dict[str, Any]:
    """``results.json`` of a run.

    Raises:
        FlamError: there is none.
    """
    path = run / "results" / RESULTS
    if not path.is_file():
        raise FlamError(
            f"there are no results of {run}: {path} is missing. Run make results for it first "
            f'(ARGS="run={run.name} ..." with the settings that it was trained with)'
        )
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
