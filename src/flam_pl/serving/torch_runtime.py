"""A bundle's networks in PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from flam_pl.serving.bundle import REMEDY, Bundle, BundleError, weights_of
from flam_pl.serving.networks import BACKBONE, build, build_backbone

if TYPE_CHECKING:
    from flam_pl.models.backbone import Backbone

CHUNK = 64  # photos at once
SMALL = 32  # features at once; see ``few_threads``


class TorchRuntime:
    """A ``Runtime`` on one device: by default a GPU if there is one.

    The first photo loads the backbone: a search from a gallery item needs none.
    """

    def __init__(self, bundle: Bundle, device: str | None = None) -> None:
        """Raises BundleError for weights that do not fit the bundle's configuration."""
        found = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(device or found)
        self.bundle = bundle
        self.networks, parts = build(vars(bundle.contents), bundle.schema)
        for name, part in parts.items():
            self.fill(part, name)
        self.networks.to(self.device).eval().requires_grad_(False)

    def fill(self, net: nn.Module, name: str) -> None:
        """Load the weights of one network. Raises BundleError."""
        path = self.bundle.folder / weights_of(name)
        try:
            net.load_state_dict(load_file(path))
        except Exception as error:  # safetensors and torch raise kinds of their own
            raise BundleError(
                f"{path} does not fit {self.bundle.name} ({error}). {REMEDY}"
            ) from error

    @cached_property
    @torch.inference_mode(False)
    def backbone(self) -> Backbone:
        net = build_backbone(vars(self.bundle.contents))
        self.fill(net, BACKBONE)
        return net.to(self.device).eval().requires_grad_(False)

    def ready(self) -> None:
        import flam_pl.images.pixels  # noqa: F401

        _ = self.backbone

    @cached_property
    def table(self) -> np.ndarray:
        return self.networks.query.editor.table().cpu().numpy()

    def pixels(self, data: bytes, name: Path) -> np.ndarray:
        from flam_pl.images.pixels import Preprocess, decode  # torchvision takes 1 s to import

        return Preprocess(**self.bundle.contents.preprocess)(decode(data, name)).numpy()

    @torch.inference_mode()
    def features(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        found = [
            self.backbone(self.tensor(np.stack(pixels[start : start + CHUNK])))
            for start in range(0, len(pixels), CHUNK)
        ]
        return torch.cat(found).float().cpu().numpy()

    @torch.inference_mode()
    def read(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with few_threads(len(features)):
            posteriors, directions = self.networks.reader(self.tensor(features))
        return posteriors.cpu().numpy(), directions.cpu().numpy()

    @torch.inference_mode()
    def queries(self, *arrays: np.ndarray) -> np.ndarray:
        with few_threads(len(arrays[0])):
            found: np.ndarray = self.networks.query(*map(self.tensor, arrays)).cpu().numpy()
        return found

    def tensor(self, array: np.ndarray) -> Tensor:
        array = array if array.dtype == np.uint8 else array.astype(np.float32, copy=False)
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)


@contextmanager
def few_threads(batch: int) -> Iterator[None]:
    """One thread for a small batch.

    In a search on two cores, one thread takes 7 ms in the median and 9 at p95; all threads take 8
    and 95, because they wait for each other.
    """
    threads = torch.get_num_threads()
    if batch > SMALL:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
