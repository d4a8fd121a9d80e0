"""Logs the mean of each loss term once per epoch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import pytorch_lightning as pl
import torch
from torch import Tensor


class TermMeans(pl.LightningModule):
    """A module that logs its loss terms. ``self.log`` at every step costs 5 % of a step."""

    def __init__(self) -> None:
        super().__init__()
        self.terms_of_epoch: dict[str, list[Tensor]] = defaultdict(list)

    def keep_terms(self, terms: Mapping[str, Tensor]) -> None:
        for name, term in terms.items():
            self.terms_of_epoch[name].append(term.detach())

    def on_train_epoch_end(self) -> None:
        for name, terms in self.terms_of_epoch.items():
            self.log(f"train/{name}", torch.stack(terms).mean())
        self.terms_of_epoch.clear()
