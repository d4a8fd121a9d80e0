"""Runs the networks of a bundle: with PyTorch, or with ONNX Runtime alone."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np

from flam_pl.errors import FlamError
from flam_pl.serving.bundle import Bundle

FLOOR = 1e-3  # as retrieval.vectors.FLOOR
RUNTIMES = ("torch", "onnx")


class Runtime(Protocol):
    """The networks, from arrays to arrays. ``networks`` explains the letters of the shapes."""

    @property
    def table(self) -> np.ndarray:
        """The direction of each class, ``(T, most classes, k)``."""
        ...

    def ready(self) -> None:
        """Load now what the first photo would load."""
        ...

    def pixels(self, data: bytes, name: Path) -> np.ndarray:
        """The content of a file as uint8 ``(3, S, S)``. Raises UnreadableImage naming ``name``."""
        ...

    def features(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        """B times ``(3, S, S)`` -> ``(B, D)`` float32."""
        ...

    def read(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``(B, D)`` -> posteriors ``(B, C)``, directions ``(B, T, k)``."""
        ...

    def queries(
        self,
        features: np.ndarray,
        own: np.ndarray,
        wanted: np.ndarray,
        directions: np.ndarray,
        strength: np.ndarray,
    ) -> np.ndarray:
        """Query vectors ``(B, D + C)``; the arguments are those of ``networks.QueryMaker``."""
        ...


def open_runtime(bundle: Bundle, kind: str | None = None, device: str | None = None) -> Runtime:
    """The runtime ``kind``, "torch" or "onnx"; by default PyTorch if it is installed.

    Raises FlamError for another kind, or ONNX without its files, its package or the device.
    """
    kind = kind or ("torch" if find_spec("torch") else "onnx")
    if kind == "torch":
        from flam_pl.serving.torch_runtime import TorchRuntime

        return TorchRuntime(bundle, device)
    if kind != "onnx":
        raise FlamError(f"runtime is {kind!r}; expected one of {', '.join(RUNTIMES)}")
    if not bundle.has_onnx:
        raise FlamError(
            f"{bundle.folder} holds no ONNX files: export it with onnx=true, or install PyTorch"
        )
    if not find_spec("onnxruntime"):
        raise FlamError('this runtime needs ONNX Runtime: pip install "flam-pl[onnx]"')
    from flam_pl.serving.onnx_runtime import OnnxRuntime

    return OnnxRuntime(bundle, device)


def gallery_vectors(features: np.ndarray, posteriors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gallery vectors ``(B, D + C)`` float16 and the lengths of the features ``(B,)``."""
    lengths = np.linalg.norm(features, axis=1)
    heads = features / np.maximum(lengths, 1e-12)[:, None]
    vectors = np.concatenate([heads, np.log(np.maximum(posteriors, FLOOR))], axis=1)
    return vectors.astype(np.float16), lengths
