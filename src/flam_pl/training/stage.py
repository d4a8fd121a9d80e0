"""Trains one stage under a Lightning Trainer and writes its checkpoint and record."""

from __future__ import annotations

import io
import json
import logging
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, LambdaCallback, ModelCheckpoint, TQDMProgressBar
from pytorch_lightning.plugins.io import TorchCheckpointIO
from pytorch_lightning.utilities.exceptions import (  # type: ignore[attr-defined]
    MisconfigurationException,
    SIGTERMException,
)
from torch import Tensor, distributed

from flam_pl.atomic_io import remove, replacing
from flam_pl.attributes import AttributeSchema
from flam_pl.config.root import Config, to_plain
from flam_pl.distributed import by_first_process, is_first_process, log
from flam_pl.errors import FlamError
from flam_pl.terminal import stopping
from flam_pl.training.loggers import finish, log_checkpoint, make_loggers
from flam_pl.training.records import CHECKPOINT, StageRecord, inputs_hash, sha256, versions
from flam_pl.training.resume import LAST, Resume, plain_metrics

# Lightning sets its own level when it is imported; its INFO messages are about itself
logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


class SeedPerRank(Callback):
    """Seeds each rank differently, once all ranks have equal weights."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.world_size > 1 and not trainer.current_epoch:  # a resumed rank has its own
            torch.manual_seed(torch.initial_seed() + trainer.global_rank)


class EndOnSignal(Callback):
    """Handles SIGINT and SIGTERM instead of the Trainer, which would wait for other ranks."""

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        stopping.listen()  # the ranks have met

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        stopping.listen()

    on_validation_start = on_predict_start = on_train_start

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        stopping.listen()  # the Trainer ignores a second SIGINT
        if isinstance(exception, SIGTERMException):  # a SystemExit without a code is a success
            exception.code = 128 + signal.SIGTERM


class BestEpoch(ModelCheckpoint):
    """Saves the latest epoch with the highest metric; without a metric, the last epoch."""

    def __init__(self, folder: Path, monitor: str | None) -> None:
        options: dict[str, Any] = {"save_weights_only": True, "enable_version_counter": False}
        super().__init__(str(folder), "best", monitor, mode="max", **options)
        self.equal = 1  # number of epochs with the highest metric

    def check_monitor_top_k(self, trainer: pl.Trainer, current: Tensor | None = None) -> bool:
        best = self.best_k_models.get(self.kth_best_model_path)
        if super().check_monitor_top_k(trainer, current):
            self.equal = 1
            return True
        if current is None or best is None:
            return False
        equal: bool = trainer.strategy.reduce_boolean_decision(bool(current == best))
        self.equal += equal
        return equal

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"equal": self.equal}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.equal = state_dict["equal"]

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        super().on_train_end(trainer, pl_module)
        if self.equal > 1 and self.best_model_score is not None:
            score = f"{self.monitor} = {float(self.best_model_score):.4f}"
            log(f"{self.equal} epochs have the highest {score}: the latest of them is kept")


class EpochLines(Callback):
    """Prints an epoch's validation figures: at least ``interval`` seconds apart, and at the end."""

    def __init__(self, stage: str, interval: float = 10.0) -> None:
        self.stage, self.interval, self.printed = stage, interval, time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        epoch, epochs, now = trainer.current_epoch + 1, trainer.max_epochs or 0, time.monotonic()
        if epoch < epochs and now - self.printed < self.interval:
            return
        self.printed = now
        figures = trainer.progress_bar_metrics.items()
        shown = [f"{name} {v:.3f}" for name, v in figures if name.startswith("val/")]
        log(", ".join([f"{self.stage}: epoch {epoch} of {epochs}", *shown]))


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint to a temporary file, then renames it."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        # torch.save to a file hides the OSError of a full disk, and stores the name of the file
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with replacing(Path(path)) as new:
            new.write_bytes(content.getbuffer())


def require_finished(trainer: pl.Trainer, what: str) -> None:
    """Raise FlamError after a signal: Lightning itself ends without an error."""
    if trainer.interrupted or not trainer.state.finished:
        raise FlamError(f"{what}: interrupted. Finished stages stay; run the command again.")


