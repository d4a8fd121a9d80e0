"""The whole pipeline under DDP: two processes on the CPU, talking by gloo."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tiny_run import settings

CHANGES = (
    "data.val_items=8",
    "data.evaluation_items=15",
    "backbone.items=32",
    "backbone.images=4",
    "backbone.max_epochs=10",
    "backbone.dtype=float32",
    "embedder.max_epochs=2",
    "manipulator.max_epochs=1",
    "manipulator.steps_per_epoch=10",
    "methods=[]",
    "logger.wandb=off",
)

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def run_command(
    folder: Path, run: str, *more: str, launcher: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    words = [*settings(folder, CHANGES), f"run={run}"]
    environment = {k: v for k, v in os.environ.items() if k not in ("LOCAL_RANK", "WORLD_SIZE")}
    return subprocess.run(
        [sys.executable, *launcher, "-m", "flam_pl", "train-flam", *words, *more],
        env={**environment, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=400,
    )


def command(folder: Path, run: str, *more: str, launcher: Sequence[str] = ()) -> None:
    done = run_command(folder, run, *more, launcher=launcher)
    assert done.returncode == 0, done.stderr[-3000:]


def cosines(features: np.ndarray) -> np.ndarray:
    """Of all pairs of rows, ``(N, N)``."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    return unit @ unit.T


@pytest.mark.slow
def test_two_processes_give_the_features_of_one_and_a_report(tmp_path: Path) -> None:
    """An untrained backbone is the same in both runs, so its features must be, also whitened by
    what the two processes saw together.

    They are compared to 1e-3: the batches are cut otherwise, and sums of another order round
    otherwise. The training of stages 2 and 3 sees twice the batch, so those figures may differ.
    """
    frozen = ("backbone.max_epochs=0", "backbone.whitening=0.5")
    command(tmp_path, "one", *frozen, "trainer.devices=1")
    command(tmp_path, "two", *frozen, "trainer.devices=2", "trainer=ddp")
    one, two = (
        np.load(tmp_path / "runs" / r / "features" / "features.npy") for r in ("one", "two")
    )
    # not the features themselves: two directions that vary alike may come in any rotation
    np.testing.assert_allclose(cosines(one), cosines(two), atol=1e-3)
    split = pd.read_csv(tmp_path / "wardrobe" / "catalog.csv")["split"]
    for features in (one, two):
        assert features.std() > 0.01
        centre = features[split == "train"].mean(axis=0)
        np.testing.assert_allclose(centre, 0, atol=1e-3 * features.std())
    reports = [
        json.loads((tmp_path / "runs" / r / "report" / "metrics.json").read_text())
        for r in ("one", "two")
    ]
    # what does not depend on training is the same, to the last query
    assert reports[0]["instance"] == reports[1]["instance"]
    assert reports[0]["edits"]["no_edit"] == reports[1]["edits"]["no_edit"]
    assert reports[0]["counts"] == reports[1]["counts"]


@pytest.mark.slow
def test_two_processes_of_torchrun_train_everything(tmp_path: Path) -> None:
    """They start at once, as on several nodes, where Lightning's own launcher starts the second
    process when the first one trains. In half precision, and whitened after the training."""
    methods = ("methods=[cls_concat,emb_concat,flam_plus]", "concat.max_epochs=2")
    backbone = ("backbone.max_epochs=1", "backbone.whitening=0.5")
    trainer = ("trainer.devices=2", "trainer=ddp", "trainer.precision=bf16-mixed")
    command(tmp_path, "two", *methods, *backbone, *trainer, launcher=TORCHRUN)
    run = tmp_path / "runs" / "two"
    for stage in ("backbone", "embedder", "manipulator", "methods/emb_concat"):
        assert (run / stage / "best.ckpt").is_file()
    found = json.loads((run / "report" / "metrics.json").read_text())["edits"]
    assert {"cls_concat", "emb_concat", "flam", "flam_plus", "flam_plus+posteriors"} <= set(found)


@pytest.mark.slow
def test_features_that_cannot_be_put_in_place_end_both_processes(tmp_path: Path) -> None:
    """The first process alone merges the shards; the other must not wait for it for ever."""
    (tmp_path / "runs" / "two" / ".features.lock").mkdir(parents=True)  # it can be no lock
    done = run_command(tmp_path, "two", "backbone.max_epochs=0", "trainer.devices=2", "trainer=ddp")
    assert done.returncode == 1
    assert done.stderr.count("error: features could not be written to") >= 1
    assert "Traceback" not in done.stderr
