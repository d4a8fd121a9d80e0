"""The newcomer's page: every stage in its order, top to bottom.

images -> Catalog -> backbone -> features -> embedders -> manipulator -> evaluation -> report
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl

from flam_pl.atomic_io import write_text
from flam_pl.config.loading import save_config
from flam_pl.config.root import Config, to_plain
from flam_pl.config.stages import BackboneConfig, EmbedderConfig, ManipulatorConfig
from flam_pl.data.datamodule import FlamDataModule
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.inspection import check_usable, find_unusable, left_out
from flam_pl.datasets.sources import open_catalog
from flam_pl.datasets.splits import split_csv
from flam_pl.editing.generator import Flam
from flam_pl.errors import FlamError
from flam_pl.evaluation.validation import MONITOR, calibration, validation_figures
from flam_pl.experiments.trained import restore_backbone, restore_embedders
from flam_pl.images import Preprocess
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.backbone import Backbone, load_weights
from flam_pl.models.manipulator import Manipulator
from flam_pl.reports.wandb_report import SearchTable
from flam_pl.training.backbone_module import BackboneModule, most_photographed
from flam_pl.training.embedder_module import EmbedderModule
from flam_pl.training.manipulator_module import ManipulatorModule
from flam_pl.training.records import StageRecord, require, sha256
from flam_pl.training.stage import (
    is_first_process,
    make_trainer,
    say,
    train_stage,
)
from flam_pl.training.whitening import measure_whitening


@dataclass
class Run:
    """One run's settings, data and times."""

    config: Config
    catalog: Catalog
    data: FlamDataModule
    seconds: dict[str, float] = field(default_factory=dict)
    shared: Path | None = None
    """Folder of the run whose backbone and features this one uses; None: it has its own."""

    @property
    def folder(self) -> Path:
        """Where everything of the run lies."""
        return self.config.folder

    @property
    def source(self) -> Path:
        """Of the run whose backbone and features these are: its own folder or the one it shares."""
        return self.shared or self.folder

    @property
    def backbone_folder(self) -> Path:
        """Of stage 1."""
        return self.source / "backbone"

    @property
    def inputs(self) -> dict[str, str | int]:
        """What every stage's result depends on beside its settings and its parent."""
        return {
            "data": self.catalog.label_fingerprint(),
            "seed": self.config.seed,
            "precision": self.config.trainer.precision,
        }

    @property
    def feature_inputs(self) -> dict[str, str | int]:
        """The same for a stage that trains on features: a frozen backbone's checkpoint stays the
        same when images or preprocessing change, its features do not."""
        return self.inputs | {"features": self.data.features.content}

    def reseed(self) -> None:
        """The same random numbers for a stage, whether the ones before it were trained just now."""
        pl.seed_everything(self.config.seed, workers=True, verbose=False)


def train(config: Config, catalog: Catalog | None = None) -> Run:
    """All three stages.

    Args:
        catalog: the data set where it was read before, without what cannot be used.
    """
    run, net = open_run(config, catalog)
    backbone = train_backbone(run, net)
    extract(run, backbone, run.folder / "features")
    embedders = train_embedders(run, backbone)
    train_manipulator(run, embedders)
    return run


def train_beside(run: Run, place: str, config: Config, catalog: Catalog | None = None) -> Run:
    """Stages 2 and 3 by another seed or other labels, in ``<run>/<place>``, on the same features.

    Stage 1 is most of the time, and reads no attribute label.

    Args:
        config: the run's settings with what differs; those of stage 1 are not looked at.
        catalog: the run's images with other labels; None: with their own.
    """
    config = replace(config, run=f"{run.config.name}/{place}")
    catalog = run.catalog if catalog is None else catalog
    data = FlamDataModule(catalog, config, run.data.preprocess)
    other = Run(config, catalog, data, shared=run.source)
    backbone = require(run.backbone_folder, "backbone")
    extract(other, backbone, run.source / "features")
    train_manipulator(other, train_embedders(other, backbone))
    return other


