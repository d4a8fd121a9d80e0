"""Stage 2: attribute-specific embedders and their dictionaries, equation (2)."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor

from flam_pl.losses.dictionary_softmax import dictionary_loss
from flam_pl.losses.triplet import embedding_loss
from flam_pl.models.attribute_embedder import AttributeEmbedders, EnsembleMember
from flam_pl.training.optimizers import adamw_to_zero

LOG_EVERY = 4
"""Steps between two looks at the terms: logging costs a tenth of so small a step."""

TEACHES_FROM = 1 / 3
"""Part of the training after which the members together know enough to teach."""

SHARPENED = 0.5
"""Of the softmax's temperature, where the members teach: of what they hold likely they come to be
surer (as in MixMatch, Berthelot et al., NeurIPS 2019)."""


class EmbedderModule(pl.LightningModule):
    """Each type trains on whatever rows of the batch carry its label.

    With self-training, which the paper does not have, each member also learns what all of them
    together see in photos whose labels are not read. The teacher sees a photo as it is, the member
    with noise (Xie et al., CVPR 2020).

    Validation: the share of labelled images whose nearest dictionary vector is their class.
    """

    def __init__(
        self, embedders: AttributeEmbedders, settings: dict[str, Any], bank: Tensor | None = None
    ) -> None:
        """Args:
        settings: loss, margin, temperature, noise, self_training, batch_size, lr, weight_decay.
        bank: stored features ``(N, D)`` that the self-training sees some of at each step.
        """
        super().__init__()
        self.embedders, self.settings = embedders, settings
        # no buffer: DDP would send it to every process at each step
        self.bank: Tensor | None = bank

    def on_fit_start(self) -> None:
        if self.bank is not None:
            self.bank = self.bank.to(self.device)

    def forward(self, features: Tensor) -> Tensor:
        embeddings: Tensor = self.embedders(features)
        return embeddings

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        # these first: under autocast the cast weights are kept for the step, and a first use by the
        # teacher would leave them without a gradient
        terms = self.terms(batch["features"], batch["labels"])
        if self.bank is not None and self.teaches():
            size = (self.settings["batch_size"],)
            drawn = torch.randint(len(self.bank), size, device=self.bank.device)
            terms |= self.taught_terms(self.bank[drawn])
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
                member = self.embedders.of(name).members[m]
                loss = self.member_loss(member, noisy[known], labels[known, t])
                of_types[name] = of_types[name] + loss
        return of_types

    def teaches(self) -> bool:
        """Whether the members together teach each of them by now."""
        steps = int(self.trainer.estimated_stepping_batches)
        return self.global_step >= TEACHES_FROM * steps

    def taught_terms(self, features: Tensor) -> dict[str, Tensor]:
        """The self-training of each type, with its weight.

        Args:
            features: stored features, ``(B, D)``.
        """
        z, schema = self.embedders.space(features), self.embedders.schema
        temperature = torch.tensor(self.settings["temperature"], device=z.device)
        taught = self.seen_together(z, SHARPENED * temperature)
        of_types = {name: z.new_zeros(()) for name in schema.types}
        for m in range(self.embedders.members):
            noisy = z + self.settings["noise"] * torch.randn_like(z)
            for t, name in enumerate(schema.types):
                member = self.embedders.of(name).members[m]
                loss = dictionary_loss(member(noisy), taught[t], member.dictionary, temperature)
                of_types[name] = of_types[name] + self.settings["self_training"] * loss
        return {f"{name}_taught": term for name, term in of_types.items()}

    @torch.no_grad()
    def seen_together(self, z: Tensor, temperature: Tensor) -> list[Tensor]:
        """Of each type how likely all members together hold each class, ``(B, classes)``, for
        features ``(B, d)`` of the working space, without dropout."""
        self.embedders.eval()
        embeddings = self.embedders.embed(z)
        self.embedders.train()
        return self.embedders.probabilities(embeddings, temperature)

    def member_loss(self, member: EnsembleMember, z: Tensor, classes: Tensor) -> Tensor:
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
