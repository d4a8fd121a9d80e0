"""Stage 1: features in which images of one item lie together (section 4.2 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.miners import TripletMarginMiner
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import Metric

from flam_pl.config.stages import BackboneConfig
from flam_pl.data.datamodule import FlamDataModule
from flam_pl.galleries.exact import top_k
from flam_pl.metrics.hit_rate import hits_at
from flam_pl.models.backbone import Backbone, feature_levels, first_modules
from flam_pl.training.stage import require_finished

KS = (1, 5, 10, 20, 50)
"""k of the validation figures R@k."""

SAMPLE = 4096
"""Largest number of training photos that measure a whitening."""


class ByRow(Metric):
    """One vector per row: the mean of its values, because a DDP sampler repeats rows."""

    full_state_update = False
    total: Tensor
    times: Tensor

    def __init__(self, rows: int, dimension: int) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(rows, dimension), dist_reduce_fx="sum")
        self.add_state("times", torch.zeros(rows), dist_reduce_fx="sum")

    def update(self, row: Tensor, values: Tensor) -> None:
        self.total.index_add_(0, row, values.to(self.total.dtype))
        self.times.index_add_(0, row, torch.ones_like(row, dtype=self.times.dtype))

    def compute(self) -> Tensor:
        """``(rows, dimension)``; a row without a value is zero."""
        return self.total / self.times.clamp_min(1)[:, None]


class BackboneModule(pl.LightningModule):
    """Cross-entropy over the items (products) with codes ``classified``; triplets over all items.

    With a CGD the triplets see all descriptors, the cross-entropy the first one. ``validation``,
    per photo: item code ``(V,)``; whether it is a consumer photo, bool ``(V,)``. R@k: consumer
    photos are the queries, shop photos the gallery.
    """

    classified: Tensor

    def __init__(
        self,
        net: Backbone,
        classified: Sequence[int],
        validation: tuple[np.ndarray, np.ndarray],
        settings: BackboneConfig,
    ) -> None:
        super().__init__()
        self.net, self.settings = net, settings
        self.frozen: list[nn.Module] = []
        if count := settings.frozen_levels:
            setting = "backbone.frozen_levels"
            levels = feature_levels(net.trunk, settings.model, count, setting, f"{setting}=0")
            self.frozen = first_modules(net.trunk, levels[-1]["module"])
        for module in self.frozen:
            module.training = False  # its batch norm measures nothing
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(False)
        self.register_buffer("classified", torch.tensor(list(classified), dtype=torch.long))
        # without a batch norm in between, the triplet loss and the classifier pull apart
        self.neck = nn.BatchNorm1d(net.described_dimension)
        self.classifier = nn.Linear(net.described_dimension, max(1, len(classified)), bias=False)
        margin, distance = settings.margin, CosineSimilarity()
        self.triplet = TripletMarginLoss(margin=margin, distance=distance)
        self.miner = TripletMarginMiner(
            margin=margin, type_of_triplets="semihard", distance=distance
        )
        self.validation_items, self.is_query = map(torch.from_numpy, validation)
        of_shop = self.validation_items[~self.is_query]
        self.findable = self.is_query & torch.isin(self.validation_items, of_shop)

    def train(self, mode: bool = True) -> BackboneModule:
        """Frozen modules stay in evaluation mode."""
        super().train(mode)
        for module in self.frozen:
            module.training = False
        return self

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        features, described = self.net.describe(batch["image"])
        with torch.autocast(self.device.type, enabled=False):  # distances need all their digits
            return self.loss(features.float(), described.float(), batch["item"])

    def loss(self, features: Tensor, described: Tensor, items: Tensor) -> Tensor:
        """Weighted sum: triplets on features ``(B, D)``, classification on described ``(B, E)``."""
        s = self.settings
        triplet = self.triplet(features, items, self.miner(features, items))
        matches = items[:, None] == self.classified[None, :]  # (B, classified)
        known = matches.any(dim=1)
        logits = self.classifier(self.neck(described)) / s.temperature
        classes = matches[known].float().argmax(dim=1)
        classification = F.cross_entropy(logits[known], classes, label_smoothing=s.label_smoothing)
        if not known.any():
            classification = logits.sum() * 0
        self.log("train/triplet", triplet)
        self.log("train/classification", classification)
        return s.triplet_weight * triplet + s.classification_weight * classification

    def on_validation_epoch_start(self) -> None:
        rows = len(self.validation_items)  # the dimension changes when a whitening is measured
        self.validation_features = ByRow(rows, self.net.present_dimension).to(self.device)

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        self.validation_features.update(batch["index"], self.net(batch["image"]).float())

    def on_validation_epoch_end(self) -> None:
        features = self.validation_features.compute().cpu()
        if not self.findable.any():
            return
        items, shop = self.validation_items, ~self.is_query
        gallery = F.normalize(features[shop], dim=1)
        queries = F.normalize(features[self.findable], dim=1)
        _, found = top_k(queries, gallery, min(max(KS), len(gallery)))
        hits = hits_at(items[shop][found], items[self.findable], KS).float().mean(dim=0)
        for k, value in zip(KS, hits.tolist(), strict=True):
            self.log(f"val/R@{k}", value, prog_bar=k == 1)

    def predict_step(self, batch: dict[str, Tensor], batch_index: int) -> dict[str, Tensor]:
        net = self.net
        features = net.pooled(batch["image"]) if net.unmeasured else net(batch["image"])
        return {"index": batch["index"], "features": features}

    def configure_optimizers(self) -> OptimizerLRScheduler:
        lr, weight_decay = self.settings.lr, self.settings.weight_decay
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=lr, weight_decay=weight_decay)
        steps = max(2, int(self.trainer.estimated_stepping_batches))
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=lr, total_steps=steps, pct_start=0.2
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def most_photographed(items: np.ndarray, count: int) -> list[int]:
    """Codes of the items with most images, ties by code. ``items``: per image, -1 for none.

    >>> most_photographed(np.array([7, 3, 3, -1, 5, 5]), 2)
    [3, 5]
    """
    codes, times = np.unique(items[items >= 0], return_counts=True)
    order = np.lexsort((codes, -times))
    return codes[order][:count].tolist()


def measure_whitening(stage: BackboneModule, data: FlamDataModule, trainer: pl.Trainer) -> None:
    """Fit the backbone's whitening to at most ``SAMPLE`` training photos, equally on every rank."""
    net, rows = stage.net, data.catalog.rows(split="train")
    assert net.whitening is not None
    if len(rows) > SAMPLE:
        rng = np.random.default_rng(data.config.seed)
        rows = np.sort(rng.choice(rows, SAMPLE, replace=False))
    data.trainer = trainer
    found = trainer.predict(stage, data.image_loader(rows))
    require_finished(trainer, "whitening")
    features = ByRow(len(rows), net.pooled_dimension).to(trainer.strategy.root_device)
    for batch in found or []:  # of this rank; ``compute`` adds the other ranks'
        assert isinstance(batch, dict)
        features.update(batch["index"].to(features.device), batch["features"].to(features.device))
    net.whitening.measure(features.compute().cpu())