def open_run(config: Config, catalog: Catalog | None = None) -> tuple[Run, Backbone]:
    """Read the data set, leave out what cannot be used, build the backbone, open the folder."""
    pl.seed_everything(config.seed, workers=True, verbose=False)
    started = time.monotonic()
    if catalog is None:
        catalog = usable(open_catalog(config.data), config)
    check_usable(catalog)
    settings = config.backbone
    net = Backbone(**settings.network(), image_size=settings.image_size)
    load_weights(net, settings.model, settings.weights)
    preprocess = Preprocess(settings.image_size, settings.fit)
    if is_first_process():
        write_text(config.folder / "split.csv", split_csv(catalog))
        save_config(config)
    run = Run(config, catalog, FlamDataModule(catalog, config, preprocess))
    run.seconds["data"] = round(time.monotonic() - started, 1)
    return run, net


def usable(catalog: Catalog, config: Config) -> Catalog:
    """The catalog without images that cannot be decoded or are too small, counted and reported.

    Every file is decoded once; what was found is remembered until an image changes.
    """
    memory = config.folder / f"unusable-{config.report or catalog.name}.json"
    images = f"{catalog.fingerprint()}-{config.data.min_side}"
    try:
        known = json.loads(memory.read_text())
    except (OSError, ValueError):
        known = {}
    if known.get("images") != images:
        found = find_unusable(catalog, config.data.min_side)
        known = {"images": images, "unusable": {str(row): why for row, why in found.items()}}
        write_text(memory, json.dumps(known))
    bad = {int(row): why for row, why in known["unusable"].items()}
    if not bad:
        return catalog
    say(left_out(catalog, bad))
    return catalog.without(bad)


def train_backbone(run: Run, net: Backbone) -> StageRecord:
    """Stage 1: features in which photos of one item lie together."""
    settings, catalog = run.config.backbone, run.catalog
    data = run.data.serve("images")
    if settings.max_epochs and not has_items_to_learn(run):
        raise FlamError(
            f"{catalog.name}: training a backbone needs photos of two items or more (a column "
            '"item"). Without them use a frozen one: backbone=imagenet_frozen.'
        )
    held_out = data.validation_rows
    consumer = (catalog.table["domain"] == "consumer").to_numpy(bool)
    stage = BackboneModule(
        net,
        most_photographed(catalog.items[data.item_rows], settings.classified_items),
        (catalog.items[held_out], consumer[held_out]),
        to_plain(settings),
    )
    record = train_stage(
        "backbone",
        stage,
        data,
        run.config,
        epochs=settings.max_epochs,
        monitor="val/R@1" if stage.findable.any() else None,
        folder=run.backbone_folder,
        inputs=run.inputs | {"images": catalog.fingerprint(), "weights": weights_hash(settings)},
        parent=None,
        schema=catalog.schema,
        settings=to_plain(settings),
        architecture=settings.network() | {"preprocess": data.preprocess.to_dict()},
        complete=partial(measure_whitening, stage, run.data) if net.whitening else None,
    )
    run.seconds["backbone"] = record.seconds
    return record


def has_items_to_learn(run: Run) -> bool:
    """Whether a backbone can be trained: a triplet needs photos of two items."""
    return len(np.unique(run.catalog.items[run.data.item_rows])) >= 2


def weights_hash(settings: BackboneConfig) -> str:
    """What the initial weights are: their name, or the content of a local file."""
    path = Path(settings.weights)
    return sha256(path) if path.is_file() else settings.weights


def extract(run: Run, backbone: StageRecord, folder: Path) -> None:
    """Features of the whole catalog by the trained backbone, from the cache where it fits."""
    started = time.monotonic()
    net, run.data.preprocess = restore_backbone(run.backbone_folder, backbone)
    nothing = (np.zeros(0, np.int64), np.zeros(0, bool))
    stage = BackboneModule(net, [0], nothing, to_plain(run.config.backbone))
    said = run.data.cache_features(
        stage,
        lambda writer: make_trainer(run.config, 1, [writer], logger=False),
        folder,
        backbone.checkpoint,
        net.dimension,
    )
    say(said)
    run.seconds["features"] = round(time.monotonic() - started, 1)


