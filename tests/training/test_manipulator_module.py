"""Stage 3: each update moves its own network only, the teacher none, and edits are learnt."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from attribute_world import QUIET, SCHEMA, FeatureModule, World, make_world
from flam_pl.config.stages import EmbedderConfig, ManipulatorConfig
from flam_pl.losses.adversarial import discriminator_loss, generator_loss
from flam_pl.losses.cycle import cycle_loss
from flam_pl.losses.matching import matching_loss
from flam_pl.losses.neighbour_distillation import distillation_loss
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.manipulator import Manipulator
from flam_pl.retrieval.vectors import FLOOR
from flam_pl.training.embedder_module import EmbedderModule
from flam_pl.training.manipulator_module import EditBatch, ManipulatorModule


def teacher(world: World, steps: int = 0) -> AttributeEmbedders:
    """The embedders of the world, trained if there are steps; with dropout, to see a wrong mode."""
    embedders = AttributeEmbedders(SCHEMA, world.features.shape[1], 6, hidden=32, dropout=0.2)
    embedders.fit(world.features, torch.from_numpy(world.labels))
    if steps:
        stage = EmbedderModule(embedders, EmbedderConfig(lr=1e-2, noise=0.1))
        data = FeatureModule(world, batch_size=64, batches=steps)
        pl.Trainer(max_epochs=1, limit_val_batches=0, **QUIET).fit(stage, data)
    return embedders


def stage(embedders: AttributeEmbedders, noise: float = 0.5, **settings: Any) -> ManipulatorModule:
    chosen = ManipulatorConfig(
        **{"steps_per_epoch": 2, "lr": 1e-3, "discriminator_lr": 2e-3, **settings}
    )
    manipulator = Manipulator(
        SCHEMA,
        embedders.space.dimension,
        embedders.embedding_dim,
        gated=chosen.gated,
        hidden=32,
        discriminator_hidden=32,
        noise=noise,
    )
    return ManipulatorModule(manipulator, embedders, chosen)


def snapshot(net: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


def gradients(net: nn.Module) -> dict[str, Tensor | None]:
    return {n: None if p.grad is None else p.grad.clone() for n, p in net.named_parameters()}


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    def equal(x: Tensor | None, y: Tensor | None) -> bool:
        return x is None and y is None if x is None or y is None else torch.equal(x, y)

    return a.keys() == b.keys() and all(equal(a[name], b[name]) for name in a)


class Witness(pl.Callback):
    """Takes down G, D and both gradients right before and right after each optimizer's step."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, Any]]] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        m = pl_module.manipulator

        def note(which: str, when: str) -> None:
            state = {
                "g": snapshot(m.generators),
                "d": snapshot(m.discriminators),
                "g.grad": gradients(m.generators),
                "d.grad": gradients(m.discriminators),
            }
            self.seen.append((which, when, state))

        for which, optimizer in zip("gd", trainer.optimizers, strict=True):
            optimizer.register_step_pre_hook(lambda *_, w=which: note(w, "before"))
            optimizer.register_step_post_hook(lambda *_, w=which: note(w, "after"))


@pytest.mark.parametrize("wanted", [0.0, 0.7])
def test_g_edits_what_it_is_shown_with_noise_of_its_own(wanted: float) -> None:
    world = make_world(rows=400)
    module = stage(teacher(world), input_noise=wanted)
    seen: list[Tensor] = []
    sample, edit = module.sample, module.manipulator.edit

    def sampled(features: Tensor) -> EditBatch:
        found = sample(features)
        seen.append(found.x)
        return found

    def edited(features: Tensor, *others: Tensor) -> Tensor:
        seen.append(features)
        return edit(features, *others)

    module.sample, module.manipulator.edit = sampled, edited  # type: ignore[assignment]
    data = FeatureModule(world, batch_size=400, batches=1)
    pl.Trainer(max_epochs=1, limit_val_batches=0, **QUIET).fit(module, data)
    difference = seen[1] - seen[0]  # x, and what the first edit was given
    assert difference.std().item() == pytest.approx(wanted, rel=0.1)


