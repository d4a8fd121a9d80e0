"""An interrupted training goes on and ends as an uninterrupted one, bit for bit."""

from __future__ import annotations

import os
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
from flam_pl.config.root import Config, LoggerConfig, TrainerConfig
from flam_pl.config.stages import BackboneConfig, ConcatConfig, EmbedderConfig, ManipulatorConfig
from flam_pl.data.datamodule import FlamDataModule
from flam_pl.errors import FlamError
from flam_pl.images.pixels import Preprocess
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
    epochs: int = EPOCHS,
    settings: Any = None,
    **changes: Any,
) -> StageRecord:
    pl.seed_everything(0, verbose=False)
    module, data, chosen, monitor = make(folder)
    pl.seed_everything(seed, verbose=False)  # a resumed training gets its states elsewhere
    own = config(folder, retrain=changes.pop("retrain", False))
    chosen = replace(settings or chosen, max_epochs=epochs)
    wanted = {"inputs": {"data": "d"}, "architecture": {}, "settings": chosen}
    spec = StageSpec(
        make.__name__,
        module,
        folder / "stage",
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


@pytest.mark.parametrize("lost", ["random", "position", "optimizer_states", "lr_schedulers"])
def test_each_part_of_the_state_is_needed(lost: str, tmp_path: Path) -> None:
    """Else the test above could not fail."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir(), killed.mkdir()
    train(whole, embedder)
    with pytest.raises(Killed):
        train(killed, embedder, kill=2)
    file = killed / "stage" / ".training" / LAST
    last = torch.load(file, weights_only=True)
    spare = tmp_path / "spare"
    spare.mkdir()
    with pytest.raises(Killed):
        train(spare, embedder, kill=1)  # the state of an epoch before
    older = torch.load(spare / "stage" / ".training" / LAST, weights_only=True)
    if lost in last:
        last[lost] = older[lost]
    else:
        last["resume"]["ranks"][0][lost] = older["resume"]["ranks"][0][lost]
    torch.save(last, file)
    train(killed, embedder)
    assert outputs(killed)[0] != outputs(whole)[0]


@pytest.mark.slow
def test_augmentations_by_worker_processes_go_on_too(tmp_path: Path) -> None:
    def by_workers(folder: Path) -> Parts:
        return backbone(folder, workers=2)

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir(), killed.mkdir()
    expected = train(whole, by_workers)
    with pytest.raises(Killed):
        train(killed, by_workers, kill=2)
    assert train(killed, by_workers, seed=3).metrics == expected.metrics
    assert outputs(killed) == outputs(whole)


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": {"data": "other"}},
        {"architecture": {"hidden": 2}},
        {"epochs": EPOCHS + 1},
        {"parent": "p" * 64},
        {"settings": EmbedderConfig(lr=2e-2)},
        {"retrain": True},
        {"torn": True},
        {"without_best": True},
    ],
)
def test_the_interrupted_training_of_something_else_is_removed(
    changes: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Killed):
        train(tmp_path, embedder, kill=2)
    work = tmp_path / "stage" / ".training"
    if changes.pop("torn", False):
        (work / LAST).write_bytes((work / LAST).read_bytes()[:-100])
    if changes.pop("without_best", False):
        (work / CHECKPOINT).unlink()
    (work / "mark").touch()
    capsys.readouterr()
    train(tmp_path, embedder, **changes)
    out = capsys.readouterr().out
    assert "its interrupted training cannot go on" in out and "it goes on" not in out
    assert not work.exists()
    # the whole training, though a part of it was done
    log = (tmp_path / "stage" / "logs" / "metrics.csv").read_text()
    epochs = {line.split(",")[0] for line in log.splitlines()[1:]}
    assert epochs >= {str(epoch) for epoch in range(changes.get("epochs", EPOCHS))}


def test_the_seconds_before_the_interruption_count(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train(tmp_path, classifiers, kill=2)
    file = tmp_path / "stage" / ".training" / LAST
    last = torch.load(file, weights_only=True)
    assert 0 < last["resume"]["seconds"] < 100
    last["resume"]["seconds"] += 1000
    torch.save(last, file)
    assert 1000 < train(tmp_path, classifiers).seconds < 1100


def test_ties_with_an_epoch_before_the_interruption_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def tied(folder: Path) -> Parts:
        module, data, chosen, _ = classifiers(folder)
        module.on_train_epoch_end = lambda: module.log("even", 0.5)  # type: ignore[method-assign]
        return module, data, chosen, "even"

    with pytest.raises(Killed):
        train(tmp_path, tied, kill=3)
    train(tmp_path, tied)
    assert "4 epochs have the highest even = 0.5000" in capsys.readouterr().out


def test_what_a_kill_left_of_a_finished_stage_is_removed(tmp_path: Path) -> None:
    """The kill came after the record was written."""
    train(tmp_path, classifiers)
    work = tmp_path / "stage" / ".training"
    work.mkdir()
    (work / LAST).touch()
    train(tmp_path, classifiers)
    assert not work.exists()


@pytest.mark.parametrize("make", [backbone, embedder, manipulator, classifiers])
def test_a_training_that_diverges_is_an_error_and_leaves_no_stage(
    make: Callable[[Path], Parts], tmp_path: Path
) -> None:
    class Diverge(Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            if trainer.current_epoch == 2:
                next(trainer.lightning_module.parameters()).data.fill_(float("nan"))

    def spoilt(folder: Path) -> Parts:
        module, *others = make(folder)
        module.configure_callbacks = lambda: [Diverge()]  # type: ignore[method-assign]
        return module, *others

    key = {"classifiers": "concat"}.get(make.__name__, make.__name__)
    for _ in range(2):  # the same command again goes on from a sound epoch, and diverges again
        with pytest.raises(FlamError, match=rf"the spoilt diverged .*a smaller {key}\.lr"):
            train(tmp_path, spoilt)
        assert not (tmp_path / "stage" / "stage.json").exists()
        last = torch.load(tmp_path / "stage" / ".training" / LAST, weights_only=True)
        assert last["epoch"] == 2
        assert all(v.isfinite().all() for v in last["state_dict"].values())


def test_last_ckpt_runs_no_code_when_it_is_read(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (os.mkdir, (str(tmp_path / "ran"),))

    with pytest.raises(Killed):
        train(tmp_path, classifiers, kill=2)
    file = tmp_path / "stage" / ".training" / LAST
    torch.save(torch.load(file, weights_only=True) | {"trap": Trap()}, file)
    train(tmp_path, classifiers)
    assert not (tmp_path / "ran").exists()
