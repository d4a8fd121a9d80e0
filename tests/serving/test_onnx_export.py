"""Every ONNX file is compared with PyTorch before it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_bundle import made_bundle
from torch import Tensor, nn

from flam_pl.errors import FlamError
from flam_pl.experiments.exporting import onnx_export
from flam_pl.experiments.exporting.onnx_export import constant_whitening, exported, onnx_files
from flam_pl.models.backbone import Backbone

onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")

real_write = onnx_export.write


def net(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)).eval().requires_grad_(False)


def drawn(batch: int) -> list[Tensor]:
    return [torch.randn(batch, 3, generator=torch.Generator().manual_seed(batch))]


def file_of(of: nn.Module, inputs: Any = drawn) -> tuple[bytes, list[str]]:
    lines: list[str] = []
    return exported("query.onnx", of, inputs, ["features"], ["vectors"], lines.append), lines


def require_same(data: bytes, of: nn.Module) -> None:
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    for batch in (1, 3):
        (got,) = session.run(None, {"features": drawn(batch)[0].numpy()})
        np.testing.assert_allclose(got, of(*drawn(batch)).numpy(), atol=1e-6)


def test_the_new_exporter_is_used_where_its_file_agrees() -> None:
    data, lines = file_of(net())
    require_same(data, net())
    assert len(lines) == 1 and lines[0].startswith("query.onnx: 0.0 MB, within ")
    assert "older" not in lines[0]


def frozen(*args: Any) -> bytes:
    """The new exporter freezes a batch of 1."""
    of, _, names, _, dynamo = args
    if not dynamo:
        return real_write(*args)
    program = torch.onnx.export(of, tuple(drawn(1)), input_names=names, dynamo=True, verbose=False)
    assert program is not None
    found: bytes = program.model_proto.SerializeToString()
    return found


def failing(*args: Any) -> bytes:
    if args[-1]:
        raise AssertionError  # without a message
    return real_write(*args)


@pytest.mark.parametrize("fault", [frozen, failing])
def test_the_older_exporter_takes_over(fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_export, "write", fault)
    data, lines = file_of(net())
    require_same(data, net())
    assert lines[0].endswith("by the older exporter")


def test_a_file_that_differs_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    other = net(1)
    monkeypatch.setattr(onnx_export, "write", lambda _, *rest: real_write(other, *rest))
    difference = max(float((net()(*drawn(b)) - other(*drawn(b))).abs().max()) for b in (1, 7, 64))
    with pytest.raises(FlamError, match="query.onnx cannot be written") as raised:
        file_of(net())
    assert str(raised.value).count(f"{difference:.1e}") == 2  # once per exporter


def test_nan_is_refused_at_every_batch() -> None:
    def inputs(batch: int) -> list[Tensor]:
        return [drawn(batch)[0] / (batch != 64)]

    with pytest.raises(FlamError, match="differs from PyTorch by nan"):
        file_of(net(), inputs)


class Constant(nn.Module):
    """One row of zeros, whatever the batch."""

    def forward(self, features: Tensor) -> Tensor:
        return 0 * features[:1]


class Zeros(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        return 0 * features


def test_a_file_with_other_shapes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_export, "write", lambda _, *rest: real_write(Constant().eval(), *rest))
    with pytest.raises(FlamError, match="differs from PyTorch by inf"):
        file_of(Zeros().eval())


@pytest.mark.parametrize("pooling", ["spoc", "levels"])
@pytest.mark.parametrize("measured", [True, False])
def test_a_whitening_is_exported_as_it_is(pooling: str, measured: bool) -> None:
    torch.manual_seed(0)
    shape = {"levels": 2} if pooling == "levels" else {}
    made = Backbone("test_resnet", 16, 32, pooling, whitening=0.5, **shape)  # type: ignore[arg-type]
    made.eval().requires_grad_(False)

    def pixels(batch: int) -> list[Tensor]:
        return [torch.randint(0, 256, (batch, 3, 32, 32), dtype=torch.uint8)]

    if measured:
        made.whitening.measure(made.pooled(*pixels(80)))  # type: ignore[union-attr]
    before, photos = {n: t.clone() for n, t in made.state_dict().items()}, pixels(3)
    expected = made(*photos)
    with constant_whitening(made):
        data = exported("backbone.onnx", made, pixels, ["pixels"], ["features"], lambda text: None)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {"pixels": photos[0].numpy()})
    np.testing.assert_allclose(got, expected.numpy(), atol=1e-4)
    after = made.state_dict()
    assert before.keys() == after.keys() and made.unmeasured == (not measured)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = made_bundle(tmp_path / "bundle")
    monkeypatch.setattr(onnx_export, "find_spec", lambda name: name == "onnx" or None)
    with pytest.raises(FlamError, match=r"onnxscript, onnxruntime: pip install"):
        onnx_files(bundle, lambda text: None)
