"""Draws the paper's figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from flam_pl.atomic_io import write_text
from flam_pl.config.root import Config
from flam_pl.datasets.inspection import edits_cannot_be_evaluated
from flam_pl.distributed import is_first_process, log
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.experiments import sweeps
from flam_pl.experiments.paper import extended
from flam_pl.experiments.pipeline import train
from flam_pl.experiments.trained_run import TrainedRun
from flam_pl.reports import charts
from flam_pl.reports.examples import Search, choose_examples, classes_of
from flam_pl.reports.paper import convergence, spaces
from flam_pl.reports.pictures import draw, draw_searches
from flam_pl.retrieval.retriever import Retriever
from flam_pl.training.run import Run

COLORS = ("#1a9850", "#d73027")  # frames of Figure 2 as in the paper: queries green, hits red
SHOWN = 3  # results in Figure 2

Drawn = tuple[Mapping[str, Any], Callable[[], Figure | None]]
"""The numbers of a figure, and what draws it. A text in its place says why there is none."""


def make_figures(config: Config) -> list[Path]:
    """Write ``runs/<run>/figures/<name>.{json,png}`` for every name in ``figures.which``.

    Returns the pictures; none in the further processes of a DDP run.
    """
    which = config.figures.which
    if "labels" in which:
        config = extended(config, sweeps.CONCATENATIONS, sweeps.SHARE_CUTOFFS)
    run = train(config)
    if impossible := edits_cannot_be_evaluated(run.catalog):
        log(f"{run.catalog.name}: {impossible}. There are no edits to draw.")
        return []
    by_share = sweeps.train_shares(run) if "labels" in which else {}
    if not is_first_process():
        return []
    figures: dict[str, tuple[str, Callable[[Run], Drawn | str]]] = {
        "2": ("figure2", searches),
        "3": ("figure3", embedding_spaces),
        "convergence": ("convergence", convergence_of),
        "labels": ("label_share", partial(shares, by_share)),
    }
    pictures = {}  # drawn after all numbers are written
    for name, prepare in (figures[key] for key in dict.fromkeys(which)):
        found = prepare(run)
        if isinstance(found, str):
            log(f"{name}: left out, {found}")
            continue
        numbers, pictures[run.folder / "figures" / f"{name}.png"] = found
        text = json.dumps(numbers, indent=1, allow_nan=False)
        write_text(run.folder / "figures" / f"{name}.json", text)
    return [picture for picture, make in pictures.items() if draw(picture, make, dpi=150)]


def evaluation_set(run: Run) -> tuple[EvaluationSet, list[Path]]:
    """Evaluation images with all labels, and their files."""
    rows, paths = run.catalog.edit_rows("evaluation"), run.catalog.paths
    return EvaluationSet.of(run.catalog, run.data.features, rows), [paths[row] for row in rows]


def searches(run: Run) -> Drawn | str:
    """Figure 2: the first results of random edits."""
    flam = TrainedRun.open(run.folder, run.backbone_folder).methods["flam"].editor
    data, paths = evaluation_set(run)
    chosen = choose_examples(data, run.config.figures.examples, run.config.evaluation.seed)
    if not chosen:
        return "the gallery has no image that an edit wants"
    index = Retriever.of(flam, data.features)

    def image(position: int) -> dict[str, Any]:
        return {"image": paths[position].name, "classes": classes_of(data, position)}

    found = [Search.run(example, data, index, SHOWN).to_plain(image) for example in chosen]
    make = partial(draw_searches, paths, data, [("FLAM", index)], chosen, COLORS, SHOWN)
    return {"searches": found}, make


def embedding_spaces(run: Run) -> Drawn | str:
    """Figure 3: maps of the embedding spaces."""
    trained = TrainedRun.open(run.folder, run.backbone_folder)
    (data, _), seed = evaluation_set(run), run.config.evaluation.seed
    flam, settings = trained.methods["flam"].editor, run.config.figures
    found = spaces.edit_to_one_class(flam, trained.embedders, data, settings, seed)
    if len(found.edited) < 2:
        return f"{len(found.labels)} images leave {len(found.edited)} to be edited"
    return spaces.numbers(found), partial(spaces.draw, found, seed)


def convergence_of(run: Run) -> Drawn | str:
    """T@k against cosine(x, x^)."""
    log = run.folder / "manipulator" / "logs" / "metrics.csv"
    found = convergence.numbers(log, sweeps.SHARE_CUTOFFS)
    return (found, partial(convergence.draw, found)) if found else f"{log} has no validation of T@k"


def shares(by_share: Mapping[float, Run], _: Run) -> Drawn:
    found = sweeps.measure_shares([by_share])
    rows = found.part("labels").drop(columns=["dataset", "part", "std", "text"])
    counts = {share: sweeps.label_counts(of.catalog) for share, of in by_share.items()}
    numbers = {"labels": counts, "rows": rows.to_dict("records")}
    return numbers, partial(charts.label_shares, found)
