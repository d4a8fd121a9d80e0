"""Stage 2: attribute-specific embedders and their dictionaries, equation (2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor

from flam_pl.config.stages import ConcatConfig, EmbedderConfig
from flam_pl.losses.dictionary_softmax import dictionary_loss
from flam_pl.losses.triplet import embedding_loss
from flam_pl.models.attribute_embedder import AttributeEmbedders, EnsembleMember
from flam_pl.training.term_means import TermMeans

TEACHES_FROM = 1 / 3
"""Share of the steps before self-training begins."""

SHARPENED = 0.5
"""Factor of the teacher's temperature (MixMatch, Berthelot et al., NeurIPS 2019)."""


class ByTypeModule(TermMeans):
    """A module with a loss per attribute type."""

    settings: EmbedderConfig | ConcatConfig

    def log_accuracy(self, types: Sequence[str], classes: Tensor, labels: Tensor) -> None:
        """Log the accuracy per type. Classes and labels ``(B, types)``, -1 where unlabelled."""
        known, shares = labels >= 0, []
        for t, name in enumerate(types):
            if known[:, t].any():
                shares.append((classes == labels)[known[:, t], t].float().mean())
                self.log(f"val/{name}", shares[-1])
        if shares:
            self.log("val/accuracy", torch.stack(shares).mean(), prog_bar=True)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW; its rate falls to zero along a cosine."""
        s, steps = self.settings, max(1, int(self.trainer.estimated_stepping_batches))
        optimizer = torch.optim.AdamW(self.parameters(), lr=s.lr, weight_decay=s.weight_decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class EmbedderModule(ByTypeModule):
    """Each type trains on the rows of the batch with its label. Self-training, not in the paper
    (Xie et al., CVPR 2020): the ensemble classifies features of ``bank`` ``(N, D)``, and each
    member learns these probabilities from noisy features."""

    settings: EmbedderConfig

    def __init__(
        self, embedders: AttributeEmbedders, settings: EmbedderConfig, bank: Tensor | None = None
    ) -> None:
        super().__init__()
        self.embedders, self.settings = embedders, settings
        self.bank = bank  # no buffer: DDP would send it to every process at each step

    def on_fit_start(self) -> None:
        if self.bank is not None:
            self.bank = self.bank.to(self.device)

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        # these first: autocast caches the cast weights for the step, and a first use by the
        # teacher would leave them without a gradient
        terms = self.terms(batch["features"], batch["labels"])
        if self.bank is not None and self.teaches():
            size = (self.settings.batch_size,)
            drawn = torch.randint(len(self.bank), size, device=self.bank.device)
            terms |= self.taught_terms(self.bank[drawn])
        self.keep_terms(terms)
        return torch.stack(list(terms.values())).sum()

    def terms(self, features: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The loss per type: features ``(B, D)``, labels ``(B, types)``, -1 where unlabelled."""

        def loss(t: int, member: EnsembleMember, noisy: Tensor) -> Tensor:
            known = labels[:, t] >= 0
            return self.member_loss(member, noisy[known], labels[known, t])

        return self.by_type(self.embedders.space(features), loss)

    def by_type(
        self, z: Tensor, loss: Callable[[int, EnsembleMember, Tensor], Tensor]
    ) -> dict[str, Tensor]:
        """Per type, a loss summed over the members. Each member gets its own noise on the features
        ``(B, d)``."""
        of_types = {name: z.new_zeros(()) for name in self.embedders.schema.types}
        for m in range(self.embedders.members):
            noisy = z + self.settings.noise * torch.randn_like(z)
            for t, name in enumerate(of_types):
                member = self.embedders.of(name).members[m]
                of_types[name] = of_types[name] + loss(t, member, noisy)
        return of_types

    def teaches(self) -> bool:
        return self.global_step >= TEACHES_FROM * int(self.trainer.estimated_stepping_batches)

    def taught_terms(self, features: Tensor) -> dict[str, Tensor]:
        """Per type, the weighted self-training loss on features ``(B, D)``."""
        z = self.embedders.space(features)
        temperature = torch.tensor(self.settings.temperature, device=z.device)
        taught = self.ensemble_probabilities(z, SHARPENED * temperature)

        def loss(t: int, member: EnsembleMember, noisy: Tensor) -> Tensor:
            one = dictionary_loss(member(noisy), taught[t], member.dictionary, temperature)
            return self.settings.self_training * one

        return {f"{name}_taught": term for name, term in self.by_type(z, loss).items()}

    @torch.no_grad()
    def ensemble_probabilities(self, z: Tensor, temperature: Tensor) -> list[Tensor]:
        """Per type, the probabilities ``(B, classes)`` of all members together, without dropout."""
        self.embedders.eval()
        embeddings = self.embedders.embed(z)
        self.embedders.train()
        return self.embedders.probabilities(embeddings, temperature)

    def member_loss(self, member: EnsembleMember, z: Tensor, classes: Tensor) -> Tensor:
        s, e = self.settings, member(z).float()
        if s.loss == "softmax":
            temperature = torch.tensor(s.temperature, device=e.device)
            return dictionary_loss(e, classes, member.dictionary, temperature)
        to_embeddings, to_dictionary = embedding_loss(e, classes, member.dictionary, s.margin)
        return to_embeddings + to_dictionary

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        classes = self.embedders.classify(self.embedders(batch["features"]))
        self.log_accuracy(self.embedders.schema.types, classes, batch["labels"])
