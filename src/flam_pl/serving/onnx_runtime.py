"""A bundle's networks in ONNX Runtime, without PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image

from flam_pl.errors import FlamError
from flam_pl.images.files import TURNS, WHITE, opened, orientation, over_white
from flam_pl.serving.bundle import REMEDY, Bundle, BundleError

CHUNK = 64  # photos at once
CPU, GPU = "CPUExecutionProvider", "CUDAExecutionProvider"


class OnnxRuntime:
    """A ``Runtime`` on one device: by default a GPU if ONNX Runtime has one."""

    def __init__(self, bundle: Bundle, device: str | None = None) -> None:
        """Raises BundleError for a file that cannot be read, FlamError for a missing device."""
        where = providers(device)
        self.size, self.fit = bundle.contents.preprocess["size"], bundle.contents.preprocess["fit"]
        self.table: np.ndarray = np.load(bundle.folder / "table.npy", allow_pickle=False)
        self.sessions = {
            name: session(bundle.folder / f"{name}.onnx", where)
            for name in ("backbone", "reader", "query")
        }

    def ready(self) -> None:
        """Everything is loaded."""

    def pixels(self, data: bytes, name: Path) -> np.ndarray:
        return opened(data, name, self._square)

    def _square(self, image: Image.Image) -> np.ndarray:
        image.load()
        turn = TURNS.get(orientation(image))
        photo = over_white(image)
        photo = photo.transpose(turn) if turn is not None else photo
        return np.asarray(square(photo, self.size, self.fit)).transpose(2, 0, 1).copy()

    def features(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        parts = [
            self.run("backbone", np.stack(pixels[start : start + CHUNK]))[0]
            for start in range(0, len(pixels), CHUNK)
        ]
        return np.concatenate(parts)

    def read(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        posteriors, directions = self.run("reader", features)
        return posteriors, directions

    def queries(
        self,
        features: np.ndarray,
        own: np.ndarray,
        wanted: np.ndarray,
        directions: np.ndarray,
        strength: np.ndarray,
    ) -> np.ndarray:
        return self.run("query", features, own, wanted, directions, strength)[0]

    def run(self, name: str, *arrays: np.ndarray) -> list[np.ndarray]:
        of = self.sessions[name]
        known = {each.name: each for each in of.get_inputs()}  # an unused input is left out
        order = INPUTS[name]
        feeds = {
            key: array if array.dtype == np.uint8 else array.astype(np.float32, copy=False)
            for key, array in zip(order, arrays, strict=True)
            if key in known
        }
        found: list[np.ndarray] = of.run(None, feeds)
        return found


INPUTS = {
    "backbone": ("pixels",),
    "reader": ("features",),
    "query": ("features", "own", "wanted", "directions", "strength"),
}


def providers(device: str | None) -> list[Any]:
    """ONNX Runtime's execution providers for a device, e.g. "cuda:1"; the CPU is the fallback.

    Raises FlamError for a missing device.
    """
    has_gpu = GPU in onnxruntime.get_available_providers()
    device = device or ("cuda" if has_gpu else "cpu")
    kind, _, number = device.partition(":")
    if kind == "cpu":
        return [CPU]
    if kind != "cuda" or not has_gpu:
        found = "cpu, cuda" if has_gpu else "cpu alone; onnxruntime-gpu has cuda"
        raise FlamError(f"device is {device!r}; this ONNX Runtime has {found}")
    return [(GPU, {"device_id": number or "0"}), CPU]


def session(path: Path, where: list[Any]) -> onnxruntime.InferenceSession:
    try:
        return onnxruntime.InferenceSession(path, providers=where)
    except Exception as error:  # ONNX Runtime raises kinds of its own
        raise BundleError(f"{path} cannot be read by ONNX Runtime ({error}). {REMEDY}") from error


def square(photo: Image.Image, size: int, mode: str) -> Image.Image:
    """``images.pixels.fit`` by Pillow."""
    width, height = photo.size
    if mode == "stretch":
        return photo.resize((size, size), Image.Resampling.BILINEAR)
    if mode == "crop":
        side = min(width, height)
        # rounded as torchvision's center_crop does it
        left, top = round((width - side) / 2), round((height - side) / 2)
        photo = photo.crop((left, top, left + side, top + side))
        return photo.resize((size, size), Image.Resampling.BILINEAR)
    scale = size / max(height, width)
    new = max(1, round(width * scale)), max(1, round(height * scale))
    found = Image.new("RGB", (size, size), (WHITE,) * 3)
    corner = (size - new[0]) // 2, (size - new[1]) // 2
    found.paste(photo.resize(new, Image.Resampling.BILINEAR), corner)
    return found
