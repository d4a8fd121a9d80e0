"""What stage 1 measures when its weights are trained: the centre and the scale of its features."""

from __future__ import annotations

import numpy as np
import pytorch_lightning as pl

from flam_pl.data.datamodule import FlamDataModule
from flam_pl.training.backbone_module import BackboneModule
from flam_pl.training.by_row import ByRow
from flam_pl.training.stage import require_finished

SAMPLE = 4096
"""Training photos that a whitening is measured on at most, drawn by ``config.seed``."""


def measure_whitening(stage: BackboneModule, data: FlamDataModule, trainer: pl.Trainer) -> None:
    """Centre and scale the features by those of training photos; the same on every rank.

    Raises:
        FlamError: the Trainer was interrupted.
    """
    net, rows = stage.net, data.catalog.rows(split="train")
    assert net.whitening is not None
    if len(rows) > SAMPLE:
        rng = np.random.default_rng(data.config.seed)
        rows = np.sort(rng.choice(rows, SAMPLE, replace=False))
    data.trainer = trainer
    found = trainer.predict(stage, data.image_loader(rows))
    require_finished(trainer, "whitening")
    # every rank saw its share; the sum over the ranks is the same for all of them
    features = ByRow(len(rows), net.pooled_dimension).to(trainer.strategy.root_device)
    for batch in found or []:
        assert isinstance(batch, dict)
        features.update(batch["index"].to(features.device), batch["features"].to(features.device))
    net.whitening.measure(features.compute().cpu())
