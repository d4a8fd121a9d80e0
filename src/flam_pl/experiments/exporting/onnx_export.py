"""ONNX files of a bundle."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from flam_pl.errors import FlamError
from flam_pl.models.backbone import Backbone
from flam_pl.models.whitening import Whitening
from flam_pl.serving.bundle import Bundle
from flam_pl.serving.torch_runtime import TorchRuntime

BATCHES = (1, 7, 64)  # at which the files are compared with PyTorch
TOLERANCE = 1e-4
OPSET = 18


def onnx_files(bundle: Bundle, log: Callable[[str], None]) -> dict[str, bytes]:
    """The content of each ONNX file, and of ``table.npy``.

    Raises:
        FlamError: a package is missing, or no exporter makes a file that agrees with PyTorch.
    """
    if missing := [name for name in ("onnx", "onnxscript", "onnxruntime") if not find_spec(name)]:
        raise FlamError(f'onnx=true needs {", ".join(missing)}: pip install "flam-pl[onnx]"')
    runtime = TorchRuntime(bundle, "cpu")
    backbone, networks = runtime.backbone, runtime.networks
    size, types = bundle.contents.preprocess["size"], len(bundle.schema.types)
    table, drawn = networks.query.editor.table(), torch.Generator().manual_seed(0)

    def pixels(batch: int) -> list[Tensor]:
        shape = batch, 3, size, size
        return [torch.randint(0, 256, shape, generator=drawn, dtype=torch.uint8)]

    def features(batch: int) -> list[Tensor]:
        with torch.inference_mode():
            return [backbone(pixels(batch)[0]).clone()]

    def searches(batch: int) -> list[Tensor]:
        x = features(batch)[0]
        own, directions = (of.clone() for of in networks.reader(x))
        strength = torch.rand(batch, types, generator=drawn)
        strength[strength < 0.4] = 0
        strength[strength > 0.7] = 1
        return [x, own, own.flip(1), directions, strength]

    given = ["features", "own", "wanted", "directions", "strength"]
    parts: list[tuple[str, nn.Module, Any, list[str], list[str]]] = [
        ("backbone.onnx", backbone, pixels, ["pixels"], ["features"]),
        ("reader.onnx", networks.reader, features, ["features"], ["posteriors", "directions"]),
        ("query.onnx", networks.query, searches, given, ["vectors"]),
    ]
    found: dict[str, bytes] = {}
    with torch.inference_mode(False), torch.no_grad(), constant_whitening(backbone):
        for name, net, inputs, names, outputs in parts:
            found[name] = exported(name, net, inputs, names, outputs, log)
    file = io.BytesIO()
    np.save(file, table.numpy())
    return found | {"table.npy": file.getvalue()}


def exported(
    name: str,
    net: nn.Module,
    inputs: Callable[[int], list[Tensor]],
    names: Sequence[str],
    outputs: Sequence[str],
    log: Callable[[str], None],
) -> bytes:
    """The ONNX file of one network, by the first of two exporters that agrees with PyTorch.

    An exporter may freeze the batch size, so all of ``BATCHES`` are compared.
    """
    checks = [inputs(batch) for batch in BATCHES]
    faults = []
    for dynamo in (True, False):
        try:
            data = write(net, inputs(2), names, outputs, dynamo)
            difference = np.max([compare(data, net, names, each) for each in checks])
        except Exception as error:  # exporter and ONNX Runtime raise kinds of their own
            faults.append(f"{type(error).__name__}: {str(error).partition(chr(10))[0][:200]}")
            continue
        if difference <= TOLERANCE:
            exporter = "" if dynamo else ", by the older exporter"
            log(f"{name}: {len(data) / 1e6:.1f} MB, within {difference:.1e} of PyTorch{exporter}")
            return data
        faults.append(f"it differs from PyTorch by {difference:.1e}")
    raise FlamError(f"{name} cannot be written: {'; '.join(faults)}. Export with onnx=false")


def write(
    net: nn.Module,
    example: Sequence[Tensor],
    names: Sequence[str],
    outputs: Sequence[str],
    dynamo: bool,
) -> bytes:
    how: dict[str, Any] = {"input_names": list(names), "output_names": list(outputs)}
    if dynamo:
        batch = torch.export.Dim("batch", min=1, max=4096)
        how |= {"dynamic_shapes": tuple({0: batch} for _ in names), "external_data": False}
    else:
        how["dynamic_axes"] = {name: {0: "batch"} for name in (*names, *outputs)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.onnx")
        how |= {"dynamo": dynamo, "opset_version": OPSET, "verbose": False}
        torch.onnx.export(net, tuple(example), path, **how)
        return path.read_bytes()


def compare(data: bytes, net: nn.Module, names: Sequence[str], arrays: Sequence[Tensor]) -> float:
    """The largest difference to PyTorch, relative to the largest value if that is above 1.

    Not finite for another shape, nan or infinity.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    feeds = {name: each.numpy() for name, each in zip(names, arrays, strict=True)}
    expected = net(*arrays)
    expected = expected if isinstance(expected, tuple) else (expected,)
    pairs = [(a, b.numpy()) for a, b in zip(session.run(None, feeds), expected, strict=True)]
    if any(a.shape != b.shape for a, b in pairs):  # a frozen batch size
        return float("inf")
    shares = [np.abs(a - b).max() / max(1, np.abs(b).max()) for a, b in pairs]
    return float(np.max(shares))  # unlike max, it does not pass over nan


@contextmanager
def constant_whitening(backbone: Backbone) -> Iterator[None]:
    """Turn ``Whitening.measured``, a buffer that no exporter can follow, into a constant."""
    parts = [module for module in backbone.modules() if isinstance(module, Whitening)]
    buffers = [module._buffers.pop("measured") for module in parts]
    for module, buffer in zip(parts, buffers, strict=True):
        module.__dict__["measured"] = bool(buffer)
    try:
        yield
    finally:
        for module, buffer in zip(parts, buffers, strict=True):
            del module.__dict__["measured"]
            module.register_buffer("measured", buffer)