def test_each_update_leaves_the_other_network_bit_identical() -> None:
    world = make_world()
    module, witness = stage(teacher(world)), Witness()
    start = snapshot(module.manipulator.generators), snapshot(module.manipulator.discriminators)
    data = FeatureModule(world, batch_size=48, batches=2)
    pl.Trainer(max_epochs=1, callbacks=[witness], limit_val_batches=0, **QUIET).fit(module, data)

    order = [(which, when) for which, when, _ in witness.seen]
    assert order == 2 * [("d", "before"), ("d", "after"), ("g", "before"), ("g", "after")]
    before = {"g": start[0], "d": start[1]}
    for step in range(2):
        d0, d1, g0, g1 = (state for *_, state in witness.seen[4 * step : 4 * step + 4])
        # nothing moved between the steps
        assert same(d0["g"], before["g"]) and same(d0["d"], before["d"])
        assert same(g0["g"], d1["g"]) and same(g0["d"], d1["d"])
        # D's update
        assert not same(d1["d"], d0["d"]) and same(d1["g"], d0["g"])
        # G's update
        assert not same(g1["g"], g0["g"]) and same(g1["d"], g0["d"])
        # G's backward pass through D left no gradient there, nor D's in G
        assert same(g0["d.grad"], d1["d.grad"]) and not same(g0["g.grad"], d1["g.grad"])
        before = {"g": g1["g"], "d": g1["d"]}


def test_the_teacher_stays_as_it_is_and_in_eval_mode() -> None:
    world = make_world()
    embedders = teacher(world)
    before = snapshot(embedders)
    module = stage(embedders)
    modes: list[bool] = []

    class Mode(pl.Callback):
        def on_train_batch_start(self, trainer: Any, pl_module: Any, *_: Any) -> None:
            modes.append(any(m.training for m in pl_module.embedders.modules()))
            assert pl_module.manipulator.training

    data = FeatureModule(world, batch_size=48, batches=2)
    pl.Trainer(max_epochs=2, callbacks=[Mode()], **QUIET).fit(module, data)
    assert modes == [False] * 4
    assert same(snapshot(embedders), before)
    assert not any(p.requires_grad or p.grad is not None for p in embedders.parameters())
    optimized = {
        id(p) for o in module.trainer.optimizers for g in o.param_groups for p in g["params"]
    }
    assert optimized == {id(p) for p in module.manipulator.parameters()}
    module.train()
    assert not embedders.training and module.manipulator.training


def test_half_precision_trains_both_and_validates() -> None:
    world = make_world()
    module = stage(teacher(world))
    before = snapshot(module.manipulator)
    data = FeatureModule(world, batch_size=48, batches=2)
    trainer = pl.Trainer(max_epochs=1, precision="bf16-mixed", **QUIET)
    trainer.fit(module, data)
    after = snapshot(module.manipulator)
    assert all(torch.isfinite(v).all() and v.dtype == torch.float32 for v in after.values())
    learnt = [name for name, _ in module.manipulator.named_parameters()]
    assert not any(torch.equal(after[name], before[name]) for name in learnt)
    assert all(torch.isfinite(v) for v in trainer.callback_metrics.values())
    with torch.autocast("cpu", torch.bfloat16):
        edits = module.sample(world.features[:9])
        edited = module.manipulator.edit(edits.x, edits.condition, edits.target)
        assert edits.x.dtype == edited.dtype == torch.float32


@pytest.mark.parametrize("online", [True, False])
def test_a_sample_is_x_its_embeddings_and_an_embedding_of_the_batch(online: bool) -> None:
    world = make_world()
    embedders, features = teacher(world, steps=30), world.features[:40]
    module = stage(embedders, online_sampling=online)
    module.train()
    edits = module.sample(features)
    x, e, wanted, target = edits.x, edits.e, edits.wanted, edits.target
    assert len(x) == 40 and set(target.tolist()) == {0, 1, 2}
    z = embedders.space(features)
    torch.testing.assert_close(x, z)
    torch.testing.assert_close(e, embedders.embed(z))
    labels = embedders.classify(e)
    classes = embedders.classify(wanted)
    for row, t in enumerate(target.tolist()):
        for kind in range(3):
            if kind == t:
                assert torch.equal(wanted[row, kind], edits.condition[row])
                assert torch.equal(edits.own[row], e[row, kind])
                assert classes[row, kind] != labels[row, kind]
                assert (e[:, kind] == edits.condition[row]).all(dim=1).any()  # of a real row
            else:
                assert torch.equal(wanted[row, kind], e[row, kind])
    assert not any(v.requires_grad for v in (x, e, wanted, edits.condition))


