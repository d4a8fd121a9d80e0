"""Measures the whitening of a trained backbone."""

from __future__ import annotations

import numpy as np
import pytorch_lightning as pl

from flam_pl.data.datamodule import FlamDataModule
from flam_pl.training.backbone_module import BackboneModule
from flam_pl.training.by_row import ByRow
from flam_pl.training.stage import require_finished

SAMPLE = 4096
"""Most training photos that a whitening is measured on."""


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
