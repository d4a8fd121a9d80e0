"""Runs one stage under a Lightning Trainer and leaves its hand-off behind."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint, TQDMProgressBar
from pytorch_lightning.utilities.exceptions import (  # type: ignore[attr-defined]
    MisconfigurationException,
)

from flam_pl.attributes import AttributeSchema
from flam_pl.config.root import Config
from flam_pl.distributed import by_first_process, log
from flam_pl.errors import FlamError
from flam_pl.training.loggers import finish, log_checkpoint, make_loggers
from flam_pl.training.records import CHECKPOINT, StageRecord, inputs_hash, sha256, versions

# Lightning sets its own level when it is imported; what it says at INFO is about itself
logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


class OwnChance(Callback):
    """Gives each rank its own random numbers: all start from one seed, to draw equal weights."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.world_size > 1:
            torch.manual_seed(torch.initial_seed() + trainer.global_rank)


def require_finished(trainer: pl.Trainer, what: str) -> None:
    """Lightning ends quietly on a termination signal: what is half done must not count as done.

    Raises:
        FlamError: the Trainer was interrupted.
    """
    if trainer.interrupted or not trainer.state.finished:
        raise FlamError(
            f"{what}: interrupted. What was finished before is kept; run the command again."
        )


def make_trainer(
    config: Config, epochs: int, callbacks: list[Callback] | None = None, **more: Any
) -> pl.Trainer:
    """The Trainer of one stage; every stage and the extraction get theirs here.

    Args:
        epochs: of this stage, unless ``trainer.max_epochs`` says otherwise for all.
    """
    settings = config.trainer
    gpus = torch.cuda.device_count() if settings.accelerator in ("auto", "gpu", "cuda") else 0
    several = settings.num_nodes > 1 or settings.devices not in ("1", "auto") or gpus > 1
    strategy = settings.strategy
    if strategy == "ddp" or (strategy == "auto" and several):
        # each of two optimizers leaves the other's parameters without a gradient, and some
        # backbones have parameters that their feature maps do not depend on
        strategy = "ddp_find_unused_parameters_true"
    if settings.progress:
        terminal = sys.stderr.isatty()
        callbacks = [TQDMProgressBar(refresh_rate=1 if terminal else 50), *(callbacks or [])]
    devices = settings.devices
    try:
        return pl.Trainer(
            accelerator=settings.accelerator,
            devices=json.loads(devices) if devices.startswith("[") else devices,
            num_nodes=settings.num_nodes,
            strategy=strategy,
            precision=settings.precision,  # type: ignore[arg-type]  # a word that check() knows
            max_epochs=settings.max_epochs if settings.max_epochs is not None else epochs,
            callbacks=[OwnChance(), *(callbacks or [])],
            enable_progress_bar=settings.progress,
            enable_model_summary=False,
            use_distributed_sampler=False,  # the samplers of the data module know their rank
            num_sanity_val_steps=0,
            **more,
        )
    except (MisconfigurationException, ValueError, TypeError) as error:
        raise FlamError(
            f"the trainer settings do not work on this machine: {error} ("
            f"trainer.accelerator={settings.accelerator}, trainer.devices={devices}, "
            f"trainer.strategy={settings.strategy})"
        ) from error


def evaluation_device(config: Config) -> torch.device:
    """Where what was trained is measured: the first GPU of the trainer settings, else the CPU."""
    device = make_trainer(config, 1, logger=False).strategy.root_device
    return device if device.type == "cuda" else torch.device("cpu")


