"""Sets for instance search in the whole pipeline: trained on one, measured on another."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flam_pl.__main__ import main

sys.path.insert(0, str(Path(__file__).parents[1] / "datasets"))
import test_consumer_to_shop
import test_in_shop

TINY = (
    "data.workers=0",
    "backbone=scratch",
    "backbone.image_size=32",
    "backbone.feature_dim=32",
    "backbone.items=6",
    "backbone.images=2",
    "backbone.max_epochs=1",
    "embedder.max_epochs=1",
    "embedder.working_dim=16",
    "manipulator.max_epochs=1",
    "manipulator.steps_per_epoch=3",
    "manipulator.hidden=32",
    "evaluation.resamples=20",
    "evaluation.examples=1",
    "trainer.progress=false",
    "trainer.accelerator=cpu",
    "logger.wandb=off",
)


def paint(root: Path) -> Path:
    rng = np.random.default_rng(0)
    for path in sorted(root.rglob("*.jpg")):
        Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(path)
    return root


def test_a_set_without_edits_is_measured_by_its_items_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the paper: trained on one set, R@k on another, whose labels the run does not know."""
    root = paint(test_in_shop.write(tmp_path / "inshop", test_in_shop.images()))
    where = [f"runs_dir={tmp_path / 'runs'}", "run=mine"]
    assert main(["train-flam", "data=in_shop", f"data.root={root}", *TINY, *where]) == 0
    split = (tmp_path / "runs" / "mine" / "split.csv").read_text().splitlines()
    assert split[0] == "path,split,item,sha256" and len(split) == 96
    own = json.loads((tmp_path / "runs" / "mine" / "report" / "metrics.json").read_text())
    # in the miniature every category has one color: no edit has an answer, and none is counted
    assert own["edits"]["flam"]["all"]["T@1"] == {"value": None, "low": None, "high": None, "n": 0}
    assert own["instance"]["R@1"]["n"] == 6 and len(own["notes"]) == 1

    other = paint(test_consumer_to_shop.write(tmp_path / "c2s", test_consumer_to_shop.pairs()))
    more = ["data=consumer_to_shop", f"data.root={other}", "data.workers=0", "report=c2s"]
    capsys.readouterr()
    assert main(["evaluate", *where, *more]) == 0
    assert "Only the instance search is measured" in capsys.readouterr().out
    report = tmp_path / "runs" / "mine" / "report-c2s"
    found = json.loads((report / "metrics.json").read_text())
    assert found["edits"] == {} and found["counts"]["edits"] == 0
    assert found["instance"]["R@1"]["n"] == 4
    # "val+test": 4 queries of test, searched among the shop photos of both
    assert any("no edit can be evaluated" in note for note in found["notes"])
    assert "Instance search" in (report / "tables.md").read_text()
    assert "Edited searches" not in (report / "index.html").read_text()
