"""``make scale`` runs and fills its table; how fast anything is belongs into no test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scale


def test_the_table_has_every_size_with_its_slope_and_memory() -> None:
    lines = scale.table_of({"rows": [], "table": [80, 40], "gallery": []}).splitlines()
    first, second = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:])
    assert len(lines) == 4 and first[:2] == ["opening a table", "40"] and second[1] == "80"
    assert first[3] == "" and float(second[3]) < 3
    # each process has its own peak, which reading a table without torch keeps small
    assert all(20 < float(row[4]) < 500 for row in (first, second))


def test_the_features_repeat_one_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "FITTED", 30)
    scale.write_features(tmp_path, 70)
    features = np.load(tmp_path / "features.npy")
    assert features.shape == (70, scale.DIMENSION) and features.dtype == np.float16
    assert np.array_equal(features[:10], features[60:]) and features.astype(float).std() > 0.9


@pytest.mark.parametrize("name", list(scale.MEASUREMENTS))
def test_every_measurement_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for setting, small in {"STEPS": 2, "WARM_UP": 1, "QUERIES": 20, "SEARCHES": 2}.items():
        monkeypatch.setattr(scale, setting, small)
    made, measurement = scale.MEASUREMENTS[name]
    scale.MADE[made](tmp_path, 600)
    assert measurement(tmp_path, 600) > 0
