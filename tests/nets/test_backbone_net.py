"""The image network on tiny models of timm: shapes, pixel scale, and where weights come from."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch

from flam_pl.errors import FlamError
from flam_pl.nets.backbone import Backbone, as_maps, load_weights
from flam_pl.nets.pooling import SPoC

MODEL = "test_resnet"
"""A model of timm with 0.4 million parameters, made for tests."""


def pixels(side: int = 32) -> torch.Tensor:
    return torch.randint(256, (2, 3, side, side), dtype=torch.uint8)


@pytest.mark.parametrize(
    ("model", "side"),
    [
        ("resnet10t", 32),
        ("test_mambaout", 64),  # maps with the channels last
        ("test_vit", 160),  # tokens
    ],
)
@pytest.mark.parametrize("feature_dim", [7, None])
def test_every_kind_of_trunk_gives_one_vector_an_image(
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


def test_as_maps_keeps_every_vector_of_every_layout() -> None:
    maps = torch.randn(2, 5, 3, 4)
    channels_last = as_maps(maps.permute(0, 2, 3, 1), 5)
    tokens = as_maps(maps.flatten(2).transpose(1, 2), 5)
    assert torch.equal(as_maps(maps, 5), maps) and torch.equal(channels_last, maps)
    expected = maps.mean(dim=(2, 3))
    torch.testing.assert_close(SPoC()(tokens), expected)
    assert expected.abs().min() > 1e-4


def test_an_output_that_is_no_map_is_refused_with_its_shape() -> None:
    with pytest.raises(FlamError, match=r"\(2, 9\).*8 channels"):
        as_maps(torch.zeros(2, 9), 8)


def test_an_unknown_model_is_refused_with_similar_names() -> None:
    with pytest.raises(FlamError, match=r"no 'resnet_5000'; similar names: .*resnet"):
        Backbone("resnet_5000", 8)
    with pytest.raises(FlamError, match="none similar"):
        Backbone("qqqq", 8)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_local_file_fills_the_trunk_and_leaves_its_head_behind(
    wrapped: bool, tmp_path: Path
) -> None:
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
    with pytest.raises(FlamError, match=r"does not fit the model: it lacks .* missing"):
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


def test_weights_that_need_the_network_fail_at_once_and_say_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    net = Backbone(MODEL, 5)
    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(FlamError, match=r"could not be downloaded.*backbone\.weights=/path"):
        load_weights(net, MODEL, "timm")
