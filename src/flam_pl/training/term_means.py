"""Logs the mean of each loss term once per epoch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import pytorch_lightning as pl
import torch
from torch import Tensor


class TermMeans(pl.LightningModule):
    """A module that keeps the loss terms of each step. Their means are logged as ``train/<name>``
    when the epoch ends: ``self.log`` in each step costs more than a sum of small tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.terms_of_epoch: dict[str, list[Tensor]] = defaultdict(list)

    def keep_terms(self, terms: Mapping[str, Tensor]) -> None:
        """Keep the terms of one step: name -> scalar."""
        for name, term in terms.items():
            self.terms_of_epoch[name].append(term.detach())

    def on_train_epoch_end(self) -> None:
        for name, terms in self.terms_of_epoch.items():
            self.log(f"train/{name}", torch.stack(terms).mean())
        self.terms_of_epoch.clear()