def test_a_dictionary_target_is_of_a_class_that_the_row_probably_has_not() -> None:
    world = make_world(noise=0.3)
    embedders, features = teacher(world, steps=100), world.features[:40]
    module = stage(embedders, dictionary_targets=True)
    edits = module.sample(features)
    e, wanted, target, condition = edits.e, edits.wanted, edits.target, edits.condition
    assert set(target.tolist()) == {0, 1, 2}
    for row, t in enumerate(target.tolist()):
        dictionary = embedders.of(SCHEMA.types[t]).dictionary
        assert (dictionary == condition[row]).all(dim=1).any()
        for kind in range(3):
            assert torch.equal(wanted[row, kind], condition[row] if kind == t else e[row, kind])
    assert not any(v.requires_grad for v in (wanted, condition))
    # each class as likely as the row is not to have it
    one, color = e[:1].expand(8000, -1, -1), embedders.of("color").dictionary
    drawn = module.other_classes(one, torch.ones(8000, dtype=torch.long))
    shares = torch.stack([(drawn == of_class).all(dim=1).float().mean() for of_class in color])
    not_own = 1 - embedders.probabilities(e[:1])[1][0]
    torch.testing.assert_close(shares, not_own / not_own.sum(), atol=0.02, rtol=0)
    assert float(shares.sum()) == pytest.approx(1)


def test_a_row_whose_class_is_certain_gets_a_target_of_another_class() -> None:
    world = make_world()
    embedders = teacher(world)
    for name in SCHEMA.types:
        embedders.of(name).temperature.fill_(1e-3)  # every class is certain
    module = stage(embedders, dictionary_targets=True)
    edits = module.sample(world.features[:200])
    rows = torch.arange(200)
    own, new = (embedders.classify(of)[rows, edits.target] for of in (edits.e, edits.wanted))
    assert (own != new).float().mean() > 0.95


def test_a_row_without_a_row_of_another_class_keeps_its_embedding() -> None:
    world = make_world()
    module = stage(teacher(world, steps=30))
    edits = module.sample(world.features[:1].repeat(6, 1))
    torch.testing.assert_close(edits.wanted, edits.e)
    torch.testing.assert_close(edits.condition, edits.e[torch.arange(6), edits.target])
    edits = module.sample(world.features[:12])
    assert not torch.allclose(edits.wanted, edits.e, atol=0.1)


def test_a_batch_without_another_class_gives_finite_figures() -> None:
    """Features that are all alike have one class per type."""
    world = make_world(rows=60)
    world.features[:] = world.features[:1].clone()
    module = stage(teacher(world))
    trainer = pl.Trainer(max_epochs=1, **QUIET)
    trainer.fit(module, FeatureModule(world, batch_size=10, batches=2))
    figures = {name: float(v) for name, v in trainer.callback_metrics.items()}
    assert not [name for name, value in figures.items() if value != value]


