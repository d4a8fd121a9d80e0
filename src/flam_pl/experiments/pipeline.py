"""Every stage in its order, top to bottom.

images -> Catalog -> backbone -> features -> embedders -> manipulator -> evaluation -> report
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pytorch_lightning as pl

from flam_pl.atomic_io import write_text
from flam_pl.config.loading import save_config
from flam_pl.config.root import Config
from flam_pl.config.saved_files import require_ours
from flam_pl.data.datamodule import FlamDataModule
from flam_pl.data.photo_check import check_photos, note
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.inspection import check_usable
from flam_pl.datasets.sources import open_catalog
from flam_pl.datasets.splits import split_csv
from flam_pl.distributed import from_all_processes, is_first_process, log
from flam_pl.errors import FlamError
from flam_pl.experiments.selection import select_scoring
from flam_pl.images.pixels import Preprocess
from flam_pl.methods.registry import chosen, registered
from flam_pl.models.backbone import Backbone, load_weights
from flam_pl.terminal.progress import show_progress
from flam_pl.training.backbone_module import BackboneModule, measure_whitening, most_photographed
from flam_pl.training.records import StageRecord, require, sha256
from flam_pl.training.run import Run
from flam_pl.training.stage import StageSpec, make_trainer, train_stage
from flam_pl.training.trained_networks import restore_backbone

BACKBONE_RECIPE = 1
"""Increase it with every change of the training code of stage 1 that alters results."""


def train(config: Config, catalog: Catalog | None = None) -> Run:
    """Train everything that the settings name; a given ``catalog`` has no unusable images."""
    run, _ = train_features(config, catalog)
    train_methods(run)
    return run


def train_features(config: Config, catalog: Catalog | None = None) -> tuple[Run, StageRecord]:
    """Stage 1 and the extraction; both again if photos could not be decoded."""
    run, net = open_run(config, catalog)
    backbone = train_backbone(run, net)
    extract(run, backbone, run.folder / "features")
    if len(checked := decoded(run)) < len(run.catalog):
        return train_features(config, checked)
    return run, backbone


def train_beside(run: Run, place: str, config: Config, catalog: Catalog | None = None) -> Run:
    """Stages 2 and 3 in ``<run>/<place>``, on the same features.

    ``catalog`` has the run's images with other labels.
    """
    config = replace(config, run=f"{run.config.name}/{place}")
    catalog = run.catalog if catalog is None else catalog
    data = FlamDataModule(catalog, config, run.data.preprocess)
    other = Run(config, catalog, data, shared=run.source)
    extract(other, require(run.backbone_folder, "backbone"), run.source / "features")
    train_methods(other)
    return other


def train_methods(run: Run) -> None:
    for method in [registered()["flam"], *chosen(run.config)]:
        if method.training:
            method.training(run, method)
    if is_first_process():
        select_scoring(run)


def open_run(config: Config, catalog: Catalog | None = None) -> tuple[Run, Backbone]:
    """Read the data set, build the backbone, write settings and split."""
    chosen(config)  # refuses unknown methods before anything is read
    pl.seed_everything(config.seed, workers=True, verbose=False)
    show_progress(config.trainer.progress)
    started = time.monotonic()
    listed: Catalog | None = None
    if catalog is None:
        catalog = open_catalog(config.data)
        for remark in catalog.notes:
            log(f"{catalog.name}: {remark}")
        # a frozen backbone decodes each photo once, so the extraction checks them
        listed = catalog if config.backbone.max_epochs == 0 else None
        catalog = usable(catalog, config, decoding=listed is None)
    check_usable(catalog)
    settings = config.backbone
    net = Backbone(**settings.network(), image_size=settings.image_size)
    load_weights(net, settings.model, settings.weights)
    preprocess = Preprocess(settings.image_size, settings.fit)
    if is_first_process():
        write_text(config.folder / "split.csv", split_csv(catalog))
        save_config(config)
    run = Run(config, catalog, FlamDataModule(catalog, config, preprocess), listed=listed)
    run.seconds["data"] = round(time.monotonic() - started, 1)
    return run, net


def usable(catalog: Catalog, config: Config, write: bool = True, decoding: bool = True) -> Catalog:
    """The catalog without unusable images; ``write`` stores the check in the run's folder."""
    memory = photo_memory(config, catalog)
    catalog, bad = check_photos(catalog, config.data.min_side, memory, write, decoding)
    if bad and decoding:
        first, paths = next(iter(bad)), catalog.table["path"]
        log(
            f"{catalog.name}: {paths.iloc[list(bad)].nunique()} of {paths.nunique()} photos left "
            f"out, the first: {catalog.paths[first]}: {bad[first]}"
        )
    return catalog.without(bad) if bad else catalog


