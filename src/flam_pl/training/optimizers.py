"""The optimizer that the stages with one loss share."""

from __future__ import annotations

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler


def adamw_to_zero(
    module: pl.LightningModule, lr: float, weight_decay: float
) -> OptimizerLRScheduler:
    """AdamW whose rate falls to zero along a cosine over the whole training."""
    optimizer = torch.optim.AdamW(module.parameters(), lr=lr, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, T_max=max(1, int(module.trainer.estimated_stepping_batches))
    )
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
