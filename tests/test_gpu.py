"""The tiny run on a CUDA device against the same run on the CPU: ``make check-gpu``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from flam_pl.__main__ import main
from flam_pl.galleries.exact import ExactGallery
from flam_pl.galleries.faiss import FaissGallery
from tiny_run import settings

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

# An untrained backbone has the same weights on every device.
FROZEN = ("backbone.max_epochs=0", "backbone.dtype=float32", "logger.wandb=off")
BOUNDS = {"32-true": 1e-3, "bf16-mixed": 5e-2}  # largest difference of two cosines of features


def run(folder: Path, name: str, *more: str) -> Path:
    assert main(["train-flam", *settings(folder, (*FROZEN, *more)), f"run={name}"]) == 0
    return folder / "runs" / name


def cosines(run: Path) -> np.ndarray:
    """Of all pairs of photos, ``(N, N)``."""
    features = np.load(run / "features" / "features.npy").astype(np.float64)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    return unit @ unit.T


def metrics(run: Path) -> dict[str, dict[str, dict[str, dict[str, dict[str, float]]]]]:
    found: dict[str, dict[str, dict[str, dict[str, dict[str, float]]]]] = json.loads(
        (run / "report" / "metrics.json").read_text()
    )
    return found


@pytest.mark.parametrize("precision", sorted(BOUNDS))
def test_features_and_figures_are_those_of_the_cpu(tmp_path: Path, precision: str) -> None:
    methods = "methods=[cls_concat,flam_plus]"
    on_cpu = run(tmp_path, "cpu", "trainer.accelerator=cpu", methods)
    device = ("trainer.accelerator=gpu", "trainer.devices=1", f"trainer.precision={precision}")
    on_gpu = run(tmp_path, "gpu", *device, methods)
    bound = BOUNDS[precision]
    np.testing.assert_allclose(cosines(on_gpu), cosines(on_cpu), atol=bound)
    cpu, gpu = metrics(on_cpu), metrics(on_gpu)
    for name, of in cpu["edits"]["no_edit"]["all"].items():  # nothing of it is trained
        assert gpu["edits"]["no_edit"]["all"][name]["value"] == pytest.approx(
            of["value"], abs=bound
        )
    assert gpu["edits"].keys() == cpu["edits"].keys()


def test_a_trained_backbone_learns_the_items_as_on_the_cpu(tmp_path: Path) -> None:
    trained = ("backbone.max_epochs=4",)
    on_cpu = run(tmp_path, "cpu", "trainer.accelerator=cpu", "methods=[]", *trained)
    on_gpu = run(tmp_path, "gpu", "trainer.accelerator=gpu", "methods=[]", *trained)
    cpu, gpu = (metrics(of)["instance"]["R@10"] for of in (on_cpu, on_gpu))  # type: ignore[index]
    assert abs(gpu["value"] - cpu["value"]) < 0.2  # the random crops differ


def test_the_gallery_on_the_gpu_finds_what_the_exact_one_finds() -> None:
    vectors, queries = torch.randn(5000, 64), torch.randn(40, 64)
    own = torch.arange(40)
    scores, ids = FaissGallery(vectors).search(queries, 10, own)
    exact_scores, exact_ids = ExactGallery(vectors.cuda()).search(queries, 10, own)
    torch.testing.assert_close(scores, exact_scores.cpu(), atol=1e-3, rtol=1e-3)
    assert (ids == exact_ids.cpu()).float().mean() > 0.99  # but for ties
