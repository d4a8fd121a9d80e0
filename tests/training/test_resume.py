"""An interrupted training goes on and ends as an uninterrupted one, bit for bit."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from attribute_world import SCHEMA, FeatureModule, make_world
from flam_pl.config.data import WardrobeData
from flam_pl.config.methods import ConcatConfig
from flam_pl.config.root import Config, LoggerConfig, TrainerConfig
from flam_pl.config.stages import BackboneConfig, EmbedderConfig, ManipulatorConfig
from flam_pl.data.datamodule import FlamDataModule
from flam_pl.errors import FlamError
from flam_pl.images import Preprocess
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.backbone import Backbone
from flam_pl.models.concat import ConcatClassifiers
from flam_pl.models.manipulator import Manipulator
from flam_pl.training.backbone_module import BackboneModule
from flam_pl.training.concat_modules import ClassifierModule
from flam_pl.training.embedder_module import EmbedderModule
from flam_pl.training.manipulator_module import ManipulatorModule
from flam_pl.training.records import CHECKPOINT, StageRecord
from flam_pl.training.resume import LAST
from flam_pl.training.stage import StageSpec, train_stage
from tiny_run import settings
from training.test_backbone_module import draw

EPOCHS = 4
Parts = tuple[pl.LightningModule, pl.LightningDataModule, Any, str | None]
"""A module, its data, its settings and its monitor."""


def config(folder: Path, workers: int = 0, **changes: Any) -> Config:
    return Config(
        run="run",
        runs_dir=str(folder),
        data=WardrobeData(name="colors", workers=workers),
        trainer=TrainerConfig(accelerator="cpu", devices="1", progress=False),
        logger=LoggerConfig(wandb="off"),
        backbone=backbone_settings(),
        **changes,
    )


def backbone_settings() -> BackboneConfig:
    return BackboneConfig(
        model="test_resnet",
        image_size=32,
        feature_dim=6,
        items=3,
        images=2,
        extract_batch=5,
        lr=1e-2,
        erase=0.3,
    )


def backbone(folder: Path, workers: int = 0) -> Parts:
    """With random crops, flips and erased rectangles, by the process or by its workers."""
    (folder / "photos").mkdir(exist_ok=True)
    catalog, chosen = draw(folder / "photos", items=14), backbone_settings()
    data = FlamDataModule(catalog, config(folder, workers), Preprocess(32, "stretch"))
    held_out = data.validation_rows
    consumer = (catalog.table["domain"] == "consumer").to_numpy(bool)
    net = Backbone("test_resnet", 6, 32)
    classified = np.unique(catalog.items[data.item_rows]).tolist()
    validation = (catalog.items[held_out], consumer[held_out])
    return BackboneModule(net, classified, validation, chosen), data, chosen, "val/R@1"


def embedder(folder: Path) -> Parts:
    """With dropout, noise, and self-training on random rows from the second epoch on."""
    world, chosen = make_world(noise=0.8), EmbedderConfig(lr=1e-2, noise=0.5, batch_size=32)
    net = AttributeEmbedders(SCHEMA, 12, 8, hidden=16, dropout=0.3, members=2)
    net.fit(world.features, torch.from_numpy(world.labels))
    module = EmbedderModule(net, replace(chosen, self_training=0.5), world.features)
    return module, FeatureModule(world, 32, 13), chosen, "val/accuracy"


def manipulator(folder: Path) -> Parts:
    """By manual optimization with two optimizers; D's noise rises with the steps."""
    world, chosen = make_world(), ManipulatorConfig(steps_per_epoch=7, max_epochs=EPOCHS)
    teacher = AttributeEmbedders(SCHEMA, 12, 8, hidden=16)
    teacher.fit(world.features, torch.from_numpy(world.labels))
    net = Manipulator(SCHEMA, teacher.space.dimension, 8, hidden=16, discriminator_hidden=16)
    chosen.distillation_weight, chosen.bank_batch, chosen.input_noise = 0.3, 20, 0.1
    module = ManipulatorModule(net, teacher, chosen, bank=world.features)
    return module, FeatureModule(world, 32, 7), chosen, "val/cosine_recovered"


def classifiers(folder: Path) -> Parts:
    """Without a monitor: the last epoch is kept."""
    world, chosen = make_world(), ConcatConfig(lr=1e-2, noise=0.2)
    net = ConcatClassifiers(SCHEMA, 12, width=5)
    net.space.fit(world.features)
    labelled = (world.features, torch.from_numpy(world.labels))
    module = ClassifierModule(net, chosen, lambda: labelled)
    return module, FeatureModule(world, 32, 5), chosen, None


class Killed(Exception):
    """Stands for a kill: what the process had in memory is lost."""


class Kill(Callback):
    """Ends the training in the middle of an epoch, counted from 0."""

    def __init__(self, epoch: int | None) -> None:
        self.epoch = epoch

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if (trainer.current_epoch, batch_idx) == (self.epoch, 2):
            raise Killed


def train(
    folder: Path,
    make: Callable[[Path], Parts],
    kill: int | None = None,
    seed: int = 0,
    **changes: Any,
) -> StageRecord:
    pl.seed_everything(0, verbose=False)
    module, data, chosen, monitor = make(folder)
    pl.seed_everything(seed, verbose=False)  # a resumed training gets its states elsewhere
    own = config(folder, retrain=changes.pop("retrain", False))
    wanted = {"inputs": {"data": "d"}, "architecture": {}, "epochs": EPOCHS}
    spec = StageSpec(
        make.__name__,
        module,
        folder / "stage",
        settings=chosen,
        schema=SCHEMA,
        monitor=monitor,
        callbacks=[Kill(kill)],
        **{**wanted, **changes},
    )
    return train_stage(spec, data, own)


def outputs(folder: Path) -> tuple[bytes, bytes]:
    stage = folder / "stage"
    return (stage / CHECKPOINT).read_bytes(), (stage / "logs" / "metrics.csv").read_bytes()


@pytest.mark.parametrize("make", [backbone, embedder, manipulator, classifiers])
def test_a_killed_training_ends_like_one_that_was_not(
    make: Callable[[Path], Parts], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir(), killed.mkdir()
    expected = train(whole, make)
    for seed, epoch in enumerate((1, 3, 3)):  # in the end twice in the same epoch
        with pytest.raises(Killed):
            train(killed, make, epoch, seed)
    capsys.readouterr()
    found = train(killed, make, seed=7)
    assert "it goes on after epoch 3" in capsys.readouterr().out
    assert found.metrics == expected.metrics
    assert outputs(killed) == outputs(whole)
    assert sorted(path.name for path in (killed / "stage").iterdir()) == sorted(
        [CHECKPOINT, "stage.json", "logs"]
    )


def test_a_killed_epoch_is_trained_anew_by_other_numbers_than_the_first() -> None:
    """Else the tests above could not tell a resumed training from one that begins again."""
