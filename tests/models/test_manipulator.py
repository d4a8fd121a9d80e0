"""Manipulator: the code of the type, gate, depth and noise."""

from __future__ import annotations

import pytest
import torch

from attribute_world import SCHEMA
from flam_pl.models.manipulator import Discriminator, Generator, Manipulator

TARGET = torch.tensor([2, 0, 1, 0, 2, 2, 1])


def manipulator() -> Manipulator:
    return Manipulator(SCHEMA, 8, 5, hidden=16, discriminator_hidden=16).eval()


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(len(TARGET), 8), torch.randn(len(TARGET), 5)


def test_the_generator_gets_the_type_as_a_code() -> None:
    net, (x, edit) = manipulator(), inputs()
    edited = net.edit(x, edit, TARGET)
    for row, t in enumerate(TARGET.tolist()):
        one = slice(row, row + 1)
        code = torch.eye(3)[t][None]
        expected = net.generators[0](x[one], torch.cat([edit[one], code], dim=1))
        torch.testing.assert_close(edited[one], expected)
    assert not torch.allclose(net.edit(x, edit, TARGET.roll(1)), edited, atol=1e-3)


@pytest.mark.parametrize("rows", [0, 3])
def test_a_batch_may_lack_a_type_or_all_rows(rows: int) -> None:
    net, (x, edit) = manipulator(), inputs()
    target = torch.ones(rows, dtype=torch.long)
    assert net.edit(x[:rows], edit[:rows], target).shape == (rows, 8)
    logits, embeddings = net.discriminate(x[:rows])
    assert logits.shape == (rows, 1) and embeddings.shape == (rows, 3, 5)


@pytest.mark.parametrize("gated", [True, False])
def test_the_generator_depends_on_feature_and_condition(gated: bool) -> None:
    net = Generator(8, 5, hidden=16, depth=2, gated=gated)
    x, edit = inputs()
    out = net(x, edit)
    assert not torch.allclose(net(x, edit + 1), out, atol=1e-3)
    assert not torch.allclose(net(x + 1, edit) - 1, out, atol=1e-3)


def test_a_gated_generator_adds_its_output_to_the_gated_feature() -> None:
    x, edit = inputs()
    gated, plain = Generator(8, 5, 16, 1, gated=True), Generator(8, 5, 16, 1)
    plain.load_state_dict(
        {n: v for n, v in gated.state_dict().items() if not n.startswith("gate.")}
    )
    assert gated.gate is not None
    gate = 1 / (1 + torch.exp(-gated.gate(torch.cat([x, edit], dim=1))))
    assert gate.std() > 0.01
    torch.testing.assert_close(gated(x, edit), gate * x + plain(x, edit))
    torch.nn.init.zeros_(gated.gate[-1].weight)
    for bias, part in ((-1e3, 0.0), (1e3, 1.0)):  # a shut gate and an open one
        torch.nn.init.constant_(gated.gate[-1].bias, bias)
        torch.testing.assert_close(gated(x, edit), part * x + plain(x, edit))


@pytest.mark.parametrize("depth", [1, 3])
def test_depth_counts_the_hidden_layers(depth: int) -> None:
    for net in (Generator(8, 5, 16, depth, True), Discriminator(8, 3, 5, 16, depth, 0.0)):
        assert sum(isinstance(m, torch.nn.Linear) for m in net.trunk) == depth


def test_the_discriminator_has_noise_in_training_mode_only() -> None:
    noisy = Discriminator(8, 3, 5, 16, 2, noise=2.0)
    x = torch.randn(4, 8)
    assert not torch.allclose(noisy(x)[0], noisy(x)[0], atol=1e-3)
    noisy.eval()
    assert torch.equal(noisy(x)[0], noisy(x)[0])
    silent = Discriminator(8, 3, 5, 16, 2, noise=0.0)
    assert torch.equal(silent(x)[0], silent(x)[0])


def test_the_discriminator_s_noise_has_the_set_spread() -> None:
    seen: list[torch.Tensor] = []
    net = Discriminator(8, 3, 5, 16, 1, noise=0.7)
    net.trunk.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    x = torch.randn(4000, 8)
    net(x)
    assert (seen[0] - x).std().item() == pytest.approx(0.7, abs=0.02)  # 5 standard errors: 0.014
    assert (seen[0] - x).mean().abs() < 0.02
