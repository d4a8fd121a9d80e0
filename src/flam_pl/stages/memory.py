"""Trains the linear memory with the triplet of edits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor

from flam_pl.data.samplers import nearest_of_other_class
from flam_pl.losses.triplet import cosine_distance
from flam_pl.nets.embedder import Embedders
from flam_pl.nets.memory import Memory


class MemoryStage(pl.LightningModule):
    """Anchor: the edited feature. Positive: a feature of the batch that has, by pseudo-labels, what
    is wanted. Negative: the nearest feature that has not."""

    def __init__(
        self,
        memory: Memory,
        embedders: Embedders,
        settings: dict[str, Any],
        evaluate: Callable[[], Mapping[str, float]] | None = None,
    ) -> None:
        """Args:
        settings: margin, lr.
        evaluate: figures of edited searches on the validation split.
        """
        super().__init__()
        self.memory, self.settings, self.evaluate = memory, settings, evaluate
        self.embedders = embedders.eval().requires_grad_(False)

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        with torch.no_grad():
            z = self.embedders.space(batch["features"])
            e = self.embedders.embed(z)
            labels = self.embedders.classify(e)
            target = torch.randint(labels.shape[1], (len(z),), device=z.device)
            other = nearest_of_other_class(e, labels, target)
        rows = torch.arange(len(z), device=z.device)
        old, new = labels[rows, target], labels[other, target]
        edited = self.memory.edit(z, target, old, new)
        wanted = labels.clone()
        wanted[rows, target] = new
        loss = hardest_triplet(edited, z, wanted, labels, self.settings["margin"])
        self.log("train/triplet", loss.detach(), on_step=False, on_epoch=True, batch_size=len(z))
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """The figures are those of edited searches."""

    def on_validation_epoch_end(self) -> None:
        if self.evaluate is not None:
            for name, value in self.evaluate().items():
                self.log(f"val/{name}", value, prog_bar=name == "T@10")

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return torch.optim.Adam(self.memory.parameters(), lr=self.settings["lr"])


def hardest_triplet(
    edited: Tensor, features: Tensor, wanted: Tensor, labels: Tensor, margin: float
) -> Tensor:
    """Equation (1) with the farthest positive and the nearest negative of the batch -> scalar.

    Args:
        edited: anchors, ``(B, d)``.
        features: candidates, ``(B, d)``.
        wanted: labels that a positive has, ``(B, types)``.
        labels: of the candidates, ``(B, types)``.
        margin: mu.

    Rows for which the batch holds no positive or no negative do not count.
    """
    distance = cosine_distance(edited[:, None], features[None])  # (B, B)
    positive = (wanted[:, None] == labels[None]).all(dim=2)
    farthest = distance.masked_fill(~positive, -torch.inf).amax(dim=1)
    nearest = distance.masked_fill(positive, torch.inf).amin(dim=1)
    counts = positive.any(dim=1) & ~positive.all(dim=1)
    violation = (farthest - nearest + margin)[counts].clamp_min(0)
    return violation.sum() / counts.sum().clamp_min(1)
