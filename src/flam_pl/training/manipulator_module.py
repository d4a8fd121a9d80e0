"""Stage 3: the query-feature manipulator, equations (3) to (5), by manual optimization."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.nn import functional as F
from torch.optim.lr_scheduler import LRScheduler

from flam_pl.config.stages import ManipulatorConfig
from flam_pl.losses.adversarial import discriminator_loss, generator_loss
from flam_pl.losses.composition import composition_loss
from flam_pl.losses.cycle import cycle_loss
from flam_pl.losses.matching import matching_loss, wanted_embeddings
from flam_pl.losses.miners import nearest_of_other_class
from flam_pl.losses.neighbour_distillation import SAME, distillation_loss
from flam_pl.losses.triplet import cosine_distance
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.manipulator import Manipulator
from flam_pl.retrieval.vectors import log_posteriors, moved_features, weighted_posteriors
from flam_pl.training.term_means import TermMeans


@dataclass(frozen=True)
class EditBatch:
    """Edits to learn from."""

    features: Tensor  # (B, D), as stored
    x: Tensor  # (B, d), the same in the feature space
    e: Tensor  # (B, types, k), embeddings of x
    target: Tensor  # (B,), index of the edited type
    condition: Tensor  # (B, k), phi_a(x^-): the embedding that G is given

    @property
    def own(self) -> Tensor:
        """Embeddings of x in the target type ``(B, k)``."""
        return self.e[torch.arange(len(self.e), device=self.e.device), self.target]

    @property
    def wanted(self) -> Tensor:
        """The embeddings ``(B, types, k)`` that x~ should have."""
        return wanted_embeddings(self.e, self.condition, self.target)


class ManipulatorModule(TermMeans):
    """G learns to edit features, D to judge them. Frozen embedders replace the labels.
    ``evaluate`` gives validation figures, e.g. T@k. Distillation and TIRG's loss need ``bank``,
    training features ``(N, D)``."""

    def __init__(
        self,
        manipulator: Manipulator,
        embedders: AttributeEmbedders,
        settings: ManipulatorConfig,
        evaluate: Callable[[], Mapping[str, float]] | None = None,
        bank: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.manipulator, self.settings, self.evaluate = manipulator, settings, evaluate
        self.judged = settings.adversarial_weight > 0 or settings.matching_weight > 0
        self.embedders = embedders.eval().requires_grad_(False)
        self.bank = bank  # no buffer: DDP would send it to every process at each step
        self.bank_tail: Tensor | None = None
        self.bank_classes: Tensor | None = None

    def on_fit_start(self) -> None:
        if self.bank is not None:
            self.bank = self.bank.to(self.device)
            embeddings = self.embedders(self.bank)
            self.bank_tail = log_posteriors(self.embedders.probabilities(embeddings))
            self.bank_classes = self.embedders.classify(embeddings)

    def train(self, mode: bool = True) -> ManipulatorModule:
        super().train(mode)
        self.embedders.eval()  # the teacher never drops out
        return self

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        s = self.settings
        # global_step counts the steps of every optimizer
        done = self.global_step / (1 + self.judged) / self._steps()
        noise = s.noise + (s.noise_end - s.noise) * min(1.0, done)
        self.manipulator.discriminators[0].noise = noise
        optimizer_g, optimizer_d = cast(list[LightningOptimizer], self.optimizers())
        edits = self.sample(batch["features"])
        x = edits.x
        seen = x + s.input_noise * torch.randn_like(x) if s.input_noise > 0 else x
        edited = self.manipulator.edit(seen, edits.condition, edits.target)
        terms_d: dict[str, Tensor] = {}
        if self.judged:
            with optimizer_d.toggle_model():
                terms_d = self.discriminator_terms(edits, edited.detach())
                self._step(optimizer_d, terms_d)
        with optimizer_g.toggle_model():
            terms_g = self.generator_terms(edits, edited)
            self._step(optimizer_g, terms_g)

        for schedule in cast(list[LRScheduler], self.lr_schedulers())[: 1 + self.judged]:
            schedule.step()
        self.keep_terms(terms_d | terms_g)

    @torch.no_grad()
    def sample(self, features: Tensor) -> EditBatch:
        """One edit per stored feature ``(B, D)``, of a random type."""
        x = self.embedders.space(features)
        e = self.embedders.embed(x)
        labels = self.embedders.classify(e)
        target = torch.randint(e.shape[1], (len(x),), device=x.device)
        if self.settings.dictionary_targets:
            return EditBatch(features, x, e, target, self.other_classes(e, target))
        other = nearest_of_other_class(e, labels, target, self.settings.online_sampling)
        return EditBatch(features, x, e, target, e[other, target])

    def other_classes(self, e: Tensor, target: Tensor) -> Tensor:
        """Dictionary vectors ``(B, k)`` of random classes, drawn by 1 - posterior."""
        own, drawn = self.embedders.probabilities(e), torch.empty_like(e[:, 0])
        for t, name in enumerate(self.embedders.schema.types):
            rows = (target == t).nonzero(as_tuple=True)[0]
            if len(rows):
                classes = torch.multinomial(1 - own[t][rows] + 1e-6, 1)[:, 0]
                drawn[rows] = self.embedders.of(name).dictionary[classes].to(drawn.dtype)
        return drawn

    def discriminator_terms(self, edits: EditBatch, edited: Tensor) -> dict[str, Tensor]:
        """D's weighted losses: equations (3) and (4; real term), for detached x~ ``(B, d)``."""
        real, predicted = self.manipulator.discriminate(edits.x)
        fake, _ = self.manipulator.discriminate(edited)
        return {
            "d_adversarial": self.settings.adversarial_weight * discriminator_loss(real, fake),
            "d_matching": matching_loss(predicted, edits.e, edits.target),
        }

    def generator_terms(self, edits: EditBatch, edited: Tensor) -> dict[str, Tensor]:
        """G's weighted losses: equations (3), (4; fake term), (5), and those not in the paper."""
        s, target = self.settings, edits.target
        terms: dict[str, Tensor] = {}
        if self.judged:
            fake, predicted = self.manipulator.discriminate(edited)
            matching = matching_loss(predicted, edits.wanted, target, s.with_remaining)
            terms["g_adversarial"] = s.adversarial_weight * generator_loss(fake)
            terms["g_matching"] = s.matching_weight * matching
        if s.cycle_weight > 0:
            recovered = self.manipulator.edit(edited, edits.own, target)
            terms["g_cycle"] = s.cycle_weight * cycle_loss(edits.x, recovered)
        if s.distillation_weight > 0:
            terms["g_distillation"] = s.distillation_weight * self.distillation(edits, edited)
        if s.composition_weight > 0:
            terms["g_composition"] = s.composition_weight * self.composition(edits, edited)
        if s.moved_weight > 0:
            with torch.autocast(edited.device.type, enabled=False):
                stored = self.embedders.space.inverse(edited)
                away = cosine_distance(stored, self.moved(edits)).mean()
            terms["g_moved"] = s.moved_weight * away
        return terms

    def distillation(self, edits: EditBatch, edited: Tensor) -> Tensor:
        """Neighbour distillation on a random part of the bank."""
        s, features = self.settings, edits.features
        assert self.bank is not None and self.bank_tail is not None, "needs a bank"
        with torch.autocast(features.device.type, enabled=False):  # rankings need all their digits
            with torch.no_grad():
                drawn = torch.randperm(len(self.bank), device=features.device)[: s.bank_batch]
                bank, tail = self.bank[drawn], self.bank_tail[drawn]
                scores = self.teacher_scores(edits, bank, tail)
                itself = F.normalize(features, dim=1) @ F.normalize(bank, dim=1).T > SAME
            stored = self.embedders.space.inverse(edited)
            temperatures = s.teacher_temperature, s.student_temperature
            return distillation_loss(stored, bank, scores, itself, *temperatures)

    def teacher_scores(self, edits: EditBatch, bank: Tensor, bank_tail: Tensor) -> Tensor:
        """The teacher's scores ``(B, N)`` of a bank ``(N, D)``: cosine to the moved query, and
        log-posteriors."""
        s, types, moved = self.settings, self.embedders.schema.types, self.moved(edits)
        weights = moved.new_full((len(moved), len(types)), s.teacher_others)
        weights[torch.arange(len(moved)), edits.target] = s.teacher_target
        cosine = F.normalize(moved, dim=1) @ F.normalize(bank, dim=1).T
        tail = weighted_posteriors(self.embedders.probabilities(edits.wanted), weights)
        scores: Tensor = s.teacher_moved * cosine + tail @ bank_tail.T
        return scores

    def moved(self, edits: EditBatch) -> Tensor:
        """The queries ``(B, D)``, minus their class's mean feature, plus the wanted class's."""
        own, wanted = (self.embedders.probabilities(of) for of in (edits.e, edits.wanted))
        means = [self.embedders.of(name).class_means for name in self.embedders.schema.types]
        return moved_features(edits.features, own, wanted, means)

    def composition(self, edits: EditBatch, edited: Tensor) -> Tensor:
        """TIRG's loss; an edit's answer is a random bank photo with the wanted classes."""
        s, features = self.settings, edits.features
        assert self.bank is not None and self.bank_classes is not None, "needs a bank"
        with torch.autocast(features.device.type, enabled=False):
            drawn = torch.randperm(len(self.bank), device=features.device)[: s.bank_batch]
            answers = self.bank_classes[drawn] == self.embedders.classify(edits.wanted)[:, None]
            bank = self.bank[drawn]
            fits = answers.all(dim=2) & (F.normalize(features) @ F.normalize(bank).T <= SAME)
            rows = fits.any(dim=1).nonzero(as_tuple=True)[0]
            if not len(rows):
                return edited.sum() * 0
            found = torch.multinomial(fits[rows].float(), 1)[:, 0]
            stored = self.embedders.space.inverse(edited[rows])
            return composition_loss(stored, bank[found], s.student_temperature)

    def _step(self, optimizer: LightningOptimizer, terms: Mapping[str, Tensor]) -> None:
        optimizer.zero_grad()
        self.manual_backward(cast(Tensor, sum(terms.values())))
        optimizer.step()

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        edits = self.sample(batch["features"])
        x, target = edits.x, edits.target
        edited = self.manipulator.edit(x, edits.condition, target)
        recovered = self.manipulator.edit(edited, edits.own, target)
        figures = {
            "val/cosine_edited": F.cosine_similarity(x, edited).mean(),
            "val/cosine_recovered": F.cosine_similarity(x, recovered).mean(),
        }
        if self.judged:
            self.manipulator.discriminators.train()  # with noise, as D has learned it
            real, _ = self.manipulator.discriminate(x)
            fake, _ = self.manipulator.discriminate(edited)
            self.manipulator.discriminators.eval()
            figures["val/d_real"] = (real > 0).float().mean()
            figures["val/d_fake"] = (fake < 0).float().mean()
        self.log_dict(figures, batch_size=len(x))

    def on_validation_epoch_end(self) -> None:
        if self.evaluate is not None:
            for name, value in self.evaluate().items():
                self.log(f"val/{name}", value, prog_bar=name == "T@10")

    def _steps(self) -> int:
        return self.settings.steps_per_epoch * max(1, int(self.trainer.max_epochs or 1))

    def configure_optimizers(self) -> tuple[list[Any], list[Any]]:
        s, net, steps = self.settings, self.manipulator, self._steps()
        betas = (s.beta1, s.beta2)
        g = torch.optim.Adam(net.generators.parameters(), s.lr, betas)
        d = torch.optim.Adam(net.discriminators.parameters(), s.discriminator_lr, betas)

        def decay(step: int) -> float:
            # constant for the first half, then linear to zero
            return max(0.0, min(1.0, 2.0 * (1.0 - step / steps)))

        return [g, d], [torch.optim.lr_scheduler.LambdaLR(o, decay) for o in (g, d)]
