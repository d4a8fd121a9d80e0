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
NEEDED: dict[int, tuple[str, ...]] = {
    3: tuple(name for name in trainable_methods() if registered()[name].in_table_3),
    4: ("cls_concat", "emb_concat"),
    5: ("cls_concat",),
}
"""Table -> what must be trained for it beside FLAM; Table 1 needs no training at all."""


def make_tables(config: Config) -> str | None:
    """Write ``runs/<run>/tables/table<N>.{md,tex,json}`` for every N of ``tables.which``.

    Returns the tables in Markdown; None in the further processes of a DDP run.

    Raises:
        ConfigError: ``conf/backbone/`` lacks a backbone; nothing is trained before this check.
    """
    settings = config.tables
    needed = {name for number in settings.which for name in NEEDED.get(number, ())}
    config = extended(config, needed, CUTOFFS)
    others = backbone_settings(config) if 5 in settings.which else {}
    if settings.which == [1]:
        catalog = open_catalog(config.data)
        filled = PaperTables(catalog.name, frequent_classes(catalog), note=settings.note)
    else:
        run = train(config)
        # Table 2 is of stage 1 alone
        seeds = further_seeds(config.seed, settings.seeds) if needed else []
        by_seed = [run, *(with_seed(run, seed) for seed in seeds)]
        by_backbone = {
            name: train(of_backbone, run.catalog)
            for name, of_backbone in others.items()
            if trainable(run, of_backbone)
        }
        if not is_first_process():
            return None
        filled = fill(by_seed, by_backbone)
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


def further_seeds(own: int, seeds: Sequence[int]) -> list[int]:
    return [seed for seed in dict.fromkeys(seeds) if seed != own]


def with_seed(run: Run, seed: int) -> Run:
    """The whole run by another seed; a backbone that is not trained stays the run's own."""
    config, place = replace(run.config, seed=seed), f"seeds/{seed}"
    if config.backbone.max_epochs:
        return train(replace(config, run=f"{run.config.name}/{place}"), run.catalog)
    return train_beside(run, place, config)


def backbone_settings(config: Config) -> dict[str, Config]:
    """Choice of ``conf/backbone/`` -> settings of its run, without the run's own backbone.

    None is trained for longer than the run's own, if that is trained.
    """
    shared = [o for o in config.overrides if not o.startswith(("backbone=", "backbone.", "run="))]
    most = config.backbone.max_epochs
    found = {}
    for name in config.tables.backbones:
        own = [
            *shared,
            f"backbone={name}",
            "methods=[]",
            f"evaluation.ks={config.evaluation.ks}",
        ]
        of_backbone = load_config(own)
        if of_backbone.backbone == config.backbone:
            continue
        if most and of_backbone.backbone.max_epochs > most:
            own.append(f"backbone.max_epochs={most}")
            of_backbone = load_config(own)
        found[name] = replace(of_backbone, run=f"{config.name}/backbones/{name}")
    return found


def trainable(run: Run, config: Config) -> bool:
    if not config.backbone.max_epochs or has_items_to_learn(run):
        return True
    log(f"{config.name}: left out, {run.catalog.name} has no photos of two items to train it on")
    return False


def fill(by_seed: Sequence[Run], by_backbone: Mapping[str, Run]) -> PaperTables:
    run = by_seed[0]
    metrics = [metrics_of(of_seed) for of_seed in by_seed]
    own_backbone = f"{run.config.backbone.model} (this run)"
    return PaperTables(
        run.catalog.name,
        frequent_classes(run.catalog),
        metrics,
        {own_backbone: metrics[0]} | {name: metrics_of(of) for name, of in by_backbone.items()},
        run.config.tables.note,
    )


def metrics_of(run: Run) -> Mapping[str, Any]:
    report = measured(run)
    assert report is not None  # the first process measures
    return report.metrics


def frequent_classes(catalog: Catalog) -> dict[str, dict[str, int]]:
    """Attribute type -> its most frequent classes -> number of images; ties by name."""
    counts = class_counts(catalog, np.arange(len(catalog)))
    return {
        name: dict(sorted(of.items(), key=lambda pair: (-pair[1], pair[0]))[:10])
        for name, of in counts.items()
    }