def train_stage(
    stage: str,
    module: pl.LightningModule,
    datamodule: pl.LightningDataModule,
    config: Config,
    *,
    epochs: int,
    monitor: str | None,
    folder: Path,
    inputs: Mapping[str, Any],
    parent: str | None,
    schema: AttributeSchema,
    settings: dict[str, Any],
    architecture: dict[str, Any],
    complete: Callable[[pl.Trainer], None] | None = None,
    callbacks: Sequence[Callback] = (),
) -> StageRecord:
    """Train one stage and keep its best epoch, or find that it is trained already.

    Args:
        epochs: 0 keeps the weights as they are and only measures them.
        monitor: figure of the validation whose highest value marks the best epoch; None where
            there is no validation, and the last epoch is kept.
        folder: gets best.ckpt, stage.json and the logs.
        inputs: plain values that the result depends on; unchanged inputs are not trained again.
        parent: SHA-256 of the parent stage's checkpoint.
        architecture: plain values that the networks are built with; another is trained anew.
        complete: measures what the best weights still need before they are kept.
        callbacks: look on at each validation.
    """
    limit = config.trainer.max_epochs
    epochs = epochs if limit is None or epochs == 0 else limit
    wanted = inputs_hash(**inputs, parent=parent, settings=settings, epochs=epochs)
    trainer_folder = folder / ".training"
    keep = ModelCheckpoint(
        dirpath=str(trainer_folder),
        filename="best",
        monitor=monitor,
        mode="max",
        save_weights_only=True,
        enable_version_counter=False,
    )
    loggers = make_loggers(config, stage, folder)
    trainer = make_trainer(config, epochs, [keep, *callbacks], logger=loggers, log_every_n_steps=10)
    record = None if config.retrain else StageRecord.load(folder)
    same = record and (record.inputs, record.architecture) == (wanted, architecture)
    if record and same and is_whole(folder, record):
        log(f"{stage}: up to date, nothing to train (retrain=true trains again)")
        return record

    if trainer.is_global_zero:
        shutil.rmtree(trainer_folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    if epochs:
        log(f"{stage}: training for {epochs} epochs")
        trainer.fit(module, datamodule=datamodule)
        require_finished(trainer, stage)
        best = Path(keep.best_model_path)
        state = torch.load(best, map_location="cpu", weights_only=True)["state_dict"]
        module.load_state_dict(state)
        metrics = plain_metrics(trainer)
        if complete:
            complete(trainer)
            trainer.save_checkpoint(best, weights_only=True)
        if monitor:  # the figures of the weights that are kept, not of the last epoch
            trainer.validate(module, datamodule=datamodule, verbose=False)
            metrics |= plain_metrics(trainer)
    else:
        log(f"{stage}: frozen, its weights are used as they are")
        if complete:
            complete(trainer)
        trainer.validate(module, datamodule=datamodule, verbose=False)
        best = trainer_folder / "best.ckpt"
        trainer.save_checkpoint(best, weights_only=True)
        metrics = plain_metrics(trainer)
    require_finished(trainer, stage)  # the validation, too
    record = StageRecord(
        stage=stage,
        inputs=wanted,
        data=str(inputs.get("data", "")),
        parent=parent,
        checkpoint=sha256(best) if best.is_file() else "",
        schema=schema.to_dict(),
        settings=settings,
        architecture=architecture,
        seed=config.seed,
        metrics=metrics,
        seconds=round(time.monotonic() - started, 1),
        versions=versions(),
    )
    record = trainer.strategy.broadcast(record)

    def hand_off() -> None:
        os.replace(best, folder / CHECKPOINT)
        record.save(folder)
        shutil.rmtree(trainer_folder, ignore_errors=True)

    by_first_process(trainer.strategy, hand_off)
    log_checkpoint(loggers, config, folder, record)
    finish(loggers)
    return record


def is_whole(folder: Path, record: StageRecord) -> bool:
    """Whether the checkpoint is there and is the recorded one."""
    checkpoint = folder / CHECKPOINT
    return checkpoint.is_file() and sha256(checkpoint) == record.checkpoint


def plain_metrics(trainer: pl.Trainer) -> dict[str, float]:
    """What the Trainer measured last, as plain numbers."""
    return {name: round(float(v), 6) for name, v in trainer.callback_metrics.items()}
