"""Values gathered by row number, over batches and over ranks."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


class ByRow(Metric):
    """One vector per row: the mean of its values, as the sampler repeats some rows under DDP."""

    full_state_update = False
    total: Tensor
    times: Tensor

    def __init__(self, rows: int, dimension: int) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(rows, dimension), dist_reduce_fx="sum")
        self.add_state("times", torch.zeros(rows), dist_reduce_fx="sum")

    def update(self, row: Tensor, values: Tensor) -> None:
        self.total.index_add_(0, row, values.to(self.total.dtype))
        self.times.index_add_(0, row, torch.ones_like(row, dtype=self.times.dtype))

    def compute(self) -> Tensor:
        """``(rows, dimension)``; a row without a value is zero."""
        return self.total / self.times.clamp_min(1)[:, None]
