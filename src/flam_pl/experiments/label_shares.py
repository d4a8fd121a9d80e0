"""T@k against the share of the training labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from flam_pl.attributes import UNLABELLED
from flam_pl.config.root import Config
from flam_pl.data.batches import batches_in_pass
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.labels import keep_label_share
from flam_pl.experiments.paper import metrics_of
from flam_pl.experiments.pipeline import train_beside
from flam_pl.reports.measurements import Measurements
from flam_pl.training.run import Run

CUTOFFS = (10, 50)
METHODS = ("no_edit", "arithmetic", "flam", "cls_concat", "emb_concat", "flam_plus")
BASELINES = ("cls_concat", "emb_concat")


def train_shares(run: Run, methods: Sequence[str] = BASELINES) -> dict[float, Run]:
    """Share of the training labels -> the run on it; a share of 1 is the run itself."""
    return {s: train_share(run, s, methods) for s in sorted({*run.config.figures.shares})}


def train_share(run: Run, share: float, methods: Sequence[str]) -> Run:
    """Stages 2 and 3 and the methods, in ``<run>/shares/<percent>``; the seed draws the labels."""
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
    """Settings that train on fewer labels for as many steps, so for more epochs."""

    def epochs(number: int, batch_size: int) -> int:
        batches = [
            batches_in_pass(len(catalog.rows(split="train", labelled=True)), batch_size)
            for catalog in (full, fewer)
        ]
        return round(number * batches[0] / batches[1])

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
    """Part "labels" of the long table: T@k, with the share and its number of labels as the group.

    ``by_seed`` maps, per seed, a share to its run. Labels are counted in the first seed.
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
    rows = table[
        (table["part"] == "edits")
        & (table["group"] == "all")
        & table["measure"].isin([f"T@{k}" for k in CUTOFFS])
        & table["method"].isin(METHODS)
    ]
    everywhere = rows.groupby("method")["share"].transform("nunique") == len(groups)
    rows = rows.assign(part="labels", group=rows["share"])[everywhere].drop(columns="share")
    return replace(shares[0][1], table=rows)


def label_counts(catalog: Catalog) -> dict[str, int]:
    """Attribute type -> number of training labels."""
    labels = catalog.labels[catalog.rows(split="train")]
    counts = (labels != UNLABELLED).sum(axis=0)
    return {name: int(count) for name, count in zip(catalog.schema.types, counts, strict=True)}