def make_trainer(
    config: Config, epochs: int, callbacks: list[Callback] | None = None, **more: Any
) -> pl.Trainer:
    """A Trainer with the settings of ``config``; ``trainer.max_epochs`` wins over ``epochs``."""
    settings, devices, strategy = config.trainer, config.trainer.devices, config.trainer.strategy
    gpus = torch.cuda.device_count() if settings.accelerator in ("auto", "gpu", "cuda") else 0
    several = settings.num_nodes > 1 or devices not in ("1", "auto") or gpus > 1
    if strategy == "ddp" or (strategy == "auto" and several):
        # each of two optimizers leaves the other's parameters without a gradient, and some
        # backbones have parameters that their feature maps do not depend on
        strategy = "ddp_find_unused_parameters_true"
    bars = settings.progress and sys.stderr.isatty()
    bar: list[Callback] = [TQDMProgressBar()] if bars else []
    try:
        trainer = pl.Trainer(
            accelerator=settings.accelerator,
            devices=json.loads(devices) if devices.startswith("[") else devices,
            num_nodes=settings.num_nodes,
            strategy=strategy,
            precision=settings.precision,  # type: ignore[arg-type]  # a word that check() knows
            max_epochs=settings.max_epochs if settings.max_epochs is not None else epochs,
            callbacks=[SeedPerRank(), EndOnSignal(), *bar, *(callbacks or [])],
            enable_progress_bar=bars,
            enable_model_summary=False,
            use_distributed_sampler=False,  # the samplers of the data module know their rank
            num_sanity_val_steps=0,
            plugins=[WholeFiles()],
            **more,
        )
    except (MisconfigurationException, ValueError, TypeError) as error:
        raise FlamError(
            f"the trainer settings do not work on this machine: {error} ("
            f"trainer.accelerator={settings.accelerator}, trainer.devices={devices}, "
            f"trainer.strategy={settings.strategy})"
        ) from error
    if trainer.world_size > 1 and not distributed.is_initialized():
        stopping.default_handlers()  # until the ranks have met
    return trainer


def evaluation_device(config: Config) -> torch.device:
    """The first GPU of the trainer settings, else the CPU."""
    device = make_trainer(config, 1, logger=False).strategy.root_device
    stopping.listen()  # this Trainer starts no ranks
    return device if device.type == "cuda" else torch.device("cpu")


@dataclass(frozen=True)
class StageSpec:
    """One stage to train. A change of settings, architecture, inputs or parent trains it again."""

    name: str
    module: pl.LightningModule
    folder: Path  # of best.ckpt, stage.json and the logs
    settings: Any  # a dataclass; ``max_epochs`` 0: the weights are only measured
    architecture: dict[str, Any]  # arguments that build the networks
    schema: AttributeSchema
    inputs: Mapping[str, Any]  # further plain values that the result depends on
    parent: str | None = None  # SHA-256 of the parent stage's checkpoint
    monitor: str | None = None  # metric whose highest value marks the best epoch; None: the last
    complete: Callable[[pl.Trainer], None] | None = None  # on the best weights, before saving
    callbacks: Sequence[Callback] = ()


