"""A log file gets a line per epoch in place of bars."""

from __future__ import annotations

import logging

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from flam_pl.training.stage import EpochLines

EPOCHS = 4


class Counted(pl.LightningModule):
    """Logs the number of the epoch as its validation metric."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch: Tensor, batch_index: int) -> Tensor:
        loss: Tensor = self.layer(batch).sum()
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Tensor, batch_index: int) -> None:
        self.log("val/epoch", float(self.current_epoch), prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01)


def printed(callback: EpochLines, capsys: pytest.CaptureFixture[str]) -> list[str]:
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    trainer = pl.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    batches: DataLoader[Tensor] = DataLoader(torch.ones(2, 1))  # type: ignore[arg-type]
    trainer.fit(Counted(), batches, batches)
    return capsys.readouterr().out.splitlines()


def test_each_epoch_prints_its_validation_figures(capsys: pytest.CaptureFixture[str]) -> None:
    expected = [f"counted: epoch {n + 1} of {EPOCHS}, val/epoch {n}.000" for n in range(EPOCHS)]
    assert printed(EpochLines("counted", interval=0), capsys) == expected


def test_short_epochs_share_a_line_and_the_last_one_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert printed(EpochLines("counted", interval=3600), capsys) == [
        f"counted: epoch {EPOCHS} of {EPOCHS}, val/epoch {EPOCHS - 1}.000"
    ]