def photo_memory(config: Config, catalog: Catalog) -> Path:
    return config.folder / f"photos-{config.report or catalog.name}.json"


def decoded(run: Run) -> Catalog:
    """The catalog without photos that the extraction could not decode.

    If all were decoded, the run gets this catalog, with the hashes of all pixels.
    """
    if run.listed is None:
        return run.catalog
    notes = chain(*(of.values() for of in from_all_processes(run.data.notes or {})))
    note(photo_memory(run.config, run.listed), notes)
    catalog, run.data.notes = usable(run.listed, run.config), None
    if len(catalog) == len(run.catalog):
        run.catalog = run.data.catalog = catalog
    return catalog


def train_backbone(run: Run, net: Backbone) -> StageRecord:
    """Stage 1: similar features for photos of one item."""
    settings, catalog = run.config.backbone, run.catalog
    data = run.data.serve("images")
    if settings.max_epochs and not has_items_to_learn(run):
        raise FlamError(
            f"{catalog.name}: training a backbone needs photos of two items or more (a column "
            '"item"). Without them use a frozen one: backbone=imagenet_frozen.'
        )
    held_out, weights = data.validation_rows, Path(settings.weights)
    consumer = (catalog.table["domain"] == "consumer").to_numpy(bool)
    classified = most_photographed(catalog.items[data.item_rows], settings.classified_items)
    validation = catalog.items[held_out], consumer[held_out]
    stage = BackboneModule(net, classified, validation, settings)
    inputs = {
        "images": catalog.fingerprint(),
        "weights": sha256(weights) if weights.is_file() else settings.weights,
        "recipe": BACKBONE_RECIPE,
    }
    spec = StageSpec(
        "backbone",
        stage,
        run.backbone_folder,
        settings=settings,
        architecture=settings.network() | {"preprocess": data.preprocess.to_dict()},
        schema=catalog.schema,
        inputs=run.inputs | inputs,
        monitor="val/R@1" if stage.findable.any() else None,
        complete=partial(measure_whitening, stage, run.data) if net.whitening else None,
    )
    return train_stage(spec, data, run.config)


def has_items_to_learn(run: Run) -> bool:
    """Whether training photos show two items, as a triplet needs."""
    return len(np.unique(run.catalog.items[run.data.item_rows])) >= 2


def extract(run: Run, backbone: StageRecord, folder: Path) -> None:
    started = time.monotonic()
    require_ours(folder, "features.npy", "manifest.json")
    net, run.data.preprocess = restore_backbone(run.backbone_folder, backbone)
    nothing = (np.zeros(0, np.int64), np.zeros(0, bool))
    stage = BackboneModule(net, [0], nothing, run.config.backbone)
    # the writer's bar counts photos, the Trainer's would count batches
    config = replace(run.config, trainer=replace(run.config.trainer, progress=False))
    done = run.data.cache_features(
        stage,
        lambda writer: make_trainer(config, 1, [writer], logger=False),
        folder,
        backbone.checkpoint,
        net.dimension,
    )
    log(done)
    run.seconds["features"] = round(time.monotonic() - started, 1)
