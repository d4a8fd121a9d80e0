"""Stage 2: attribute-specific embedders and their dictionaries, equation (2)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from flam_pl.config.stages import EmbedderConfig
from flam_pl.losses.softmax import dictionary_loss
from flam_pl.losses.triplet import embedding_loss
from flam_pl.models.attribute_embedder import AttributeEmbedders, EnsembleMember
from flam_pl.training.by_type import ByTypeModule

LOG_EVERY = 4
"""Steps between two logs."""

TEACHES_FROM = 1 / 3
"""Share of the training before the self-training begins."""

SHARPENED = 0.5
"""Factor of the teacher's temperature (MixMatch, Berthelot et al., NeurIPS 2019)."""


class EmbedderModule(ByTypeModule):
    """Each type trains on the rows of the batch that carry its label.

    Self-training, not in the paper (Xie et al., CVPR 2020): the whole ensemble classifies features
    of ``bank`` ``(N, D)``, and each member, whose input gets noise, learns these probabilities.
    Without a bank there is none.
    """

    settings: EmbedderConfig

    def __init__(
        self, embedders: AttributeEmbedders, settings: EmbedderConfig, bank: Tensor | None = None
    ) -> None:
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
        # these first: autocast caches the cast weights for the step, and a first use by the
        # teacher would leave them without a gradient
        terms = self.terms(batch["features"], batch["labels"])
        if self.bank is not None and self.teaches():
            size = (self.settings.batch_size,)
            drawn = torch.randint(len(self.bank), size, device=self.bank.device)
            terms |= self.taught_terms(self.bank[drawn])
        if batch_index % LOG_EVERY == 0:
            logged = {f"train/{name}": term.detach() for name, term in terms.items()}
            self.log_dict(logged, on_step=False, on_epoch=True, batch_size=len(batch["labels"]))
        return torch.stack(list(terms.values())).sum()

    def terms(self, features: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The loss per type: features ``(B, D)``, labels ``(B, types)``, -1 where unlabelled."""
        z = self.embedders.space(features)
        of_types = {name: z.new_zeros(()) for name in self.embedders.schema.types}
        for t, name, member, noisy in self.members_with_noise(z):
            known = labels[:, t] >= 0
            loss = self.member_loss(member, noisy[known], labels[known, t])
            of_types[name] = of_types[name] + loss
        return of_types

    def members_with_noise(self, z: Tensor) -> Iterator[tuple[int, str, EnsembleMember, Tensor]]:
        """Type index, type, member, and features ``(B, d)`` with the member's noise."""
        for m in range(self.embedders.members):
            noisy = z + self.settings.noise * torch.randn_like(z)
            for t, name in enumerate(self.embedders.schema.types):
                yield t, name, self.embedders.of(name).members[m], noisy

    def teaches(self) -> bool:
        return self.global_step >= TEACHES_FROM * int(self.trainer.estimated_stepping_batches)

    def taught_terms(self, features: Tensor) -> dict[str, Tensor]:
        """The weighted self-training loss per type, on features ``(B, D)``."""
        z = self.embedders.space(features)
        temperature = torch.tensor(self.settings.temperature, device=z.device)
        taught = self.ensemble_probabilities(z, SHARPENED * temperature)
        of_types = {name: z.new_zeros(()) for name in self.embedders.schema.types}
        for t, name, member, noisy in self.members_with_noise(z):
            loss = dictionary_loss(member(noisy), taught[t], member.dictionary, temperature)
            of_types[name] = of_types[name] + self.settings.self_training * loss
        return {f"{name}_taught": term for name, term in of_types.items()}

    @torch.no_grad()
    def ensemble_probabilities(self, z: Tensor, temperature: Tensor) -> list[Tensor]:
        """Class probabilities ``(B, classes)`` per type by all members, without dropout."""
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
        classes = self.embedders.classify(self(batch["features"]))
        self.log_accuracy(self.embedders.schema.types, classes, batch["labels"])