def train_embedders(
    run: Run,
    backbone: StageRecord,
    place: str = "embedder",
    settings: EmbedderConfig | None = None,
) -> StageRecord:
    """Stage 2: phi_a and d_a of every type, on whatever labels there are.

    The working space is measured on the labelled rows and a sample of the others
    (``FlamDataModule.fitting_rows``), which fits into memory whatever the number of photos.

    Args:
        place: folder under the run's.
        settings: of another recipe; None: the run's.
    """
    run.reseed()
    settings, catalog = settings or run.config.embedder, run.catalog
    data = run.data.serve("labelled", settings.batch_size)
    rows = data.fitting_rows
    architecture: dict[str, Any] = {
        "dimension": data.features.dimension,
        "embedding_dim": settings.embedding_dim,
        # so many features span no more directions
        "working_dim": min(settings.working_dim, len(rows)) if settings.working_dim else None,
        "hidden": settings.hidden,
        "dropout": settings.dropout,
        "members": settings.members,
    }
    embedders = AttributeEmbedders(catalog.schema, **architecture)
    embedders.fit(data.features.rows(rows), data.labels(rows))
    taught = settings.self_training and settings.loss == "softmax"
    bank = run.data.bank(settings.bank) if taught else None
    complete = calibration(data, embedders)
    record = train_stage(
        "embedder",
        EmbedderModule(embedders, to_plain(settings), bank),
        data,
        run.config,
        epochs=settings.max_epochs,
        # of a softmax the last epoch is kept: the best accuracy is that of a lucky epoch, whose
        # probabilities are worse
        monitor="val/accuracy" if complete and settings.loss == "triplet" else None,
        folder=run.folder / place,
        inputs=run.feature_inputs,
        parent=backbone.checkpoint,
        schema=catalog.schema,
        settings=to_plain(settings),
        architecture=architecture,
        complete=complete,
    )
    run.seconds[place.replace("/", "-")] = record.seconds
    return record


def train_manipulator(
    run: Run,
    parent: StageRecord,
    place: str = "manipulator",
    settings: ManipulatorConfig | None = None,
    teacher: str = "embedder",
) -> StageRecord:
    """Stage 3: the generator that edits features, against a discriminator.

    Args:
        place: folder under the run's; its last part names the stage.
        settings: of another recipe; None: the run's.
        teacher: folder under the run's with the embedders, whose record is ``parent``.
    """
    run.reseed()
    settings = settings or run.config.manipulator
    data = run.data.serve("unlabelled", settings.batch_size, settings.steps_per_epoch)
    embedders = restore_embedders(run.folder / teacher, parent)
    architecture: dict[str, Any] = {
        "dimension": embedders.space.dimension,
        "embedding_dim": embedders.embedding_dim,
        "shared": settings.shared,
        "hidden": settings.hidden,
        "depth": settings.depth,
        "gated": settings.gated,
        "discriminator_hidden": settings.discriminator_hidden,
        "discriminator_depth": settings.discriminator_depth,
        "noise": settings.noise,
    }
    manipulator = Manipulator(run.catalog.schema, **architecture)
    held_out = data.feature_rows[1]
    editor = Flam(embedders, manipulator)
    evaluate = validation_figures(data, editor, manipulator) if len(held_out) > 1 else None
    name = Path(place).name
    looks_for_photos = settings.distillation_weight or settings.composition_weight
    bank = run.data.bank(settings.bank) if looks_for_photos else None
    record = train_stage(
        name,
        ManipulatorModule(manipulator, embedders, to_plain(settings), evaluate, bank),
        data,
        run.config,
        epochs=settings.max_epochs,
        monitor=f"val/{MONITOR}" if evaluate else None,
        folder=run.folder / place,
        inputs=run.feature_inputs,
        parent=parent.checkpoint,
        schema=run.catalog.schema,
        settings=to_plain(settings),
        architecture=architecture,
        callbacks=[SearchTable(editor, run.catalog, data.features, held_out, run.config.seed)],
    )
    run.seconds[name] = record.seconds
    return record
