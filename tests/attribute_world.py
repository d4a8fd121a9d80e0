"""A small invented world of labelled features, with an answer key, shared by the tests.

A feature is the sum of one random direction for each attribute class and a little noise, so every
class is a cluster and an edit has an exact answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from flam_pl.attributes import AttributeSchema
from flam_pl.data.batches import FeatureBatches, whole_batch
from flam_pl.data.feature_store import FeatureStore, Manifest

SCHEMA = AttributeSchema(
    {
        "shape": ("shirt", "jeans", "dress"),
        "color": ("red", "green", "blue", "black"),
        "pattern": ("plain", "striped"),
    }
)

QUIET = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
"""A Lightning Trainer that only trains."""


@dataclass(frozen=True)
class World:
    """``features (N, D)``, ``labels (N, types)`` and the direction of each class of each type."""

    features: Tensor
    labels: np.ndarray
    directions: tuple[Tensor, ...]

    @property
    def store(self) -> FeatureStore:
        return store_of(self.features.numpy())


def make_world(rows: int = 240, dimension: int = 12, noise: float = 0.1, seed: int = 0) -> World:
    draw = torch.Generator().manual_seed(seed)
    directions = tuple(torch.randn(size, dimension, generator=draw) for size in SCHEMA.sizes)
    labels = np.stack(
        [
            np.random.default_rng([seed, t]).integers(size, size=rows)
            for t, size in enumerate(SCHEMA.sizes)
        ],
        axis=1,
    )
    features = noise * torch.randn(rows, dimension, generator=draw)
    for t, of_class in enumerate(directions):
        features = features + of_class[labels[:, t]]
    return World(features, labels, directions)


class FeatureModule(pl.LightningDataModule):
    """The loaders that stages 2 and 3 get, from features in memory."""

    def __init__(self, world: World, batch_size: int, batches: int, held_out: int = 40) -> None:
        super().__init__()
        rows = np.arange(len(world.labels))
        self.train = FeatureBatches(
            world.store, rows[held_out:], world.labels, batch_size, batches=batches
        )
        self.val = whole_batch(world.store, rows[:held_out], world.labels)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.train, batch_size=None)

    def val_dataloader(self) -> DataLoader:
        return self.val

    def position(self) -> dict[str, Any]:
        return self.train.state_dict()

    def go_on_at(self, position: dict[str, Any]) -> None:
        self.train.load_state_dict(position)


def store_of(features: np.ndarray) -> FeatureStore:
    """A store in memory, as if it had been opened."""
    rows, dimension = features.shape
    manifest = Manifest("none", "none", "none", rows, dimension, str(features.dtype))
    return FeatureStore(Path("/nowhere"), features, manifest, "none")
