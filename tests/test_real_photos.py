"""A small run on real photos, where a folder of Fashion Product Images is at hand."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from flam_pl.__main__ import main

PLACE = os.environ.get("FLAM_PL_FASHION_PRODUCTS")
pytestmark = pytest.mark.skipif(
    not PLACE, reason="FLAM_PL_FASHION_PRODUCTS does not name a folder with styles.csv and images/"
)

SMALL = (
    "backbone.image_size=96",
    "data.classes=4",
    "data.workers=0",
    "embedder.max_epochs=40",  # of one batch each
    "manipulator.max_epochs=2",
    "manipulator.steps_per_epoch=30",
    "evaluation.resamples=100",
    "evaluation.examples=1",
    "trainer.progress=false",
    "logger.wandb=off",
)


def part_of(source: Path, target: Path, start: int, count: int) -> Path:
    """A smaller data set of the same layout: every ``start + n``-th of its lines."""
    lines = (source / "styles.csv").read_text(encoding="utf-8").splitlines()
    apparel = [line for line in lines[1:] if line.split(",")[2] == "Apparel"]
    chosen = apparel[start : start + count]
    (target / "images").mkdir(parents=True)
    (target / "styles.csv").write_text("\n".join([lines[0], *chosen]), encoding="utf-8")
    for line in chosen:
        photo = source / "images" / f"{line.split(',')[0]}.jpg"
        if photo.exists():
            (target / "images" / photo.name).symlink_to(photo.resolve())
    return target


def test_real_photos_go_through_every_stage(tmp_path: Path) -> None:
    assert PLACE is not None
    own = part_of(Path(PLACE), tmp_path / "own", 0, 500)
    other = part_of(Path(PLACE), tmp_path / "other", 500, 150)
    data = ["data=fashion_products", f"data.root={own}", f"runs_dir={tmp_path}/runs"]
    assert main(["train-flam", *data, *SMALL]) == 0
    run = tmp_path / "runs" / "fashion_products"
    found = json.loads((run / "report" / "metrics.json").read_text())
    assert found["counts"]["instance_on_distorted_views"]
    assert found["instance"]["R@1"]["value"] > 0.3  # real weights see that it is the same photo
    assert found["training"]["embedder/val/accuracy"] > 0.6  # of four classes a type
    assert found["edits"]["arithmetic"]["all"]["T@10"]["n"] > 100

    elsewhere = [f"data.root={other}", "data=fashion_products", "report=other"]
    assert main(["evaluate", "run=fashion_products", f"runs_dir={tmp_path}/runs", *elsewhere]) == 0
    report = json.loads((run / "report-other" / "metrics.json").read_text())
    assert 0 < report["counts"]["edit_queries"] == report["counts"]["gallery"] < 150
