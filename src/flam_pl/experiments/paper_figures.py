"""Draws the paper's figures: trains what is missing, then writes each as a PNG and its numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from flam_pl.atomic_io import write_text
from flam_pl.config.methods import METHODS
from flam_pl.config.root import Config
from flam_pl.datasets.inspection import edits_cannot_be_evaluated
from flam_pl.distributed import is_first_process, log
from flam_pl.editing.generator import Flam
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.experiments import label_shares
from flam_pl.experiments.methods import train_methods
from flam_pl.experiments.pipeline import Run, train
from flam_pl.experiments.trained import TrainedRun
from flam_pl.reports.paper import convergence, searches, spaces
from flam_pl.reports.pictures import save

Drawn = tuple[Figure, Mapping[str, Any]]
"""A picture, and the numbers that it shows."""


def make_figures(config: Config) -> list[Path]:
    """Write ``runs/<run>/figures/<name>.{png,json}`` for every name in ``figures.which``.

    What is trained already, with the same settings on the same data, is used as it is.

    Returns:
        The pictures; none in the further processes of a DDP run.
    """
    which = config.figures.which
    run = train(with_baselines(config) if "labels" in which else config)
    impossible = edits_cannot_be_evaluated(run.catalog)
    if impossible:
        log(f"{run.catalog.name}: {impossible}. There are no edits to draw.")
        return []
    by_share = {}
    if "labels" in which:
        train_methods(run)
        by_share = label_shares.train_shares(run)
    if not is_first_process():
        return []
    drawing: dict[str, tuple[str, Callable[[], Drawn | None]]] = {
        "2": ("figure2", lambda: draw_searches(run)),
        "3": ("figure3", lambda: draw_spaces(run)),
        "convergence": ("convergence", lambda: draw_convergence(run)),
        "labels": ("label_share", lambda: draw_label_share(by_share)),
    }
    written = []
    for name, draw in (drawing[key] for key in dict.fromkeys(which)):
        drawn = draw()
        if drawn is not None:
            written.append(write(run.folder / "figures" / f"{name}.png", *drawn))
    return written


def with_baselines(config: Config) -> Config:
    """The settings with what ``labels`` measures beside FLAM: methods and cut-offs."""
    needed = {*config.methods, *label_shares.BASELINES}
    cutoffs = sorted({*config.evaluation.ks, *label_shares.CUTOFFS})
    return replace(
        config,
        methods=[name for name in METHODS if name in needed],
        evaluation=replace(config.evaluation, ks=cutoffs),
    )


def write(picture: Path, figure: Figure, numbers: Mapping[str, Any]) -> Path:
    """The picture, and its numbers in a JSON file beside it."""
    save(figure, picture, dpi=150)
    write_text(picture.with_suffix(".json"), json.dumps(numbers, indent=1, allow_nan=False))
    return picture


def evaluation_set(run: Run) -> tuple[EvaluationSet, list[Path]]:
    """Evaluation images with all labels, and their files."""
    rows = run.catalog.rows(split="evaluation", dense=True)
    paths = run.catalog.paths
    return EvaluationSet.of(run.catalog, run.data.features, rows), [paths[row] for row in rows]


def draw_searches(run: Run) -> Drawn | None:
    """Figure 2; None where the gallery answers no edit."""
    trained = TrainedRun.open(run.folder, run.backbone_folder)
    data, paths = evaluation_set(run)
    settings = run.config
    flam = Flam(trained.embedders, trained.manipulator)
    found = searches.find(flam, data, settings.figures.examples, settings.evaluation.seed)
    if not found:
        log("figure 2: left out, the gallery has no image that an edit asks for")
        return None
    return searches.draw(found, data, paths), searches.numbers(found, data, paths)


def draw_spaces(run: Run) -> Drawn | None:
    """Figure 3; None where there are too few images to speak of their spread."""
    trained = TrainedRun.open(run.folder, run.backbone_folder)
    data, _ = evaluation_set(run)
    seed = run.config.evaluation.seed
    flam = Flam(trained.embedders, trained.manipulator)
    found = spaces.edit_to_one_class(flam, trained.embedders, data, run.config.figures, seed)
    if len(found.edited) < 2:
        log(
            f"figure 3: left out, {len(found.labels)} images leave {len(found.edited)} to be edited"
        )
        return None
    by_type = spaces.maps(found, seed)
    return spaces.draw(found, by_type), spaces.numbers(found) | spaces.points_of(found, by_type)


def draw_convergence(run: Run) -> Drawn | None:
    """T@k against cosine(x, x-hat); None where stage 3 had no validation."""
    curves = run.folder / "manipulator" / "logs" / "metrics.csv"
    found = convergence.numbers(curves, label_shares.CUTOFFS)
    if found is None:
        log(f"convergence: left out, {curves} has no validation of T@k")
        return None
    return convergence.draw(found), found


def draw_label_share(by_share: Mapping[float, Run]) -> Drawn:
    """T@k against the share of labels, measuring what is not measured yet."""
    found = label_shares.numbers(by_share)
    return label_shares.draw([found]), found
