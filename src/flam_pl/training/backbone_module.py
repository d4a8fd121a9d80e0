"""Stage 1: learn features in which images of one item lie together (section 4.2, FIR)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.miners import TripletMarginMiner
from torch import Tensor, nn
from torch.nn import functional as F

from flam_pl.galleries.exact import top_k
from flam_pl.metrics.hit_rate import hits_at
from flam_pl.models.backbone import Backbone
from flam_pl.training.by_row import ByRow


class BackboneModule(pl.LightningModule):
    """Cross-entropy over the items with most images + triplet over all items.

    Both see the feature; with a CGD (arXiv 1903.10663) the triplet loss sees the combination and
    the cross-entropy its first global descriptor, with their temperature and label smoothing.

    Validation: R@k of consumer photos among the shop photos of items that are never trained on.
    ``predict_step`` gives features by catalog row.
    """

    classified: Tensor

    def __init__(
        self,
        net: Backbone,
        classified: Sequence[int],
        validation: tuple[np.ndarray, np.ndarray],
        settings: dict[str, Any],
        ks: Sequence[int] = (1, 5, 10, 20, 50),
    ) -> None:
        """Args:
        classified: item codes that the cross-entropy tells apart (those with most images).
        validation: of each validation position its item code ``(V,)`` and whether it is a
            consumer photo ``(V,)`` bool; both may be empty.
        settings: lr, weight_decay, margin, triplet_weight, classification_weight, temperature,
            label_smoothing.
        """
        super().__init__()
        self.net, self.settings, self.ks = net, settings, tuple(ks)
        self.register_buffer("classified", torch.tensor(list(classified), dtype=torch.long))
        # a batch norm between feature and classifier: the triplet loss shapes the cosine, the
        # classifier wants room; without it the two pull against each other
        width = net.described_dimension
        self.neck = nn.BatchNorm1d(width)
        self.classifier = nn.Linear(width, max(1, len(classified)), bias=False)
        self.triplet = TripletMarginLoss(margin=settings["margin"], distance=CosineSimilarity())
        self.miner = TripletMarginMiner(
            margin=settings["margin"], type_of_triplets="semihard", distance=CosineSimilarity()
        )
        self.validation_items = torch.from_numpy(validation[0])
        self.is_query = torch.from_numpy(validation[1])
        of_shop = self.validation_items[~self.is_query]
        self.findable = self.is_query & torch.isin(self.validation_items, of_shop)
        self.validation_features = ByRow(len(validation[0]), net.present_dimension)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.net(images)
        return features

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        features, described = self.net.describe(batch["image"])
        with torch.autocast(self.device.type, enabled=False):  # distances want all their digits
            return self.loss(features.float(), described.float(), batch["item"])

    def loss(self, features: Tensor, described: Tensor, items: Tensor) -> Tensor:
        """Args: features: ``(B, D)`` float32; described: ``(B, E)`` float32, what the items are
        classified by; items: codes ``(B,)``."""
        triplet = self.triplet(features, items, self.miner(features, items))
        matches = items[:, None] == self.classified[None, :]  # (B, classified)
        known = matches.any(dim=1)
        logits = self.classifier(self.neck(described)) / self.settings["temperature"]
        classification = F.cross_entropy(
            logits[known],
            matches[known].float().argmax(dim=1),
            label_smoothing=self.settings["label_smoothing"],
        )
        if not known.any():
            classification = logits.sum() * 0
        self.log("train/triplet", triplet)
        self.log("train/classification", classification)
        return (
            self.settings["triplet_weight"] * triplet
            + self.settings["classification_weight"] * classification
        )

    def on_validation_epoch_start(self) -> None:
        rows = len(self.validation_items)  # the dimension changes when a whitening is measured
        self.validation_features = ByRow(rows, self.net.present_dimension).to(self.device)

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        self.validation_features.update(batch["index"], self(batch["image"]).float())

    def on_validation_epoch_end(self) -> None:
        features = self.validation_features.compute().cpu()
        self.validation_features.reset()
        if not self.findable.any():
            return
        items, shop = self.validation_items, ~self.is_query
        gallery = F.normalize(features[shop], dim=1)
        queries = F.normalize(features[self.findable], dim=1)
        _, found = top_k(queries, gallery, min(max(self.ks), len(gallery)))
        hits = hits_at(items[shop][found], items[self.findable], self.ks).float().mean(dim=0)
        for k, value in zip(self.ks, hits.tolist(), strict=True):
            self.log(f"val/R@{k}", value, prog_bar=k == 1)

    def predict_step(self, batch: dict[str, Tensor], batch_index: int) -> dict[str, Tensor]:
        net = self.net
        features = net.pooled(batch["image"]) if net.unmeasured else net(batch["image"])
        return {"index": batch["index"], "features": features}

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=self.settings["lr"], weight_decay=self.settings["weight_decay"]
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=self.settings["lr"],
            total_steps=max(2, int(self.trainer.estimated_stepping_batches)),
            pct_start=0.2,
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def most_photographed(items: np.ndarray, count: int) -> list[int]:
    """Codes of the items with most images, ties by code."""
    codes, times = np.unique(items[items >= 0], return_counts=True)
    order = np.lexsort((codes, -times))
    return [int(code) for code in codes[order][:count]]
