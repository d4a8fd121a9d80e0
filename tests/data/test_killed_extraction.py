"""An extraction that is killed by SIGKILL, again and again, ends with the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

EXTRACT = f"""
import sys, time
from pathlib import Path
sys.path[:0] = [{str(TESTS)!r}, {str(TESTS / "training")!r}]
import torch
from test_backbone_module import Colors, data_of, draw, extract, stage

class Slow(Colors):
    def forward(self, pixels):
        time.sleep(float(sys.argv[3]))
        return super().forward(pixels)

torch.manual_seed(0)
photos, folder = Path(sys.argv[1]), Path(sys.argv[2])
module = stage()
module.net = Slow()
print(extract(data_of(draw(photos)), module, folder), flush=True)
"""


def started(photos: Path, folder: Path, pause: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", EXTRACT, str(photos), str(folder), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def written(folder: Path) -> int:
    """Bytes of features that wait beside the folder for the rest."""
    shards = folder.parent.glob(f".{folder.name}.shards-*/*.bin")
    return sum(path.stat().st_size for path in shards)


@pytest.mark.slow
def test_killed_extractions_end_with_the_bytes_of_an_undisturbed_one(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    folder = tmp_path / "features"
    before = 0
    for _ in range(4):
        process = started(tmp_path / "photos", folder, 0.2)
        end = time.monotonic() + 300
        while written(folder) <= before and time.monotonic() < end and process.poll() is None:
            time.sleep(0.01)
        process.kill()
        _, errors = process.communicate()
        assert process.returncode == -9, errors
        assert written(folder) > before and not folder.exists()
        before = written(folder)
    resumed, errors = started(tmp_path / "photos", folder, 0).communicate()
    assert "of them before an interruption" in resumed, errors
    assert not list(tmp_path.glob(".features.shards*"))
    whole, errors = started(tmp_path / "photos", tmp_path / "at once", 0).communicate()
    assert "0 reused, 80 extracted" in whole and "interruption" not in whole, errors
    names = sorted(os.listdir(folder))
    assert names == ["features.npy", "manifest.json", "photos.npy"]
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / "at once" / name).read_bytes()
