"""Stage 3: the query-feature manipulator, equations (3) to (5), by manual optimization."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import pytorch_lightning as pl
import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.nn import functional as F
from torch.optim.lr_scheduler import LRScheduler

from flam_pl.losses.adversarial import discriminator_loss, generator_loss
from flam_pl.losses.composition import composition_loss
from flam_pl.losses.cycle import cycle_loss
from flam_pl.losses.matching import matching_loss, wanted_embeddings
from flam_pl.losses.miners import nearest_of_other_class
from flam_pl.losses.neighbour_distillation import SAME, distillation_loss
from flam_pl.losses.triplet import cosine_distance
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.manipulator import Manipulator
from flam_pl.retrieval.inner_product import (
    log_posteriors,
    moved_features,
    weighted_posteriors,
)


class ManipulatorModule(pl.LightningModule):
    """G learns to edit features, D to judge them; the embedders are a frozen teacher.

    No label is read: the embedders' pseudo-labels say which class a feature has.
    """

    def __init__(
        self,
        manipulator: Manipulator,
        embedders: AttributeEmbedders,
        settings: dict[str, Any],
        evaluate: Callable[[], Mapping[str, float]] | None = None,
        bank: Tensor | None = None,
    ) -> None:
        """Args:
        settings: a ``ManipulatorConfig`` as a dict (weights, rates, sampling).
        evaluate: gives the figures of edited searches on the validation split, e.g. T@k; called
            at the end of each validation, on every rank alike.
        bank: real stored features ``(N, D)`` that the neighbour distillation ranks and TIRG's loss
            takes its answers from, of which each step sees some; needed only by them.
        """
        super().__init__()
        self.automatic_optimization = False
        self.manipulator, self.settings, self.evaluate = manipulator, settings, evaluate
        self.judged = settings["adversarial_weight"] > 0 or settings["matching_weight"] > 0
        self.embedders = embedders.eval().requires_grad_(False)
        # no buffer: DDP would send it to every process at each step
        self.bank: Tensor | None = bank
        self.bank_tail: Tensor | None = None
        self.bank_classes: Tensor | None = None

    def on_fit_start(self) -> None:
        """What the frozen teacher sees in the bank stays the same for the whole training."""
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
        # global_step counts the steps of both optimizers, where D has one
        done = self.global_step / (2 if self.judged else 1) / self._steps()
        self.manipulator.set_noise(s["noise"] + (s["noise_end"] - s["noise"]) * min(1.0, done))
        optimizer_g, optimizer_d = cast(list[LightningOptimizer], self.optimizers())
        features = batch["features"]
        x, e, wanted, target, asked = self.sample(features)
        seen = x + s["input_noise"] * torch.randn_like(x) if s["input_noise"] > 0 else x
        edited = self.manipulator.edit(seen, asked, target)
        terms: dict[str, Tensor] = {}
        if self.judged:
            self.toggle_optimizer(optimizer_d)
            terms |= self.discriminator_terms(x, edited.detach(), e, target)
            self._step(optimizer_d, sum(terms.values()))
            self.untoggle_optimizer(optimizer_d)

        self.toggle_optimizer(optimizer_g)
        terms_g = self.generator_terms(x, edited, e, wanted, target)
        if s["distillation_weight"] > 0:
            terms_g |= self.distillation_terms(features, edited, e, wanted, target)
        if s["composition_weight"] > 0:
            terms_g |= self.composition_terms(features, edited, wanted)
        if s["moved_weight"] > 0:
            terms_g |= self.moved_terms(features, edited, e, wanted)
        self._step(optimizer_g, sum(terms_g.values()))
        self.untoggle_optimizer(optimizer_g)

        of_g, of_d = cast(list[LRScheduler], self.lr_schedulers())
        of_g.step()
        if self.judged:
            of_d.step()
        logged = {f"train/{name}": term.detach() for name, term in (terms | terms_g).items()}
        self.log_dict(logged, on_step=False, on_epoch=True, batch_size=len(x))

    def sample(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """A batch of edits to learn from, without gradients.

        Args:
            features: stored features, ``(B, D)``.

        Returns:
            x in the working space ``(B, d)``; its embeddings ``(B, types, k)``; the embeddings that
            x-tilde should have ``(B, types, k)``; the target type of each row ``(B,)``; phi_a(x^-),
            which is asked for ``(B, k)``.
        """
        with torch.no_grad():
            x = self.embedders.space(features)
            e = self.embedders.embed(x)
            labels = self.embedders.classify(e)
            target = torch.randint(e.shape[1], (len(x),), device=x.device)
            if self.settings["ask_dictionary"]:
                asked = self.other_classes(e, target)
            else:
                other = nearest_of_other_class(e, labels, target, self.settings["online_sampling"])
                asked = e[other, target]
            wanted = wanted_embeddings(e, asked, target)
            return x, e, wanted, target, asked

    def other_classes(self, e: Tensor, target: Tensor) -> Tensor:
        """Dictionary vectors ``(B, k)`` of classes that the features probably have not, drawn at
        random: what a search asks with."""
        own, asked = self.embedders.probabilities(e), torch.empty_like(e[:, 0])
        for t, name in enumerate(self.embedders.schema.types):
            rows = (target == t).nonzero(as_tuple=True)[0]
            if len(rows):
                drawn = torch.multinomial(1 - own[t][rows] + 1e-6, 1)[:, 0]
                asked[rows] = self.embedders.of(name).dictionary[drawn].to(asked.dtype)
        return asked

    def discriminator_terms(
        self, x: Tensor, edited: Tensor, e: Tensor, target: Tensor
    ) -> dict[str, Tensor]:
        """Equation (3) and the real term of (4): what D learns from real and edited features."""
        real, predicted = self.manipulator.discriminate(x, target)
        fake, _ = self.manipulator.discriminate(edited, target)
        return {
            "d_adversarial": self.settings["adversarial_weight"] * discriminator_loss(real, fake),
            "d_matching": matching_loss(predicted, e, target),
        }

    def generator_terms(
        self, x: Tensor, edited: Tensor, e: Tensor, wanted: Tensor, target: Tensor
    ) -> dict[str, Tensor]:
        """Equations (3), (4; the fake term) and (5), each with its weight."""
        s = self.settings
        terms = {}
        if self.judged:
            fake, predicted = self.manipulator.discriminate(edited, target)
            matching = matching_loss(predicted, wanted, target, s["with_remaining"])
            terms["g_adversarial"] = s["adversarial_weight"] * generator_loss(fake)
            terms["g_matching"] = s["matching_weight"] * matching
        if s["cycle_weight"] > 0:
            own = e[torch.arange(len(e), device=e.device), target]
            recovered = self.manipulator.edit(edited, own, target)
            terms["g_cycle"] = s["cycle_weight"] * cycle_loss(x, recovered)
        return terms

    def distillation_terms(
        self, features: Tensor, edited: Tensor, e: Tensor, wanted: Tensor, target: Tensor
    ) -> dict[str, Tensor]:
        """Neighbour distillation on a part of the bank drawn for this step, with its weight."""
        s = self.settings
        assert self.bank is not None and self.bank_tail is not None, "needs a bank of real features"
        with torch.autocast(features.device.type, enabled=False):  # rankings want all their digits
            with torch.no_grad():
                drawn = torch.randperm(len(self.bank), device=features.device)[: s["ranked"]]
                bank, tail = self.bank[drawn], self.bank_tail[drawn]
                moved = self.moved(features, e, wanted)
                scores = self.teacher_scores(moved, bank, tail, wanted, target)
                itself = F.normalize(features, dim=1) @ F.normalize(bank, dim=1).T > SAME
            searched = self.embedders.space.inverse(edited)
            loss = distillation_loss(
                searched, bank, scores, itself, s["teacher_temperature"], s["student_temperature"]
            )
        return {"g_distillation": s["distillation_weight"] * loss}

    def moved_terms(
        self, features: Tensor, edited: Tensor, e: Tensor, wanted: Tensor
    ) -> dict[str, Tensor]:
        """The cosine distance between x-tilde and the moved query, with its weight."""
        with torch.autocast(features.device.type, enabled=False):
            away = cosine_distance(
                self.embedders.space.inverse(edited), self.moved(features, e, wanted)
            )
        return {"g_moved": self.settings["moved_weight"] * away.mean()}

    def moved(self, features: Tensor, e: Tensor, wanted: Tensor) -> Tensor:
        """The queries less the means of their classes plus those of the wanted ones, ``(B, D)``."""
        own, asked = self.embedders.probabilities(e), self.embedders.probabilities(wanted)
        means = [self.embedders.of(name).class_means for name in self.embedders.schema.types]
        return moved_features(features, own, asked, means)

    def composition_terms(
        self, features: Tensor, edited: Tensor, wanted: Tensor
    ) -> dict[str, Tensor]:
        """TIRG's loss with its weight. The answer to an edit is a photo of the bank, drawn at
        random, of which the embedders read the wanted classes; an edit without one is left out."""
        s = self.settings
        assert self.bank is not None and self.bank_classes is not None, "needs a bank of features"
        with torch.autocast(features.device.type, enabled=False):
            drawn = torch.randperm(len(self.bank), device=features.device)[: s["ranked"]]
            answers = self.bank_classes[drawn] == self.embedders.classify(wanted)[:, None]
            bank = self.bank[drawn]
            fits = answers.all(dim=2) & (F.normalize(features) @ F.normalize(bank).T <= SAME)
            rows = fits.any(dim=1).nonzero(as_tuple=True)[0]
            if not len(rows):
                return {"g_composition": edited.sum() * 0}
            found = torch.multinomial(fits[rows].float(), 1)[:, 0]
            searched = self.embedders.space.inverse(edited[rows])
            loss = composition_loss(searched, bank[found], s["student_temperature"])
        return {"g_composition": s["composition_weight"] * loss}

    def teacher_scores(
        self, moved: Tensor, bank: Tensor, bank_tail: Tensor, wanted: Tensor, target: Tensor
    ) -> Tensor:
        """The score of an edited search whose head is the moved query, ``(B, N)``.

        Args:
            moved: the moved queries, ``(B, D)``.
            bank: stored features ``(N, D)``; bank_tail: their log-posteriors ``(N, C)``.
        """
        s, types = self.settings, self.embedders.schema.types
        weights = moved.new_full((len(moved), len(types)), s["teacher_others"])
        weights[torch.arange(len(moved)), target] = s["teacher_target"]
        cosine = F.normalize(moved, dim=1) @ F.normalize(bank, dim=1).T
        tail = weighted_posteriors(self.embedders.probabilities(wanted), weights) @ bank_tail.T
        scores: Tensor = s["teacher_moved"] * cosine + tail
        return scores

    def _step(self, optimizer: Any, loss: Any) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        if self.settings["clip"] > 0:
            # Trainer(gradient_clip_val=) refuses manual optimization
            self.clip_gradients(optimizer, self.settings["clip"], "norm")
        optimizer.step()

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """How far edits go, whether the way back is found, and whether D still tells the two apart.

        cosine(x, x-hat) reads 1.0 for a perfect generator and for one that does nothing, so
        cosine(x, x-tilde) always stands beside it.
        """
        x, e, _, target, asked = self.sample(batch["features"])
        edited = self.manipulator.edit(x, asked, target)
        own = e[torch.arange(len(e), device=e.device), target]
        recovered = self.manipulator.edit(edited, own, target)
        figures = {
            "val/cosine_edited": F.cosine_similarity(x, edited).mean(),
            "val/cosine_recovered": F.cosine_similarity(x, recovered).mean(),
        }
        if self.judged:
            # in training mode D has its noise: without it D sees features as it has never seen any
            self.manipulator.discriminators.train()
            real, _ = self.manipulator.discriminate(x, target)
            fake, _ = self.manipulator.discriminate(edited, target)
            self.manipulator.discriminators.eval()
            figures["val/d_real"] = (real > 0).float().mean()
            figures["val/d_fake"] = (fake < 0).float().mean()
        self.log_dict(figures, batch_size=len(x))

    def on_validation_epoch_end(self) -> None:
        if self.evaluate is not None:
            for name, value in self.evaluate().items():
                self.log(f"val/{name}", value, prog_bar=name == "T@10")

    def _steps(self) -> int:
        """Steps of G in the whole training."""
        return int(self.settings["steps_per_epoch"]) * max(1, int(self.trainer.max_epochs or 1))

    def configure_optimizers(self) -> tuple[list[Any], list[Any]]:
        s = self.settings
        betas = (s["beta1"], s["beta2"])
        g = torch.optim.Adam(self.manipulator.generators.parameters(), s["lr"], betas)
        d = torch.optim.Adam(
            self.manipulator.discriminators.parameters(), s["discriminator_lr"], betas
        )
        steps = self._steps()

        def decay(step: int) -> float:
            """Constant for the first half, then down to zero in a straight line."""
            return max(0.0, min(1.0, 2.0 * (1.0 - step / steps)))

        return [g, d], [torch.optim.lr_scheduler.LambdaLR(o, decay) for o in (g, d)]
