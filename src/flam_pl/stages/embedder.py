"""Stage 2: attribute-specific embedders and their dictionaries, equation (2)."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor

from flam_pl.losses.softmax import dictionary_loss
from flam_pl.losses.triplet import embedding_loss
from flam_pl.nets.embedder import Embedders, Member
from flam_pl.stages.optimizers import adamw_to_zero

LOG_EVERY = 4
"""Steps between two looks at the terms: logging costs a tenth of so small a step."""


class EmbedderStage(pl.LightningModule):
    """Each type trains on whatever rows of the batch carry its label.

    Validation: the share of labelled images whose nearest dictionary vector is their class.
    """

    def __init__(self, embedders: Embedders, settings: dict[str, Any]) -> None:
        """Args: settings: loss, margin, temperature, noise, lr, weight_decay."""
        super().__init__()
        self.embedders, self.settings = embedders, settings

    def forward(self, features: Tensor) -> Tensor:
        embeddings: Tensor = self.embedders(features)
        return embeddings

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        terms = self.terms(batch["features"], batch["labels"])
        if batch_index % LOG_EVERY == 0:
            logged = {f"train/{name}": term.detach() for name, term in terms.items()}
            self.log_dict(logged, on_step=False, on_epoch=True, batch_size=len(batch["labels"]))
        return torch.stack(list(terms.values())).sum()

    def terms(self, features: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Equation (2) of each type, or the softmax in its place, on the rows that carry its label.

        Args:
            features: stored features, ``(B, D)``.
            labels: ``(B, types)``, -1 where unlabelled.
        """
        z, schema = self.embedders.space(features), self.embedders.schema
        of_types = {name: z.new_zeros(()) for name in schema.types}
        for m in range(self.embedders.members):
            noisy = z + self.settings["noise"] * torch.randn_like(z)  # each member sees its own
            for t, name in enumerate(schema.types):
                known = labels[:, t] >= 0
                member = self.embedders.of(name).member(m)
                loss = self.member_loss(member, noisy[known], labels[known, t])
                of_types[name] = of_types[name] + loss
        return of_types

    def member_loss(self, member: Member, z: Tensor, classes: Tensor) -> Tensor:
        """Of one network, on features ``(B, d)`` that carry the label ``(B,)`` -> scalar."""
        s, e = self.settings, member(z).float()
        if s["loss"] == "softmax":
            temperature = torch.tensor(s["temperature"], device=e.device)
            return dictionary_loss(e, classes, member.dictionary, temperature)
        to_embeddings, to_dictionary = embedding_loss(e, classes, member.dictionary, s["margin"])
        return to_embeddings + to_dictionary

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

    def configure_optimizers(self) -> OptimizerLRScheduler:
        return adamw_to_zero(self, self.settings)
