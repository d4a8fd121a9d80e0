"""Cls-Concat's prototypes belong to the weights that are kept, also without a validation split."""

from __future__ import annotations

from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from attribute_world import QUIET, SCHEMA, make_world
from flam_pl.config.stages import ConcatConfig
from flam_pl.data.batches import FeatureBatches, whole_batch
from flam_pl.models.concat import ConcatClassifiers
from flam_pl.training.concat_modules import ClassifierModule, MemoryModule


@pytest.mark.parametrize("validated", [True, False])
def test_the_prototypes_are_those_of_the_last_weights(validated: bool) -> None:
    world = make_world()
    rows = torch.arange(len(world.features)).numpy()
    net = ConcatClassifiers(SCHEMA, world.features.shape[1], width=5)
    net.space.fit(world.features)
    labelled = (world.features, torch.from_numpy(world.labels))
    settings = ConcatConfig(noise=0.1, lr=0.01, weight_decay=0.0)
    stage = ClassifierModule(net, settings, lambda: labelled)
    loaders: dict[str, Any] = {
        "train_dataloaders": DataLoader(
            FeatureBatches(world.store, rows, world.labels, 32), batch_size=None
        ),
        "val_dataloaders": whole_batch(world.store, rows, world.labels) if validated else [],
    }
    pl.Trainer(max_epochs=2, **QUIET).fit(stage, **loaders)  # type: ignore[arg-type]
    found = {kind: net.prototypes(kind).clone() for kind in SCHEMA.types}
    net.fit_prototypes(*labelled)
    for kind, prototypes in found.items():
        assert prototypes.norm(dim=1).min() > 0.9
        torch.testing.assert_close(prototypes, net.prototypes(kind))


def test_adde_m_learns_a_memory_whose_vectors_stand_for_their_classes() -> None:
    world = make_world(noise=0.3)
    torch.manual_seed(0)
    rows = torch.arange(len(world.features)).numpy()
    net = ConcatClassifiers(SCHEMA, world.features.shape[1], width=5, learned=True)
    net.space.fit(world.features)
    settings = ConcatConfig(noise=0.1, lr=0.02, weight_decay=0.0)
    data = FeatureBatches(world.store, rows, world.labels, 32)
    validation = whole_batch(world.store, rows, world.labels)
    before = {kind: net.prototypes(kind).detach().clone() for kind in SCHEMA.types}
    pl.Trainer(max_epochs=30, **QUIET).fit(  # type: ignore[arg-type]
        MemoryModule(net, settings, margin=0.3),
        DataLoader(data, batch_size=None),
        validation,
    )
    net.eval()
    for t, kind in enumerate(SCHEMA.types):
        memory, labels = net.prototypes(kind).detach(), torch.from_numpy(world.labels[:, t])
        assert not torch.allclose(memory, before[kind], atol=0.1)
        nearest = (net.blocks(world.features)[:, t] @ memory.T).argmax(dim=1)
        known = labels >= 0
        assert (nearest == labels)[known].float().mean() > 0.9
