"""Fills the paper's tables and draws its figures: trains and measures what is missing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from flam_pl.atomic_io import write_text
from flam_pl.config.loading import load_config
from flam_pl.config.root import Config
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.inspection import class_counts, edits_cannot_be_evaluated
from flam_pl.datasets.sources import open_catalog
from flam_pl.distributed import is_first_process, log
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.experiments import sweeps
from flam_pl.experiments.pipeline import has_items_to_learn, train
from flam_pl.experiments.sweeps import extended, metrics_of, with_seeds
from flam_pl.experiments.trained_run import TrainedRun
from flam_pl.methods.registry import registered
from flam_pl.methods.registry import trainable as trainable_methods
from flam_pl.reports import charts
from flam_pl.reports.examples import Search, choose_examples, classes_of
from flam_pl.reports.paper import convergence, spaces
from flam_pl.reports.paper.tables import PaperTables, write
from flam_pl.reports.pictures import draw, draw_searches
from flam_pl.retrieval.retriever import Retriever
from flam_pl.training.run import Run

CUTOFFS = (1, 5, 20, 50, 100)
NEEDED: dict[int, tuple[str, ...]] = {  # table -> what is trained for it beside FLAM
    3: tuple(name for name in trainable_methods() if registered()[name].in_table_3),
    4: ("cls_concat", "emb_concat"),
    5: ("cls_concat",),
}
COLORS = ("#1a9850", "#d73027")  # frames of Figure 2 as in the paper: queries green, hits red
SHOWN = 3  # results in Figure 2

Drawn = tuple[Mapping[str, Any], Callable[[], Figure | None]]
"""The numbers of a figure, and a function that draws it. A text instead: why there is none."""


def make_tables(config: Config) -> str | None:
    """Write ``runs/<run>/tables/table<N>.{md,tex,json}`` for every N of ``tables.which``.

    Returns the tables in Markdown; None in the further processes of a DDP run. Raises ConfigError
    for an unknown backbone.
    """
    settings = config.tables
    needed = {name for number in settings.which for name in NEEDED.get(number, ())}
    config = extended(config, needed, CUTOFFS)
    others = backbone_settings(config) if 5 in settings.which else {}
    by_seed, by_backbone = [], {}
    if settings.which == [1]:
        catalog = open_catalog(config.data)
    else:
        run = train(config)
        # Table 2 is of stage 1 alone
        runs = with_seeds(run, settings.seeds if needed else [])
        beside = {n: train(of, run.catalog) for n, of in others.items() if trainable(run, of)}
        if not is_first_process():
            return None
        catalog, by_seed = run.catalog, [metrics_of(of_seed) for of_seed in runs]
        by_backbone = {f"{config.backbone.model} (this run)": by_seed[0]}
        by_backbone |= {name: metrics_of(of_backbone) for name, of_backbone in beside.items()}
    classes = frequent_classes(catalog)
    filled = PaperTables(catalog.name, classes, by_seed, by_backbone, settings.note)
    folder, texts = config.folder / "tables", []
    for number in settings.which:
        tables = filled.table(number)
        write(folder, number, tables, filled.seeds)
        texts += [table.markdown() for table in tables]
    log(f"tables: {folder}")
    return "\n\n".join(texts)


def backbone_settings(config: Config) -> dict[str, Config]:
    """Other choice of ``conf/backbone/`` -> its settings, with at most the run's epochs."""
    shared = [o for o in config.overrides if not o.startswith(("backbone=", "backbone.", "run="))]
    shared += ["methods=[]", f"evaluation.ks={config.evaluation.ks}"]
    most, found = config.backbone.max_epochs, {}
    for name in config.tables.backbones:
        own = [*shared, f"backbone={name}"]
        of_backbone = load_config(own)
        if of_backbone.backbone == config.backbone:
            continue
        if most and of_backbone.backbone.max_epochs > most:
            of_backbone = load_config([*own, f"backbone.max_epochs={most}"])
        found[name] = replace(of_backbone, run=f"{config.name}/backbones/{name}")
    return found


def trainable(run: Run, config: Config) -> bool:
    if not config.backbone.max_epochs or has_items_to_learn(run):
        return True
    log(f"{config.name}: left out, {run.catalog.name} has no photos of two items to train it on")
    return False


def frequent_classes(catalog: Catalog) -> dict[str, dict[str, int]]:
    """Attribute type -> its 10 most frequent classes -> number of images."""
    counts = class_counts(catalog, np.arange(len(catalog)))
    return {
        name: dict(sorted(of.items(), key=lambda pair: (-pair[1], pair[0]))[:10])
        for name, of in counts.items()
    }


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
    """The evaluation images of edits, and their files."""
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
    """T@k against cosine(x, x^), see ``reports.paper.convergence``."""
    log = run.folder / "manipulator" / "logs" / "metrics.csv"
    found = convergence.numbers(log, sweeps.SHARE_CUTOFFS)
    return (found, partial(convergence.draw, found)) if found else f"{log} has no validation of T@k"


def shares(by_share: Mapping[float, Run], _: Run) -> Drawn:
    found = sweeps.measure_shares([by_share])
    rows = found.part("labels").drop(columns=["dataset", "part", "std", "text"])
    counts = {share: sweeps.label_counts(of.catalog) for share, of in by_share.items()}
    numbers = {"labels": counts, "rows": rows.to_dict("records")}
    return numbers, partial(charts.label_shares, found)
