"""Continues an interrupted training from ``last.ckpt``, as if uninterrupted."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback

from flam_pl.distributed import from_all_processes, log
from flam_pl.training.loggers import csv_text, restore_csv
from flam_pl.training.records import CHECKPOINT

LAST = "last.ckpt"


class Resume(Callback):
    """Writes ``last.ckpt`` after every epoch but the last: data loaders cannot resume mid-epoch.

    To the Trainer's state it adds each rank's random states and ``position`` of the data module,
    the CSV log, figures and seconds. ``inputs`` hashes what the training depends on.
    """

    def __init__(self, folder: Path, inputs: str) -> None:
        self.path, self.inputs = folder / LAST, inputs
        self.started = time.monotonic()
        self.metrics: dict[str, float] = {}
        self.loops: dict[str, Any] | None = None

    @property
    def seconds(self) -> float:
        """Of this training, without the interruptions."""
        return time.monotonic() - self.started

    def last(self, world_size: int) -> Path | None:
        """``last.ckpt`` if it is whole and has the same inputs and number of processes."""
        try:
            # without running any code of the file; the Trainer reads it again
            found = torch.load(self.path, map_location="cpu", weights_only=True, mmap=True)
            state = found["resume"]
            same = (state["inputs"], len(state["ranks"])) == (self.inputs, world_size)
            same &= self.path.with_name(CHECKPOINT).is_file()
        except Exception:  # torch raises pickle, zip, key and runtime errors alike
            same = False
        return self.path if same else None

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.metrics |= plain_metrics(trainer)
        self.loops = trainer.fit_loop.state_dict()  # here the Trainer can go on

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.loops is not None:  # an epoch has ended, and the loggers have its figures by now
            trainer.save_checkpoint(self.path)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        mine = {"random": random_states(), "position": data.position()}
        checkpoint["loops"]["fit_loop"] = self.loops
        checkpoint["resume"] = {
            "inputs": self.inputs,
            "ranks": from_all_processes(mine),
            "log": csv_text(trainer.loggers),
            "metrics": self.metrics,
            "seconds": self.seconds,
        }

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        state = checkpoint["resume"]
        mine = state["ranks"][trainer.global_rank]
        restore_random_states(mine["random"])
        data.go_on_at(mine["position"])
        restore_csv(trainer.loggers, state["log"])
        self.metrics = state["metrics"]
        self.started -= state["seconds"]
        log(f"  it goes on after epoch {checkpoint['epoch']}, from {self.path}")


def plain_metrics(trainer: pl.Trainer) -> dict[str, float]:
    return {name: round(float(v), 6) for name, v in trainer.callback_metrics.items()}


def random_states() -> dict[str, Any]:
    """Plain values and tensors, which ``torch.load`` reads without running code."""
    name, keys, *rest = cast(tuple, np.random.get_state(legacy=True))
    cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return {
        "python": random.getstate(),
        "numpy": (name, keys.tolist(), *rest),
        "torch": torch.get_rng_state(),
        "cuda": cuda,
    }


def restore_random_states(states: dict[str, Any]) -> None:
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])
    if states["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
