"""The pooling "levels": statistics of early levels, their whitening, and one pass for all maps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flam_pl.config.loading import load_config
from flam_pl.config.stages import BackboneConfig
from flam_pl.errors import ConfigError, FlamError
from flam_pl.models import backbone
from flam_pl.models.backbone import Backbone
from flam_pl.models.pooling import EarlyLevels
from flam_pl.models.whitening import MIN_DEVIATION, PartsWhitening

MODELS = {
    "resnet10t": 32,
    "tf_efficientnet_lite0": 32,
    "densenet121": 32,
    "inception_resnet_v2": 96,
    "vit_tiny_patch16_224": 32,  # tokens, behind one without a place in the image
    "swin_tiny_patch4_window7_224": 64,  # the last map is NHWC
}
"""Model -> side of the images."""


def of_levels(model: str, dimension: int | None = 6, levels: int = 2, side: int = 32) -> Backbone:
    return Backbone(model, dimension, side, "levels", 0.5, levels=levels).eval()


def pixels(count: int, side: int = 32) -> torch.Tensor:
    return torch.randint(256, (count, 3, side, side), dtype=torch.uint8)


def slow_statistics(maps: np.ndarray, window: float) -> np.ndarray:
    """``(B, C, h, w)`` -> means and deviations of the middle, ``(B, 2 C)``."""
    rows, columns = (slow_window(side, window) for side in maps.shape[2:])
    middle = maps[:, :, rows][:, :, :, columns].astype(np.float64)
    return np.concatenate([middle.mean(axis=(2, 3)), middle.std(axis=(2, 3))], axis=1)


def slow_whitening(sample: np.ndarray, dimension: int, weight: float) -> np.ndarray:
    """``(N, C)`` centred and half whitened, with a root mean square length of weight."""
    centred = sample - sample.mean(axis=0)
    _, values, directions = np.linalg.svd(centred, full_matrices=False)
    deviation = values / len(sample) ** 0.5
    white = centred @ directions.T / np.maximum(deviation, MIN_DEVIATION * deviation[0]) ** 0.5
    white = white[:, :dimension]
    white *= weight / np.sqrt((white**2).sum(axis=1).mean())
    return white


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 9), st.integers(1, 9), st.floats(0.05, 1.0))
def test_the_statistics_are_those_of_a_loop_over_the_window(
    height: int, width: int, window: float
) -> None:
    maps = torch.from_numpy(np.random.default_rng(height * 10 + width).normal(size=(2, 3, 9, 9)))
    maps = maps[:, :, :height, :width].float()
    got = EarlyLevels(window)([maps])
    rows, columns = (slow_window(size, window) for size in (height, width))
    for image in range(2):
        for channel in range(3):
            values = [float(maps[image, channel, i, j]) for i in rows for j in columns]
            mean = sum(values) / len(values)
            deviation = (sum((v - mean) ** 2 for v in values) / len(values)) ** 0.5
            assert got[image, channel] == pytest.approx(mean, abs=1e-5)
            assert got[image, 3 + channel] == pytest.approx(deviation, abs=1e-5)


def slow_window(size: int, window: float) -> list[int]:
    """Positions of the middle; both sides leave out the same number."""
    left_out = 0
    while size - 2 * (left_out + 1) >= max(1, round(window * size)):
        left_out += 1
    return list(range(left_out, size - left_out))


@pytest.mark.parametrize(
    ("side", "window", "left_out"),
    [(112, 0.6, 22), (56, 0.6, 11), (28, 0.6, 5), (14, 0.6, 3), (7, 1.0, 0), (2, 0.1, 0)],
)
def test_the_window_is_in_the_middle(side: int, window: float, left_out: int) -> None:
    maps = torch.arange(side * side).view(1, 1, side, side)
    middle = EarlyLevels(window).middle(maps)
    assert torch.equal(middle, maps[:, :, left_out : side - left_out, left_out : side - left_out])


def test_a_constant_map_has_no_deviation_and_a_gradient_without_nan() -> None:
    maps = torch.full((1, 2, 4, 4), 3.0, requires_grad=True)
    pooled = EarlyLevels(0.6)([maps])
    assert torch.equal(pooled, torch.tensor([[3.0, 3.0, 0.0, 0.0]]))
    pooled.sum().backward()  # type: ignore[no-untyped-call]
    assert maps.grad is not None
    expected = torch.zeros(1, 2, 4, 4)
    expected[:, :, 1:3, 1:3] = 1 / 4  # of the mean alone
    torch.testing.assert_close(maps.grad, expected)


def test_statistics_of_half_precision_maps_are_taken_in_full() -> None:
    """A deviation of 0.1 about 100 is below what bfloat16 can tell."""
    maps = (torch.randn(2, 3, 9, 9) * 50 + 100).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        pooled = EarlyLevels(0.6)([maps])
    assert pooled.dtype == torch.float32
    np.testing.assert_allclose(pooled, slow_statistics(maps.float().numpy(), 0.6), rtol=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_one_pass_gives_the_last_map_s_spoc_as_without_the_levels(model: str) -> None:
    torch.manual_seed(0)
    side = MODELS[model]
    net, images = of_levels(model, levels=3, side=side), pixels(3, side)
    passes = 0

    def count(*_: Any) -> None:
        nonlocal passes
        passes += 1

    with torch.no_grad():
        alone = net.pooling(net.maps(images))
        assert torch.equal(net(images), alone)  # the feature until the whitening is measured
        levels = net.trunk.forward_intermediates(net.images(images), indices=[0, 1, 2])[1]
        first = next(m for m in net.trunk.modules() if isinstance(m, torch.nn.Conv2d))
        first.register_forward_hook(count)
        pooled = net.pooled(images)
    assert passes == 1
    last, early = pooled[:, : net.width], pooled[:, net.width :]
    assert torch.equal(last, alone)
    assert (
        pooled.shape[1] == net.pooled_dimension == net.width + 2 * sum(m.shape[1] for m in levels)
    )
    expected = np.concatenate([slow_statistics(m.numpy(), 0.6) for m in levels], axis=1)
    np.testing.assert_allclose(early, expected, atol=1e-4, rtol=1e-4)
    assert expected.std() > 0


def test_the_stored_feature_is_whitened_part_by_part_and_weighted() -> None:
    rng = np.random.default_rng(0)
    sample = rng.normal(size=(50, 7)) @ np.diag([9, 5, 3, 1, 8, 2, 1e-5]) + 20
    net = PartsWhitening((4, 3), (2, 3), 0.5, (1.0, 0.7))
    assert not net.measured
    net.measure(torch.from_numpy(sample))
    assert net.measured and net.dimension == 5
    got = net(torch.from_numpy(sample).float()).numpy()
    parts = (sample[:, :4], 2, 1.0, got[:, :2]), (sample[:, 4:], 3, 0.7, got[:, 2:])
    for part, dimension, weight, found in parts:
        expected = slow_whitening(part, dimension, weight)
        # the sign of a direction is arbitrary, so inner products are compared
        np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-3)
        assert (found**2).sum(axis=1).mean() ** 0.5 == pytest.approx(weight, abs=1e-4)


def test_the_cosine_is_the_weighted_mean_of_the_parts() -> None:
    """A weight of 0.7 gives 0.49 of the squared length beside 1; a weight of 0 gives none."""
    sample = torch.randn(60, 7)
    alone = PartsWhitening((4, 3), (4, 3), 0.5, (1.0, 0.0))
    both = PartsWhitening((4, 3), (4, 3), 0.5, (1.0, 0.7))
    for net in (alone, both):
        net.measure(sample)
    first, all_of_it = alone(sample), both(sample)
    assert torch.equal(first[:, 4:], torch.zeros(60, 3))
    assert torch.equal(first[:, :4], all_of_it[:, :4])
    assert float(all_of_it.pow(2).sum(dim=1).mean()) == pytest.approx(1.49, abs=1e-4)


def test_a_part_that_is_constant_in_training_is_not_amplified() -> None:
    sample = torch.randn(60, 7)
    sample[:, 4:] = 2.0
    net = PartsWhitening((4, 3), (4, 3), 0.5, (1.0, 0.7))
    net.measure(sample)
    assert torch.equal(net(sample)[:, 4:], torch.zeros(60, 3))
    sample[:, 4:] += 1
    assert float(net(sample).abs().max()) < 10


@pytest.mark.parametrize("dimension", [6, None])
def test_dimensions_are_right_before_and_after_measuring(dimension: int | None) -> None:
    net, images = of_levels("resnet10t", dimension), pixels(20)
    early = net.pooled_dimension - net.width
    assert net.whitening is not None and net.dimension == (dimension or net.width) + early
    with torch.no_grad():
        features, described = net.describe(images)
        assert features.shape[1] == net.present_dimension == net.width
        assert described.shape[1] == net.described_dimension == net.width
        net.whitening.measure(net.pooled(images))
        features = net(images)
    assert features.shape[1] == net.present_dimension == net.dimension
    again = Backbone(**settings_of(dimension).network(), image_size=32).eval()
    again.load_state_dict(net.state_dict())
    with torch.no_grad():
        assert not again.unmeasured and torch.equal(again(images), features)


def settings_of(dimension: int | None) -> BackboneConfig:
    return BackboneConfig(
        "resnet10t", feature_dim=dimension, pooling="levels", whitening=0.5, levels=2
    )


def test_features_stay_within_half_precision() -> None:
    """Also for photos unlike the training photos, and for a network with large activations."""
    net = of_levels("resnet10t")
    with torch.no_grad():
        net.trunk.conv1[0].weight.mul_(1e4)
        assert net.whitening is not None
        gray = torch.randint(120, 136, (40, 3, 32, 32), dtype=torch.uint8)
        net.whitening.measure(net.pooled(gray))
        features = net(torch.cat([gray, pixels(20), torch.zeros_like(gray[:1])]))
        half = features.half().float()
    assert torch.isfinite(half).all() and 0.1 < float(features.abs().max()) < 6e4
    assert float(torch.cosine_similarity(half, features, dim=1).min()) > 0.9999


def test_features_of_a_half_precision_network_are_pooled_and_whitened_in_float() -> None:
    torch.manual_seed(0)
    net, images = of_levels("resnet10t"), pixels(20, 96)  # a last map of 3 x 3
    with torch.no_grad():
        whole = net.pooled(images)
        assert net.whitening is not None
        net.whitening.measure(whole)
        with torch.autocast("cpu", torch.bfloat16):
            pooled, features = net.pooled(images), net(images)
    assert pooled.dtype == features.dtype == torch.float32
    for part in pooled[:, : net.width], pooled[:, net.width :]:
        assert not torch.equal(part, part.bfloat16().float())
    torch.testing.assert_close(features, net.whitening(pooled))
    assert float((pooled - whole).norm() / whole.norm()) < 0.02


def test_spoc_adds_no_weights() -> None:
    names = set(Backbone("resnet10t", 8, 32).state_dict())
    trunk = timm.create_model("resnet10t", num_classes=0, global_pool="").state_dict()
    assert names == {"mean", "std", "projection.weight", *(f"trunk.{name}" for name in trunk)}
    assert "levels" not in BackboneConfig("resnet10t").network()
    whitened = set(Backbone("resnet10t", 8, 32, "spoc", 0.5).state_dict()) - names
    assert whitened == {f"projection.{name}" for name in ("mean", "matrix", "measured")}


def test_settings_that_do_not_fit_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        FlamError, match=r"backbone\.levels is 5, but timm gives 5 feature levels of resnet10t"
    ):
        of_levels("resnet10t", levels=5)
    with pytest.raises(FlamError, match=r"backbone\.feature_dim is 10000, but resnet10t has 512"):
        of_levels("resnet10t", 10_000)
    with pytest.raises(ConfigError, match=r"pooling=levels needs backbone\.whitening"):
        Backbone("resnet10t", 6, 32, "levels")
    for name, value in (
        ("whitening", "null"),
        ("levels_window", "0"),
        ("levels_window", "1.5"),
        ("levels_weight", "-1"),
        ("levels", "0"),
    ):
        with pytest.raises(ConfigError, match=rf"backbone\.{name}"):
            load_config([f"backbone.{name}={value}"])
    made = timm.create_model("resnet10t", num_classes=0, global_pool="")
    made.feature_info = []
    monkeypatch.setattr(backbone, "create_trunk", lambda *_: made)
    with pytest.raises(FlamError, match=r"timm gives 0 feature levels of resnet10t.*pooling=spoc"):
        of_levels("resnet10t")


@pytest.mark.parametrize(
    ("data", "side", "pooled"), [("wardrobe", 112, 1440), ("fashion_products", 224, 1440)]
)
def test_both_data_sets_store_512_directions_beside_160(data: str, side: int, pooled: int) -> None:
    chosen = load_config([f"data={data}"]).backbone
    net = Backbone(**chosen.network(), image_size=chosen.image_size)
    assert (chosen.image_size, net.pooled_dimension, net.dimension) == (side, pooled, 512 + 160)
    assert isinstance(net.whitening, PartsWhitening) and net.whitening.weights == [1.0, 0.7]
    other = Backbone(**replace(chosen, levels_weight=0.3).network())
    assert isinstance(other.whitening, PartsWhitening) and other.whitening.weights == [1.0, 0.3]


def test_the_choice_without_levels_is_that_of_the_paper() -> None:
    for name, frozen in (("imagenet_frozen", True), ("imagenet_tuned", False)):
        spoc = load_config([f"backbone={name}_spoc"]).backbone
        assert spoc.pooling == "spoc"
        assert (spoc.feature_dim, spoc.whitening) == ((512, 0.5) if frozen else (None, None))
        chosen = replace(spoc, pooling="levels", feature_dim=512, whitening=0.5)
        assert spoc.frozen_levels == 0
        chosen.frozen_levels = 0 if frozen else 2  # what trains in stage 1
        assert load_config([f"backbone={name}"]).backbone == chosen
    for name in ("resnet50", "resnet50_cgd", "scratch"):
        assert load_config([f"backbone={name}"]).backbone.pooling != "levels"