def test_terms_are_the_equations_with_their_weights() -> None:
    world = make_world(rows=30)
    weights = {"adversarial_weight": 0.7, "matching_weight": 1.3, "cycle_weight": 2.0}
    module = stage(teacher(world), noise=0.0, **weights)
    net = module.manipulator
    edits = module.sample(world.features)
    x, e, wanted, target = edits.x, edits.e, edits.wanted, edits.target
    edited = net.edit(x, edits.condition, target)
    real, real_embeddings = net.discriminate(x)
    fake, fake_embeddings = net.discriminate(edited)
    own = torch.stack([e[row, t] for row, t in enumerate(target.tolist())])

    d = module.discriminator_terms(edits, edited)
    torch.testing.assert_close(d["d_adversarial"], 0.7 * discriminator_loss(real, fake))
    # D learns the embeddings of real features only: equation (4), first term
    torch.testing.assert_close(d["d_matching"], matching_loss(real_embeddings, e, target))
    g = module.generator_terms(edits, edited)
    torch.testing.assert_close(g["g_adversarial"], 0.7 * generator_loss(fake))
    torch.testing.assert_close(
        g["g_matching"], 1.3 * matching_loss(fake_embeddings, wanted, target)
    )
    recovered = net.edit(edited, own, target)
    torch.testing.assert_close(g["g_cycle"], 2.0 * cycle_loss(x, recovered))
    assert min(float(v.detach()) for v in (d | g).values()) > 0.01

    module.settings.with_remaining = False
    only_target = module.generator_terms(edits, edited)["g_matching"]
    assert float(only_target.detach()) < 0.7 * float(g["g_matching"].detach())
    # "S" concerns G; D goes on to predict every embedding
    again = module.discriminator_terms(edits, edited)["d_matching"]
    torch.testing.assert_close(again, d["d_matching"])


# --- neighbour distillation

ALONE = {
    "adversarial_weight": 0.0,
    "matching_weight": 0.0,
    "cycle_weight": 0.0,
    "distillation_weight": 0.7,
}
TEACHER = {"teacher_target": 1.3, "teacher_others": 0.6, "teacher_moved": 0.9}


def distilling(world: World, **settings: Any) -> ManipulatorModule:
    """A stage that learns from the neighbours alone; the bank is the whole world."""
    module = stage(teacher(world, steps=30), **{**ALONE, **TEACHER, **settings})
    module.bank = world.features
    module.on_fit_start()
    return module


def slow_teacher(module: ManipulatorModule, edits: EditBatch) -> Tensor:
    """The score of every photo of the bank, a type and a class at a time."""
    embedders, bank, features = module.embedders, module.bank, edits.features
    assert bank is not None
    own, new = embedders.probabilities(edits.e), embedders.probabilities(edits.wanted)
    seen = embedders.probabilities(embedders(bank))
    scores = torch.zeros(len(features), len(bank))
    for row, feature in enumerate(features):
        moved = feature.clone()
        for t, name in enumerate(SCHEMA.types):
            for c, mean in enumerate(embedders.of(name).class_means):
                moved = moved + (new[t][row, c] - own[t][row, c]) * mean
        for n, photo in enumerate(bank):
            score = 0.9 * float(F.cosine_similarity(moved, photo, dim=0))
            for t in range(3):
                weight = 1.3 if t == int(edits.target[row]) else 0.6
                for c, p in enumerate(new[t][row].tolist()):
                    score += weight * p * math.log(max(float(seen[t][n, c]), FLOOR))
            scores[row, n] = score
    return scores


def test_the_teacher_scores_the_bank_as_an_edited_search_of_the_moved_query_does() -> None:
    world = make_world(rows=80, noise=0.5)
    module = distilling(world)
    edits = module.sample(world.features[:6])
    assert module.bank is not None and module.bank_tail is not None
    got = module.teacher_scores(edits, module.bank, module.bank_tail)
    expected = slow_teacher(module, edits)
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)
    assert not got.requires_grad


