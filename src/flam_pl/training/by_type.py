"""What the trainings with a loss per attribute type share."""

from __future__ import annotations

from collections.abc import Sequence

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor

from flam_pl.config.stages import ConcatConfig, EmbedderConfig


class ByTypeModule(pl.LightningModule):
    """A module that logs its accuracy per type; the settings give its optimizer."""

    settings: EmbedderConfig | ConcatConfig

    def log_accuracy(self, types: Sequence[str], classes: Tensor, labels: Tensor) -> None:
        """Log the share of right classes per type; both ``(B, types)``, -1 where unlabelled."""
        known, shares = labels >= 0, []
        for t, name in enumerate(types):
            if known[:, t].any():
                shares.append((classes == labels)[known[:, t], t].float().mean())
                self.log(f"val/{name}", shares[-1])
        if shares:
            self.log("val/accuracy", torch.stack(shares).mean(), prog_bar=True)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW whose rate falls to zero along a cosine over the whole training."""
        s, steps = self.settings, max(1, int(self.trainer.estimated_stepping_batches))
        optimizer = torch.optim.AdamW(self.parameters(), lr=s.lr, weight_decay=s.weight_decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