def train_stage(spec: StageSpec, data: pl.LightningDataModule, config: Config) -> StageRecord:
    """Train one stage and save its best epoch, unless it is up to date. An interrupted training
    continues after its last epoch."""
    epochs = spec.settings.max_epochs and (config.trainer.max_epochs or spec.settings.max_epochs)
    settings = to_plain(spec.settings)
    wanted = inputs_hash(**spec.inputs, parent=spec.parent, settings=settings, epochs=epochs)
    work = spec.folder / ".training"
    record = None if config.retrain else finished(spec, wanted)
    if record:
        log(f"{spec.name}: up to date, nothing to train (retrain=true trains again)")
        if is_first_process():
            remove(work)
        return record

    # all that an interrupted training must share to go on; BestEpoch remembers its place
    shared = {"architecture": spec.architecture, "versions": versions()}
    keep = BestEpoch(work, spec.monitor)
    resume = Resume(work, inputs_hash(inputs=wanted, place=str(work.resolve()), **shared))
    loggers = make_loggers(config, spec.name, spec.folder)
    finite = LambdaCallback(
        on_train_epoch_end=lambda trainer, _: require_finite(spec, plain_metrics(trainer))
    )
    callbacks = [keep, finite, *spec.callbacks, resume]
    if config.trainer.progress and not sys.stderr.isatty():
        callbacks.append(EpochLines(spec.name))
    trainer = make_trainer(config, epochs, callbacks, logger=loggers, log_every_n_steps=10)
    last = None if config.retrain else resume.last(trainer.world_size)
    if trainer.is_global_zero and not last:
        if (work / LAST).is_file():
            log(f"{spec.name}: its interrupted training cannot go on (other inputs or retrain)")
        remove(work)
    if epochs:
        log(f"{spec.name}: training for {epochs} epochs")
        trainer.fit(spec.module, datamodule=data, ckpt_path=last)
        require_finished(trainer, spec.name)
        saved = torch.load(keep.best_model_path, map_location="cpu", weights_only=True)
        spec.module.load_state_dict(saved["state_dict"])
    else:
        log(f"{spec.name}: frozen, its weights are used as they are")
    best = work / CHECKPOINT
    metrics = resume.metrics | plain_metrics(trainer) | complete(spec, trainer, data, best, epochs)
    record = StageRecord(
        stage=spec.name,
        inputs=wanted,
        data=str(spec.inputs.get("data", "")),
        parent=spec.parent,
        checkpoint=sha256(best) if best.is_file() else "",
        schema=spec.schema.to_dict(),
        settings=settings,
        architecture=spec.architecture,
        seed=config.seed,
        metrics=metrics,
        seconds=round(resume.seconds, 1),
        versions=versions(),
    )
    record = trainer.strategy.broadcast(record)
    by_first_process(trainer.strategy, partial(hand_off, best, spec.folder, record))
    log_checkpoint(loggers, config, spec.folder, record)
    finish(loggers)
    return record


def finished(spec: StageSpec, inputs: str) -> StageRecord | None:
    """The record of the stage if it has these inputs and an unchanged checkpoint."""
    record, checkpoint = StageRecord.intact(spec.folder), spec.folder / CHECKPOINT
    if record is None or (record.inputs, record.architecture) != (inputs, spec.architecture):
        return None
    if checkpoint.is_file() and sha256(checkpoint) == record.checkpoint:
        return record
    log(f"{spec.name}: {checkpoint} is missing or was changed, so the stage is trained again")
    return None


def complete(
    spec: StageSpec, trainer: pl.Trainer, data: pl.LightningDataModule, best: Path, epochs: int
) -> dict[str, float]:
    """Run ``spec.complete`` on the best weights, save them to ``best``, return their figures."""
    metrics: dict[str, float] = {}
    if spec.complete:
        spec.complete(trainer)
        if epochs:
            trainer.save_checkpoint(best, weights_only=True)
    if spec.monitor or not epochs:  # the figures of the saved weights, not of the last epoch
        trainer.validate(spec.module, datamodule=data, verbose=False)
        metrics = plain_metrics(trainer)
    if not epochs:  # a Trainer that has not run cannot save
        trainer.save_checkpoint(best, weights_only=True)
    require_finished(trainer, spec.name)  # the validation, too
    if epochs:
        require_finite(spec, metrics)
    return metrics


def hand_off(best: Path, folder: Path, record: StageRecord) -> None:
    os.replace(best, folder / CHECKPOINT)
    record.save(folder)
    remove(best.parent)


def require_finite(spec: StageSpec, figures: Mapping[str, float]) -> None:
    """Raise FlamError for a figure or a weight that is infinite or not a number."""
    values = [v for v in spec.module.state_dict().values() if v.is_floating_point()]
    finite = torch.stack([value.isfinite().all() for value in values]).all()
    wrong = [name for name, value in figures.items() if not math.isfinite(value)]
    if wrong or not finite:
        found = f"{wrong[0]} is {figures[wrong[0]]}" if wrong else "a weight is not finite"
        settings = type(spec.settings).__name__.removesuffix("Config").lower()
        raise FlamError(
            f"the {spec.name} diverged ({found}): train it with a smaller {settings}.lr"
        )
