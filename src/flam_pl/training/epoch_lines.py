"""What a log file shows of a training: lines, where a terminal shows bars."""

from __future__ import annotations

import time

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from flam_pl.distributed import log

INTERVAL = 10.0  # least seconds between two lines


class EpochLines(Callback):
    """Prints the validation figures of an epoch, at most every ``interval`` seconds, and always
    those of the last epoch."""

    def __init__(self, stage: str, interval: float = INTERVAL) -> None:
        self.stage, self.interval = stage, interval
        self.printed = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        epoch, epochs = trainer.current_epoch + 1, trainer.max_epochs or 0
        now = time.monotonic()
        if epoch < epochs and now - self.printed < self.interval:
            return
        self.printed = now
        figures = trainer.progress_bar_metrics.items()  # those that a bar would show
        shown = [f"{name} {v:.3f}" for name, v in figures if name.startswith("val/")]
        log(", ".join([f"{self.stage}: epoch {epoch} of {epochs}", *shown]))
