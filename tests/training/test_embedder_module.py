"""Stage 2 through a real Trainer."""

from __future__ import annotations

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from attribute_world import QUIET, SCHEMA, FeatureModule, World, make_world
from flam_pl.config.stages import EmbedderConfig
from flam_pl.losses.triplet import embedding_loss
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.training.embedder_module import EmbedderModule


def stage(world: World, **settings: float) -> EmbedderModule:
    embedders = AttributeEmbedders(SCHEMA, world.features.shape[1], 8, hidden=32, dropout=0.0)
    embedders.fit(world.features, torch.from_numpy(world.labels))
    return EmbedderModule(embedders, EmbedderConfig(noise=0.1, **settings))


def accuracy(module: EmbedderModule, data: FeatureModule) -> float:
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
    embeddings = module.embedders(world.features[:40])
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


def loss_of(module: EmbedderModule, features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    module.log = lambda *_, **__: None  # type: ignore[method-assign]  # no Trainer here
    return module.training_step({"features": features, "labels": labels}, 0)


def test_each_type_learns_from_the_rows_that_carry_its_label() -> None:
    world = make_world(rows=60)
    module = stage(world, margin=0.4)
    module.settings.noise = 0.0
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
        for module.settings.noise in (0.0, 1.0)
    )
    assert len(quiet) == 1 and len(loud) == 3


def taught_stage(
    world: World, bank: torch.Tensor | None, weight: float = 1.0, **settings: float
) -> EmbedderModule:
    """Three members a type, taught by what they see together."""
    torch.manual_seed(0)
    embedders = AttributeEmbedders(
        SCHEMA, world.features.shape[1], 8, hidden=32, dropout=0.2, members=3
    )
    embedders.fit(world.features, torch.from_numpy(world.labels))
    config = EmbedderConfig(loss="softmax", members=3, self_training=weight, **settings)
    return EmbedderModule(embedders, config, bank)


def test_members_are_taught_what_all_of_them_see_sharpened() -> None:
    world = make_world(rows=20)
    module = taught_stage(world, world.features, weight=0.7, noise=0.0, temperature=0.3)
    for embedder in module.embedders.by_type:
        for member in embedder.members:
            member.layers[2].p = 0.0  # so that the pupil sees what the loop below sees
    terms = module.taught_terms(world.features)
    z = module.embedders.space(world.features)
    assert set(terms) == {"shape_taught", "color_taught", "pattern_taught"}
    for name, term in terms.items():
        of = module.embedders.of(name.removesuffix("_taught"))
        cosines = [member(z) @ member.dictionary.T for member in of.members]
        taught = (torch.stack(cosines).mean(dim=0) / 0.15).softmax(dim=1).detach()
        expected = 0.0
        for of_member in cosines:
            for row in range(20):
                logs = (of_member[row] / 0.3).log_softmax(dim=0)
                expected -= 0.7 * float((taught[row] @ logs).detach()) / 20
        assert float(term.detach()) == pytest.approx(expected, rel=1e-4)
        term.backward(retain_graph=True)
        assert all(member.raw_dictionary.grad is not None for member in of.members)


def test_the_teacher_never_drops_out_and_sees_no_noise() -> None:
    world = make_world(rows=20)
    module = taught_stage(world, world.features, noise=2.0).train()
    z, temperature = module.embedders.space(world.features), torch.tensor(0.2)
    first, again = (module.ensemble_probabilities(z, temperature) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert module.embedders.training  # the pupils go on with both
    for of_type in first:
        torch.testing.assert_close(of_type.sum(dim=1), torch.ones(20))


def test_teaching_begins_after_a_third_of_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world()
    module = taught_stage(world, world.features, batch_size=16)
    taught_at = []
    taught_terms = module.taught_terms

    def recorded(features: torch.Tensor) -> dict[str, torch.Tensor]:
        taught_at.append((module.global_step, len(features)))
        return taught_terms(features)

    monkeypatch.setattr(module, "taught_terms", recorded)
    pl.Trainer(max_epochs=3, **QUIET).fit(module, FeatureModule(world, batch_size=32, batches=10))
    assert taught_at == [(step, 16) for step in range(10, 30)]


def test_in_half_precision_the_pupils_learn_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The teacher's look at the same weights, without a gradient, must not take theirs."""
    world = make_world(rows=30)
    module = taught_stage(world, world.features).train()
    monkeypatch.setattr(module, "teaches", lambda: True)
    with torch.autocast("cpu", torch.bfloat16):
        loss = loss_of(module, world.features, torch.full((30, 3), -1))
    loss.backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


def test_photos_without_labels_help_where_labels_are_few() -> None:
    world = make_world(rows=600, noise=0.8)
    hidden = world.labels.copy()
    hidden[40:][np.random.default_rng(0).random((560, 3)) > 0.04] = -1  # 40 rows validate
    few = World(world.features, hidden, world.directions)
    found = []
    for bank in (None, world.features[40:]):
        module = taught_stage(few, bank, lr=3e-3, noise=0.3)
        data = FeatureModule(few, batch_size=560, batches=60)
        pl.Trainer(max_epochs=2, **QUIET).fit(module, data)
        module.eval()
        with torch.no_grad():
            labels = torch.from_numpy(world.labels[40:])
            right = module.embedders.classify(module.embedders(world.features[40:])) == labels
        found.append(float(right.float().mean()))
    assert found[1] > found[0] + 0.02, found
