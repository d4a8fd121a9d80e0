"""Whitening against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flam_pl.errors import FlamError
from flam_pl.models.backbone import Backbone
from flam_pl.models.whitening import MIN_DEVIATION, Whitening


def sample(seed: int = 0, rows: int = 400, width: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(width, width, generator=generator)
    return torch.randn(rows, width, generator=generator) @ mixing + 5


def test_full_whitening_leaves_uncorrelated_features_of_unit_deviation() -> None:
    x = sample()
    whitening = Whitening(6, 6, 1.0)
    whitening.measure(x)
    y = whitening(x).numpy()
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(np.cov(y.T, bias=True), np.eye(6), atol=1e-3)


@given(st.floats(0, 1), st.integers(1, 6))
def test_each_direction_has_its_deviation_to_one_minus_the_power(
    power: float, dimension: int
) -> None:
    x = sample()
    whitening = Whitening(6, dimension, power)
    whitening.measure(x)
    deviation = np.linalg.svd((x - x.mean(dim=0)).numpy(), compute_uv=False) / len(x) ** 0.5
    got = whitening(x).numpy().std(axis=0)
    np.testing.assert_allclose(got, deviation[:dimension] ** (1 - power), rtol=1e-3)


def test_power_0_only_centres_and_rotates() -> None:
    x = sample()
    whitening = Whitening(6, 6, 0.0)
    whitening.measure(x)
    centred = x - x.mean(dim=0)
    y = whitening(x)
    torch.testing.assert_close(y @ y.T, centred @ centred.T, atol=1e-3, rtol=1e-4)


def test_a_direction_without_variance_is_not_amplified() -> None:
    x = sample()
    x[:, 0] = 1.0
    few = Whitening(6, 6, 1.0)
    few.measure(x)
    moved = x.clone()
    moved[:, 0] += 1.0
    largest = np.linalg.svd((x - x.mean(dim=0)).numpy(), compute_uv=False)[0] / len(x) ** 0.5
    change = (few(moved) - few(x)).norm(dim=1)
    np.testing.assert_allclose(change, 1 / (MIN_DEVIATION * largest), rtol=1e-2)
    few.measure(torch.ones(3, 6))  # nothing varies at all
    assert torch.equal(few(torch.ones(2, 6)), torch.zeros(2, 6))


def test_a_sample_that_defeats_pytorch_s_solver_is_whitened_by_numpy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = sample(rows=3)  # three photos in six dimensions: rank 2
    plain, fallen_back = Whitening(6, 2, 0.5), Whitening(6, 2, 0.5)
    plain.measure(x)

    def fail(_: torch.Tensor) -> None:
        raise torch.linalg.LinAlgError("failed to converge")

    monkeypatch.setattr(torch.linalg, "eigh", fail)
    fallen_back.measure(x)
    assert fallen_back.measured and torch.isfinite(fallen_back.matrix).all()
    expected, got = plain(x), fallen_back(x)
    torch.testing.assert_close(got @ got.T, expected @ expected.T)  # signs may differ


def test_a_backbone_passes_pooled_features_until_the_whitening_is_measured() -> None:
    pixels = torch.randint(256, (4, 3, 64, 64), dtype=torch.uint8)
    net = Backbone("test_resnet", 5, whitening=0.5).eval()
    assert net.whitening is not None and net.present_dimension == net.described_dimension > 5
    pooled = net(pixels)
    assert pooled.shape == (4, net.width)
    net.whitening.measure(pooled.detach())
    assert net.present_dimension == 5 and net(pixels).shape == (4, 5)
    again = Backbone("test_resnet", 5, whitening=0.5).eval()
    again.load_state_dict(net.state_dict())
    torch.testing.assert_close(again(pixels), net(pixels))


def test_more_directions_than_channels_are_refused() -> None:
    with pytest.raises(FlamError, match="backbone.feature_dim is 100000.*the most"):
        Backbone("test_resnet", 100_000, whitening=0.5)