def test_the_distillation_ranks_the_bank_without_the_query_itself() -> None:
    world = make_world(rows=80, noise=0.5)
    module = distilling(world)
    edits = module.sample(world.features[:6])
    edited = module.manipulator.edit(edits.x, edits.condition, edits.target)
    terms = module.generator_terms(edits, edited)
    stored = module.embedders.space.inverse(edited)
    scores = slow_teacher(module, edits)
    itself = torch.eye(6, 80, dtype=torch.bool)
    settings = module.settings.teacher_temperature, module.settings.student_temperature
    loss = distillation_loss(stored, world.features, scores, itself, *settings)
    assert list(terms) == ["g_distillation"]
    torch.testing.assert_close(terms["g_distillation"], 0.7 * loss, atol=1e-4, rtol=1e-4)
    counted = distillation_loss(stored, world.features, scores, itself & False, *settings)
    assert abs(float((counted - loss).detach())) > 1e-3
    # the distance to the moved query, where it has a weight
    module.settings.moved_weight = 0.4
    terms = module.generator_terms(edits, edited)
    away = 1 - F.cosine_similarity(stored, module.moved(edits), dim=1).mean()
    torch.testing.assert_close(terms["g_moved"], 0.4 * away)
    # some of the bank, as long as there are more
    module.settings.bank_batch = 10
    few = module.distillation(edits, edited)
    assert torch.isfinite(few) and abs(float((few - loss).detach())) > 1e-4


def test_half_precision_ranks_with_all_digits() -> None:
    """With half of them no photo would be known to be the query itself."""
    world = make_world(rows=80, noise=0.5)
    module = distilling(world)
    edits = module.sample(world.features[:6])
    edited = module.manipulator.edit(edits.x, edits.condition, edits.target)
    whole = module.distillation(edits, edited)
    with torch.autocast("cpu", torch.bfloat16):
        half = module.distillation(edits, edited)
    torch.testing.assert_close(half, whole)


def test_distillation_alone_changes_g_and_needs_no_d() -> None:
    world = make_world()
    embedders = teacher(world, steps=30)
    module = stage(embedders, **ALONE)
    module.bank = world.features[40:]
    before, of_teacher = snapshot(module.manipulator), snapshot(embedders)
    data = FeatureModule(world, batch_size=48, batches=3)
    trainer = pl.Trainer(max_epochs=1, **QUIET)
    trainer.fit(module, data)
    after = snapshot(module.manipulator)
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    assert moved and all(name.startswith("generators") for name in moved)
    assert same(snapshot(embedders), of_teacher)
    assert {n for n in trainer.callback_metrics if n.startswith("train/")} == {
        "train/g_distillation"
    }


# --- TIRG, a rival: a gate, and the batch-wise softmax


def test_the_answer_to_an_edit_has_the_wanted_classes_and_is_not_the_query() -> None:
    world = make_world(rows=300, noise=0.3)
    module = stage(teacher(world, steps=60), composition_weight=0.7, dictionary_targets=True)
    bank = module.bank = world.features[:12]
    module.on_fit_start()
    edits = module.sample(world.features[:40])
    edited = module.manipulator.edit(edits.x, edits.condition, edits.target)
    none = EditBatch(*(getattr(edits, field.name)[:0] for field in fields(edits)))
    classes = module.embedders.classify(module.embedders(bank))
    right = (classes[None] == module.embedders.classify(edits.wanted)[:, None]).all(dim=2)
    right[torch.arange(12), torch.arange(12)] = False
    answered = right.any(dim=1)
    assert 5 < int(answered.sum()) < 40
    seen = []

    def heard(searched: Tensor, answers: Tensor, temperature: float) -> Tensor:
        seen.append((searched, answers, temperature))
        return searched.sum() * 0 + 2.0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flam_pl.training.manipulator_module.composition_loss", heard)
        module.settings.cycle_weight = module.settings.distillation_weight = 0
        term = module.generator_terms(edits, edited)["g_composition"]
        nothing = module.composition(none, edited[:0])
    assert float(term.detach()) == pytest.approx(0.7 * 2)
    searched, answers, temperature = seen[0]
    assert temperature == module.settings.student_temperature
    torch.testing.assert_close(searched, module.embedders.space.inverse(edited[answered]))
    for row, answer in zip(right[answered], answers, strict=True):
        found = (bank - answer).norm(dim=1).argmin()
        assert row[found] and torch.equal(bank[found], answer)
    assert len(seen) == 1 and float(nothing) == 0


TIRG = {"distillation_weight": 0.0, "composition_weight": 1.0, "dictionary_targets": True}


