"""``make bench`` runs and fills its table; how fast anything is belongs into no test."""

from __future__ import annotations

import bench
import pytest
import searching

from flam_pl.config.loading import load_config

SMALL = (
    "backbone=scratch",
    "backbone.image_size=32",
    "backbone.feature_dim=16",
    "embedder.working_dim=16",
    "embedder.batch_size=32",
    "manipulator.batch_size=32",
    "data.workers=0",
    "trainer.accelerator=cpu",
)


def test_every_comparison_has_both_sides_and_a_ratio(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, small in {"ROWS": 64, "STEPS": 2, "IMAGES": 8}.items():
        monkeypatch.setattr(bench, name, small)
    for name, small in {"EVALUATED": 120, "QUERIES": 20, "GALLERY": 250}.items():
        monkeypatch.setattr(searching, name, small)
    monkeypatch.setattr(bench.compare, "__defaults__", (1,))
    lines = bench.run_benchmarks(load_config(SMALL)).splitlines()[2:]
    names = ["embedder step", "manipulator step", "extraction", "evaluation", "R@k", "R@k, peer"]
    assert [line.split("  ")[0] for line in lines] == names
    assert all(line.count("[") == 1 and ("at most" in line or "below" in line) for line in lines)
