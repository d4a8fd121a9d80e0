"""The backbone on tiny timm models: shapes, pixel normalization, poolings and weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from flam_pl.errors import FlamError
from flam_pl.models.backbone import Backbone, as_maps, load_weights
from flam_pl.models.pooling import CGD, SPoC

MODEL = "test_resnet"
"""A timm model made for tests, with 0.4 million parameters."""


def pixels(side: int = 32) -> torch.Tensor:
    return torch.randint(256, (2, 3, side, side), dtype=torch.uint8)


@pytest.mark.parametrize(
    ("model", "side"),
    [
        ("resnet10t", 32),
        ("test_mambaout", 64),  # NHWC maps
        ("test_vit", 160),  # tokens
    ],
)
@pytest.mark.parametrize("feature_dim", [7, None])
def test_every_kind_of_model_gives_one_vector_per_image(
    model: str, side: int, feature_dim: int | None
) -> None:
    net = Backbone(model, feature_dim).eval()
    with torch.inference_mode():
        features = net(pixels(side))
    assert features.shape == (2, net.dimension)
    assert net.dimension == (feature_dim or net.trunk.num_features)
    assert torch.isfinite(features).all() and not torch.allclose(features[0], features[1])


def test_features_are_the_projected_mean_of_the_normalised_images_maps() -> None:
    net = Backbone(MODEL, 5).eval()
    x = pixels(64)
    mean = torch.tensor(net.trunk.pretrained_cfg["mean"])[:, None, None]
    std = torch.tensor(net.trunk.pretrained_cfg["std"])[:, None, None]
    with torch.inference_mode():
        maps = net.trunk.forward_features((x.float() / 255 - mean) / std)
        expected = maps.flatten(2).mean(dim=2) @ net.projection.weight.T
        assert maps.shape[2:] == (2, 2)
        torch.testing.assert_close(net(x), expected)


@pytest.mark.parametrize("pooling", ["mac", "gem"])
@pytest.mark.parametrize("feature_dim", [5, None])
def test_a_plain_pooling_stands_between_maps_and_projection(
    pooling: str, feature_dim: int | None
) -> None:
    net = Backbone(MODEL, feature_dim, pooling=pooling).eval()
    x = pixels(64)
    with torch.inference_mode():
        features, described = net.describe(x)
        torch.testing.assert_close(features, net.projection(net.pooling(net.maps(x))))
        assert described is features and torch.equal(net(x), features)
    assert features.shape == (2, net.dimension) and net.described_dimension == net.dimension
    assert (features - Backbone(MODEL, feature_dim).eval()(x)).abs().max() > 1e-3


def test_a_cgd_gives_its_combination_and_its_first_descriptor() -> None:
    net = Backbone(MODEL, 6, pooling="cgd-MSG").eval()
    x = pixels(64)
    with torch.inference_mode():
        features, described = net.describe(x)
        maps = net.maps(x)
    assert isinstance(net.pooling, CGD) and features.shape == (2, 6)
    torch.testing.assert_close(features, net.pooling(maps)[0])
    torch.testing.assert_close(described, maps.amax(dim=(2, 3)))
    assert described.shape == (2, net.described_dimension)
    with pytest.raises(FlamError, match=r"backbone\.feature_dim is None"):
        Backbone(MODEL, None, pooling="cgd-MSG")


def test_spoc_adds_nothing_to_a_checkpoint() -> None:
    """Older checkpoints, which know no other pooling, must open."""
    trunk = {f"trunk.{name}" for name in timm.create_model(MODEL, num_classes=0).state_dict()}
    assert set(Backbone(MODEL, 5).state_dict()) == trunk | {"projection.weight", "mean", "std"}


@pytest.mark.parametrize(
    ("model", "side", "mean"),
    [
        ("resnet50", 32, 0.485),
        ("seresnet50", 32, 0.485),
        ("seresnext50_32x4d", 32, 0.485),
        ("inception_resnet_v2", 96, 0.5),
        ("densenet121", 32, 0.485),
    ],
)
def test_the_networks_of_table_5_have_their_own_normalization(
    model: str, side: int, mean: float
) -> None:
    net = Backbone(model, 8, side).eval()
    with torch.inference_mode():
        features = net(pixels(side))
    assert features.shape == (2, 8) and torch.isfinite(features).all()
    assert float(net.mean[0]) == pytest.approx(mean)


def test_as_maps_reads_every_layout() -> None:
    maps = torch.randn(2, 5, 3, 4)
    channels_last = as_maps(maps.permute(0, 2, 3, 1), 5)
    tokens = as_maps(maps.flatten(2).transpose(1, 2), 5)
    assert torch.equal(as_maps(maps, 5), maps) and torch.equal(channels_last, maps)
    expected = maps.mean(dim=(2, 3))
    torch.testing.assert_close(SPoC()(tokens), expected)
    assert expected.abs().min() > 1e-4


def test_an_output_that_is_not_a_map_is_refused_with_its_shape() -> None:
    with pytest.raises(FlamError, match=r"\(2, 9\).*8 channels"):
        as_maps(torch.zeros(2, 9), 8)


def test_an_unknown_model_is_refused_with_similar_names() -> None:
    with pytest.raises(FlamError, match=r"no 'resnet_5000'; similar names: .*resnet"):
        Backbone("resnet_5000", 8)
    with pytest.raises(FlamError, match="none similar"):
        Backbone("qqqq", 8)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_local_file_fills_the_trunk_without_its_head(wrapped: bool, tmp_path: Path) -> None:
    source = timm.create_model(MODEL, num_classes=10)
    state = source.state_dict()
    file = tmp_path / "weights.pt"
    torch.save({"state_dict": state} if wrapped else state, file)
    net = Backbone(MODEL, 5)
    before = {name: v.clone() for name, v in net.trunk.state_dict().items()}
    projection = net.projection.weight.clone()
    load_weights(net, MODEL, str(file))
    after = net.trunk.state_dict()
    assert all(torch.equal(after[name], state[name]) for name in after)
    assert any(not torch.equal(after[name], before[name]) for name in after)
    assert torch.equal(net.projection.weight, projection)


def test_none_leaves_the_random_weights() -> None:
    net = Backbone(MODEL, 5)
    before = {name: v.clone() for name, v in net.state_dict().items()}
    load_weights(net, MODEL, "none")
    assert all(torch.equal(v, before[name]) for name, v in net.state_dict().items())


def test_weights_of_another_model_are_refused_and_nothing_is_changed(tmp_path: Path) -> None:
    file = tmp_path / "other.pt"
    torch.save(timm.create_model("test_efficientnet").state_dict(), file)
    net = Backbone(MODEL, 5)
    before = {name: v.clone() for name, v in net.state_dict().items()}
    with pytest.raises(
        FlamError, match=r"does not fit test_resnet: for .* it has nothing.*missing"
    ):
        load_weights(net, MODEL, str(file))
    assert all(torch.equal(v, before[name]) for name, v in net.state_dict().items())


def test_a_tensor_of_another_shape_is_named_with_both_shapes(tmp_path: Path) -> None:
    net = Backbone(MODEL, 5)
    state = net.trunk.state_dict()
    name, tensor = next((n, v) for n, v in state.items() if v.ndim == 4)
    state[name] = torch.zeros(tensor.shape[0] + 1, *tensor.shape[1:])
    file = tmp_path / "wrong.pt"
    torch.save(state, file)
    with pytest.raises(FlamError) as error:
        load_weights(net, MODEL, str(file))
    for part in (name, str(tuple(tensor.shape)), str(tuple(state[name].shape)), "1 of another"):
        assert part in str(error.value)


def test_a_path_that_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FlamError, match="is not a file"):
        load_weights(Backbone(MODEL, 5), MODEL, str(tmp_path / "nowhere.pt"))


@pytest.mark.parametrize("content", [b"not weights", b""])
def test_a_file_that_holds_no_weights_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    file.write_bytes(content)
    with pytest.raises(FlamError, match="cannot be opened as weights"):
        load_weights(Backbone(MODEL, 5), MODEL, str(file))


@pytest.mark.parametrize("saved", [[1, 2, 3], torch.zeros(3)])
def test_a_file_that_holds_something_else_than_a_state_dict_is_refused(
    saved: object, tmp_path: Path
) -> None:
    file = tmp_path / "weights.pt"
    torch.save(saved, file)
    with pytest.raises(FlamError, match=r"backbone\.weights"):
        load_weights(Backbone(MODEL, 5), MODEL, str(file))


def test_weights_without_a_network_fail_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    net = Backbone(MODEL, 5)
    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(FlamError, match=r"could not be downloaded.*backbone\.weights=/path"):
        load_weights(net, MODEL, "timm")


def test_timm_s_weights_of_a_transformer_fit_another_size_of_image(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """timm resamples the positions. A file takes the place of the download."""
    made_for_160, real = timm.create_model("test_vit"), timm.create_model
    file = tmp_path / "weights.pt"
    torch.save(made_for_160.state_dict(), file)

    def from_file(*arguments: Any, **options: Any) -> Any:
        return real(*arguments, **options, pretrained_cfg_overlay={"file": str(file)})

    net = Backbone("test_vit", 5, image_size=64)
    monkeypatch.setattr(timm, "create_model", from_file)
    load_weights(net, "test_vit", "timm")
    assert torch.equal(net.trunk.patch_embed.proj.weight, made_for_160.patch_embed.proj.weight)
    assert net.trunk.pos_embed.shape[1] == 1 + 16 < made_for_160.pos_embed.shape[1]
    assert net(pixels(64)).shape == (2, 5)


@pytest.mark.parametrize(
    ("model", "size", "words"),
    [
        ("efficientvit_b0", 64, "timm cannot build efficientvit_b0 without its pooling"),
        ("coat_tiny", 64, "timm cannot build coat_tiny without its pooling"),
        ("efficientvim_m1", 64, "without its pooling and its head, efficientvim_m1 gives no"),
        ("test_vit", 100, "test_vit gives no feature map of 100 x 100 pixels"),
        ("resnet10t.none_such", 32, "timm cannot build resnet10t.none_such"),
        ("ResNet10t ", 32, "timm has no 'ResNet10t '; similar names: .*resnet10t"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused_at_once(model: str, size: int, words: str) -> None:
    with pytest.raises(FlamError, match=f"backbone.model: .*{words}"):
        Backbone(model, 8, size)


def test_the_trial_of_a_model_changes_nothing() -> None:
    nets, draws = [], []
    for size in (None, 32):
        torch.manual_seed(0)
        nets.append(Backbone(MODEL, 8, size))
        draws.append(torch.rand(3))
    torch.testing.assert_close(draws[0], draws[1], rtol=0, atol=0)
    states = [net.state_dict() for net in nets]
    torch.testing.assert_close(states[0], states[1], rtol=0, atol=0)
    assert all(module.training for module in nets[1].modules())