@pytest.mark.parametrize(("gated", "losses"), [(False, {}), (True, TIRG)])
def test_photos_of_the_bank_teach_edits_that_reach_the_wanted_class(
    gated: bool, losses: dict[str, Any]
) -> None:
    """By the distillation, and by TIRG's loss. Judged by the world's own directions, as the paper's
    losses are."""
    world = make_world(rows=400, noise=0.3)
    settings = {**ALONE, "lr": 4e-3, "steps_per_epoch": 150, "gated": gated, **losses}
    module = stage(teacher(world, steps=120), **settings)
    assert (module.manipulator.generators[0].gate is not None) == gated
    module.bank = world.features[40:]
    before = share_of_right_edits(module, world, by_direction=True)
    data = FeatureModule(world, batch_size=64, batches=150)
    pl.Trainer(max_epochs=1, limit_val_batches=0, **QUIET).fit(module, data)
    assert before < 0.2
    assert share_of_right_edits(module, world, by_direction=True) > 0.7


# --- the whole training


def test_rates_are_constant_for_half_of_the_generator_s_steps_and_then_fall_to_zero() -> None:
    world = make_world()
    module = stage(teacher(world), steps_per_epoch=4)
    rates: list[list[float]] = []

    class Rates(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            rates.append([o.param_groups[0]["lr"] for o in trainer.optimizers])

    data = FeatureModule(world, batch_size=16, batches=4)
    pl.Trainer(max_epochs=2, callbacks=[Rates()], limit_val_batches=0, **QUIET).fit(module, data)
    expected = [min(1.0, 2 * (1 - step / 8)) for step in range(1, 9)]
    assert expected[0] == 1 and expected[-1] == 0
    assert [g for g, _ in rates] == pytest.approx([1e-3 * share for share in expected])
    assert [d for _, d in rates] == pytest.approx([2e-3 * share for share in expected])


def test_edits_reach_the_wanted_class_and_keep_the_others() -> None:
    """Judged by the world's own directions, not by the networks that trained the edit."""
    world = make_world(rows=400, noise=0.3)
    module = stage(
        teacher(world, steps=120),
        noise=0.3,
        lr=4e-3,
        discriminator_lr=4e-3,
        steps_per_epoch=350,
    )
    before = share_of_right_edits(module, world)
    data = FeatureModule(world, batch_size=64, batches=350)
    trainer = pl.Trainer(max_epochs=1, **QUIET)
    trainer.fit(module, data)
    assert before < 0.2
    assert share_of_right_edits(module, world) > 0.7
    figures = trainer.callback_metrics
    assert float(figures["val/cosine_recovered"]) > 0.9
    assert float(figures["val/cosine_edited"]) < float(figures["val/cosine_recovered"])


@torch.no_grad()
def share_of_right_edits(
    module: ManipulatorModule, world: World, by_direction: bool = False
) -> float:
    """Share of edits of held-out rows whose nearest noise-free combination is the wanted one.

    Args:
        by_direction: nearest by the cosine, where the lengths of edited features mean nothing.
    """
    module.eval()
    space = module.embedders.space
    combinations = torch.cartesian_prod(*[torch.arange(size) for size in SCHEMA.sizes])
    ideal = sum(world.directions[t][combinations[:, t]] for t in range(3))
    right = total = 0
    features, labels = world.features[:40], torch.from_numpy(world.labels[:40])
    for t, name in enumerate(SCHEMA.types):
        for c in range(SCHEMA.sizes[t]):
            rows = labels[:, t] != c
            edit = module.embedders.of(name).dictionary[c].expand(int(rows.sum()), -1)
            target = torch.full((int(rows.sum()),), t)
            edited = space.inverse(module.manipulator.edit(space(features[rows]), edit, target))
            wanted = labels[rows].clone()
            wanted[:, t] = c
            places = (edited, ideal)
            if by_direction:
                places = (F.normalize(edited, dim=1), F.normalize(ideal, dim=1))
            nearest = combinations[torch.cdist(*places).argmin(dim=1)]
            right += int((nearest == wanted).all(dim=1).sum())
            total += int(rows.sum())
    return right / total
