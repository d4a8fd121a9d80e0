"""Trains Cls-Concat and ADDE-M: a classifier per attribute type."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from flam_pl.config.stages import ConcatConfig
from flam_pl.losses.attribute_memory import memory_loss
from flam_pl.models.concat import ConcatClassifiers, TypeClassifier
from flam_pl.training.embedder_module import ByTypeModule


class ClassifierModule(ByTypeModule):
    """Cls-Concat: per type, cross-entropy on the rows with a label. Prototypes are class means
    over ``labelled()``: features ``(N, D)``, labels ``(N, types)``; None: no class means."""

    settings: ConcatConfig

    def __init__(
        self,
        net: ConcatClassifiers,
        settings: ConcatConfig,
        labelled: Callable[[], tuple[Tensor, Tensor]] | None,
    ) -> None:
        super().__init__()
        self.net, self.settings, self.labelled = net, settings, labelled

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        features, labels = batch["features"], batch["labels"]
        z = self.net.space(features)
        z = z + self.settings.noise * torch.randn_like(z)
        loss = z.new_zeros(())
        for t in range(labels.shape[1]):
            known = labels[:, t] >= 0
            loss = loss + self.type_loss(t, z[known], labels[known, t])
        self.keep_terms({"classification": loss})
        return loss

    def type_loss(self, t: int, z: Tensor, classes: Tensor) -> Tensor:
        # a sum over nothing is zero, where a mean would be nan
        total = F.cross_entropy(self.net.by_type[t](z), classes, reduction="sum")
        return total / max(1, len(classes))

    def on_validation_epoch_start(self) -> None:
        self.measure_prototypes()  # before the checkpoint of the epoch is written

    def on_train_epoch_end(self) -> None:
        super().on_train_epoch_end()
        if not sum(self.trainer.num_val_batches):
            self.measure_prototypes()

    def measure_prototypes(self) -> None:
        if self.labelled:
            features, labels = self.labelled()
            self.net.fit_prototypes(features.to(self.device), labels.to(self.device))

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        classes = [logits.argmax(dim=1) for logits in self.net(batch["features"])]
        self.log_accuracy(self.net.schema.types, torch.stack(classes, dim=1), batch["labels"])


class MemoryModule(ClassifierModule):
    """ADDE-M (Hou et al., ICCV 2021) on frozen features: the prototypes are a learned memory."""

    def __init__(self, net: ConcatClassifiers, settings: ConcatConfig, margin: float) -> None:
        super().__init__(net, settings, labelled=None)
        self.margin = margin

    def type_loss(self, t: int, z: Tensor, classes: Tensor) -> Tensor:
        classifier = cast(TypeClassifier, self.net.by_type[t])
        prototypes = self.net.prototypes(self.net.schema.types[t])
        loss = memory_loss(classifier.block(z), classes, prototypes, self.margin)
        return super().type_loss(t, z, classes) + loss
