"""Stage 2: attribute-specific embedders and their dictionaries, equation (2)."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from flam_pl.losses.triplet import embedding_loss
from flam_pl.nets.embedder import Embedders


class EmbedderStage(pl.LightningModule):
    """Each type trains on whatever rows of the batch carry its label.

    Validation: the share of labelled images whose nearest dictionary vector is their class.
    """

    def __init__(self, embedders: Embedders, settings: dict[str, Any]) -> None:
        """Args: settings: margin, noise, lr, weight_decay."""
        super().__init__()
        self.embedders, self.settings = embedders, settings

    def forward(self, features: Tensor) -> Tensor:
        embeddings: Tensor = self.embedders(features)
        return embeddings

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        features, labels = batch["features"], batch["labels"]
        z = self.embedders.space(features)
        z = z + self.settings["noise"] * torch.randn_like(z)
        loss = z.new_zeros(())
        for t, name in enumerate(self.embedders.schema.types):
            embedder = self.embedders.of(name)
            labelled = labels[:, t] >= 0
            to_embeddings, to_dictionary = embedding_loss(
                embedder(z[labelled]).float(),
                labels[labelled, t],
                embedder.dictionary,
                self.settings["margin"],
            )
            self.log(f"train/{name}", (to_embeddings + to_dictionary).detach())
            loss = loss + to_embeddings + to_dictionary
        return loss

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        labels = batch["labels"]
        right = self.embedders.classify(self(batch["features"])) == labels
        known = labels >= 0
        shares = []
        for t, name in enumerate(self.embedders.schema.types):
            if known[:, t].any():
                shares.append(right[known[:, t], t].float().mean())
                self.log(f"val/{name}", shares[-1])
        if shares:
            self.log("val/accuracy", torch.stack(shares).mean(), prog_bar=True)

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=self.settings["lr"], weight_decay=self.settings["weight_decay"]
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            optimizer, T_max=max(1, int(self.trainer.estimated_stepping_batches))
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
