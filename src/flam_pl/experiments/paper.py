"""Fills the paper's tables: trains and measures what is missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from flam_pl.config.loading import load_config
from flam_pl.config.root import Config
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.inspection import class_counts
from flam_pl.datasets.sources import open_catalog
from flam_pl.distributed import is_first_process, log
from flam_pl.experiments.evaluate import measured
from flam_pl.experiments.pipeline import has_items_to_learn, train, train_beside
from flam_pl.methods.registry import registered
from flam_pl.methods.registry import trainable as trainable_methods
from flam_pl.reports.paper.tables import PaperTables, write
from flam_pl.training.run import Run

CUTOFFS = (1, 5, 20, 50, 100)
NEEDED: dict[int, tuple[str, ...]] = {  # table -> what is trained for it beside FLAM
    3: tuple(name for name in trainable_methods() if registered()[name].in_table_3),
    4: ("cls_concat", "emb_concat"),
    5: ("cls_concat",),
}


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


def extended(config: Config, methods: Collection[str], cut_offs: Sequence[int]) -> Config:
    return replace(
        config,
        methods=[name for name in trainable_methods() if name in {*config.methods, *methods}],
        evaluation=replace(config.evaluation, ks=sorted({*config.evaluation.ks, *cut_offs})),
    )


def with_seeds(run: Run, seeds: Sequence[int]) -> list[Run]:
    runs = {run.config.seed: run}
    for seed in seeds:
        place, overrides = f"seeds/{seed}", [*run.config.overrides, f"seed={seed}"]
        config = replace(run.config, seed=seed, overrides=overrides)
        if seed not in runs and config.backbone.max_epochs:
            runs[seed] = train(replace(config, run=f"{run.config.name}/{place}"), run.catalog)
        elif seed not in runs:  # a backbone that is not trained stays the run's own
            runs[seed] = train_beside(run, place, config)
    return list(runs.values())


def backbone_settings(config: Config) -> dict[str, Config]:
    """Other choice of ``conf/backbone/`` -> its settings, with at most as many epochs."""
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


def metrics_of(run: Run) -> Mapping[str, Any]:
    report = measured(run)
    assert report is not None  # the first process measures
    return report.metrics


def frequent_classes(catalog: Catalog) -> dict[str, dict[str, int]]:
    """Attribute type -> its 10 most frequent classes -> number of images."""
    counts = class_counts(catalog, np.arange(len(catalog)))
    return {
        name: dict(sorted(of.items(), key=lambda pair: (-pair[1], pair[0]))[:10])
        for name, of in counts.items()
    }
