"""Stage 2 through a real Trainer."""

from __future__ import annotations

import pytorch_lightning as pl
import torch

from attribute_world import QUIET, SCHEMA, FeatureModule, World, make_world
from flam_pl.config.root import to_plain
from flam_pl.config.stages import EmbedderConfig
from flam_pl.losses.triplet import embedding_loss
from flam_pl.nets.embedder import Embedders
from flam_pl.stages.embedder import EmbedderStage


def stage(world: World, **settings: float) -> EmbedderStage:
    embedders = Embedders(SCHEMA, world.features.shape[1], 8, hidden=32, dropout=0.0)
    embedders.fit(world.features, torch.from_numpy(world.labels))
    return EmbedderStage(embedders, to_plain(EmbedderConfig(noise=0.1, **settings)))


def accuracy(module: EmbedderStage, data: FeatureModule) -> float:
    return pl.Trainer(**QUIET).validate(module, data, verbose=False)[0]["val/accuracy"]


def test_separable_clusters_are_learnt_in_a_few_steps() -> None:
    world = make_world()
    module, data = stage(world, lr=1e-2), FeatureModule(world, batch_size=64, batches=40)
    assert accuracy(module, data) < 0.6
    pl.Trainer(max_epochs=1, **QUIET).fit(module, data)
    assert accuracy(module, data) > 0.9


def test_validation_is_the_mean_over_types_of_the_share_of_right_classes() -> None:
    world = make_world()
    world.labels[:20, 0] = -1  # unlabelled rows are not asked
    world.labels[:40, 2] = -1  # nothing known: this type is left out
    module, data = stage(world), FeatureModule(world, batch_size=64, batches=1)
    figures = pl.Trainer(**QUIET).validate(module, data, verbose=False)[0]
    module.eval()
    embeddings = module(world.features[:40])
    shares = []
    for t, name in enumerate(SCHEMA.types[:2]):
        dictionary = module.embedders.of(name).dictionary
        right = asked = 0
        for row in range(40):
            if world.labels[row, t] >= 0:
                asked += 1
                nearest = int((dictionary @ embeddings[row, t]).argmax())
                right += nearest == world.labels[row, t]
        shares.append(right / asked)
    assert len(set(shares)) == 2 and min(shares) > 0
    torch.testing.assert_close(figures["val/accuracy"], sum(shares) / 2)
    assert "val/pattern" not in figures


def loss_of(module: EmbedderStage, features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    module.log = lambda *_, **__: None  # type: ignore[method-assign]  # no Trainer here
    return module.training_step({"features": features, "labels": labels}, 0)


def test_each_type_learns_from_the_rows_that_carry_its_label() -> None:
    world = make_world(rows=60)
    module = stage(world, margin=0.4)
    module.settings["noise"] = 0.0
    labels = torch.from_numpy(world.labels.copy())
    labels[::2, 0] = -1
    labels[::3, 1] = -1
    labels[:, 2] = -1
    loss = loss_of(module, world.features, labels)
    expected = torch.zeros(())
    for t, rows in ((0, range(1, 60, 2)), (1, [i for i in range(60) if i % 3])):
        chosen = torch.tensor(list(rows))
        embedder = module.embedders.of(SCHEMA.types[t])
        e = embedder(module.embedders.space(world.features[chosen]))
        expected = expected + sum(embedding_loss(e, labels[chosen, t], embedder.dictionary, 0.4))
    assert expected > 0.2
    torch.testing.assert_close(loss, expected)


def test_a_batch_without_any_label_has_a_zero_loss_with_a_gradient_for_every_parameter() -> None:
    """A parameter without a gradient stops DDP."""
    world = make_world(rows=10)
    module = stage(world)
    loss = loss_of(module, world.features, torch.full((10, 3), -1))
    assert float(loss.detach()) == 0
    loss.backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert not parameter.grad.any()


def test_noise_is_laid_on_the_training_features() -> None:
    world = make_world(rows=40)
    module, labels = stage(world), torch.from_numpy(world.labels)
    quiet, loud = (
        {float(loss_of(module, world.features, labels).detach()) for _ in range(3)}
        for module.settings["noise"] in (0.0, 1.0)
    )
    assert len(quiet) == 1 and len(loud) == 3
