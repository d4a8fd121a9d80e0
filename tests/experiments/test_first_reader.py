"""The extraction as the first reader of photos, against a check that decodes all of them before."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from flam_pl.__main__ import main
from flam_pl.config.loading import load_config
from flam_pl.datasets.sources import open_catalog
from flam_pl.experiments.pipeline import usable
from flam_pl.images import pixels
from flam_pl.training.records import StageRecord
from tiny_run import settings

CELLS = {
    "split": ["train"] * 20 + ["val"] * 8 + ["evaluation"] * 12,
    "shape": ["shirt", "jeans"] * 20,
    "color": ["red", "red", "blue", "blue"] * 10,
    "pattern": ["plain", "dots", "dots", "plain"] * 10,
}
BROKEN_PIXELS = {3: "truncated", 22: "broken", 33: "truncated"}  # no header tells


def photo(number: int) -> str:
    return f"{number:02d}.{'png' if number == 22 else 'jpg'}"


def draw(folder: Path) -> Path:
    """Photos with one of every kind that cannot be used in the training, and some elsewhere."""
    folder.mkdir(parents=True)
    for number in range(40):
        noise = np.random.default_rng(number).integers(0, 256, (36, 44, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / photo(number))
    for number in (3, 33):
        whole = (folder / photo(number)).read_bytes()
        (folder / photo(number)).write_bytes(whole[: len(whole) * 2 // 3])
    data = bytearray((folder / photo(22)).read_bytes())
    data[200:400] = bytes(200)
    (folder / photo(22)).write_bytes(data)
    (folder / photo(5)).write_bytes(b"")
    (folder / photo(6)).write_text("no image at all")
    Image.new("RGB", (44, 5)).save(folder / photo(7))
    Image.open(folder / photo(9)).save(folder / photo(8), "PNG")  # the same pixels, other bytes
    pd.DataFrame({"path": [photo(n) for n in range(40)], **CELLS}).to_csv(
        folder / "list.csv", index=False
    )
    return folder / "list.csv"


def overrides(folder: Path, table: Path, run: str, *more: str) -> list[str]:
    tiny = [s for s in settings(folder) if not s.startswith(("data.", "methods", "backbone.max"))]
    data = ["data=table", f"data.root={table}", "data.workers=0", "backbone.max_epochs=0"]
    data.append("backbone.extract_batch=19")  # 57 rows: the last batch is whole, none comes twice
    return [*tiny, *data, "methods=[]", "logger.wandb=off", f"run={run}", *more]


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[bytes]:
    """How often the pixels of each file were decoded."""
    times: Counter[bytes] = Counter()
    decode: Callable[..., Any] = pixels._decoded

    def counted(image: Image.Image, data: bytes) -> Any:
        times[data] += 1
        return decode(image, data)

    monkeypatch.setattr(pixels, "_decoded", counted)
    return times


def features_of(run: Path) -> dict[bytes, np.ndarray]:
    """By the key of a photo, of the photos that the split of the run names."""
    keys, features = (np.load(run / "features" / f"{n}.npy") for n in ("photos", "features"))
    return dict(zip(keys.tolist(), features, strict=True))


def about_photos(said: str) -> list[str]:
    return [line for line in said.splitlines() if "left out" in line or "pixels" in line]


@pytest.mark.parametrize("whitening", ["null", "0.5"])
def test_a_frozen_backbone_finds_what_a_check_of_all_photos_finds(
    whitening: str,
    tmp_path: Path,
    decoded: Counter[bytes],
    capsys: pytest.CaptureFixture[str],
) -> None:
    table, how = draw(tmp_path / "photos"), f"backbone.whitening={whitening}"
    runs, first = tmp_path / "runs", overrides(tmp_path, table, "first", how)
    assert main(["train-backbone", *first]) == 0
    said = about_photos(capsys.readouterr().out)
    if whitening == "null":
        # those that train or are evaluated, without a view of them, are read by the extraction
        once = [n for n in range(20) if n not in (3, 5, 6, 7)]
        assert {decoded[(table.parent / photo(n)).read_bytes()] for n in once} == {1}

    checked = overrides(tmp_path, table, "checked", how)
    config = load_config(checked)
    usable(open_catalog(config.data), config)  # decodes every photo and remembers them
    assert about_photos(capsys.readouterr().out) == said and len(said) == 1
    decoded.clear()
    assert main(["train-backbone", *checked]) == 0
    assert about_photos(capsys.readouterr().out) == said
    assert "6 of 40 photos left out" in said[0] and "03.jpg: unreadable: truncated" in said[0]

    one, other = runs / "first", runs / "checked"
    assert (one / "split.csv").read_bytes() == (other / "split.csv").read_bytes()
    memories = [json.loads((run / "photos-list.json").read_text()) for run in (one, other)]
    assert memories[0] == memories[1]
    reasons = {Path(file).name: of[3] for file, of in memories[0].items()}
    for number, reason in BROKEN_PIXELS.items():
        assert str(reasons[photo(number)]).startswith(reason)
    found, expected = features_of(one), features_of(other)
    assert expected and all(np.array_equal(found[key], expected[key]) for key in expected)
    records = [StageRecord.load(run / "backbone") for run in (one, other)]
    assert records[0] and records[1]
    assert records[0].checkpoint == records[1].checkpoint
    assert records[0].metrics == records[1].metrics and records[0].inputs == records[1].inputs

    # what is known is neither decoded nor extracted again
    decoded.clear()
    assert main(["train-backbone", *first]) == 0
    again = capsys.readouterr().out
    assert not decoded and "nothing to extract" in again and about_photos(again) == said


def test_a_lost_memory_of_broken_photos_is_found_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = overrides(tmp_path, draw(tmp_path / "photos"), "first", "backbone.whitening=null")
    assert main(["train-backbone", *words]) == 0
    memory = tmp_path / "runs" / "first" / "photos-list.json"
    said, known = about_photos(capsys.readouterr().out), memory.read_bytes()
    memory.unlink()
    assert main(["train-backbone", *words]) == 0
    assert about_photos(capsys.readouterr().out) == said
    assert memory.read_bytes() == known


def test_another_catalogue_is_decoded_once_and_its_broken_photos_are_left_out(
    trained: Path, tmp_path: Path, decoded: Counter[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained / "runs", tmp_path / "runs")
    drawn = pd.read_csv(trained / "wardrobe" / "catalog.csv", dtype=str)
    drawn = drawn[drawn["split"] == "evaluation"].head(64)[["path", "shape", "color", "pattern"]]
    drawn["item"] = [f"item {n // 2}" for n in range(64)]
    for path in drawn["path"]:
        target = tmp_path / "shop" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(trained / "wardrobe" / path, target)
    broken = tmp_path / "shop" / drawn["path"].iloc[7]
    broken.write_bytes(broken.read_bytes()[:-300])
    drawn.to_csv(tmp_path / "shop" / "list.csv", index=False)
    words = [f"runs_dir={tmp_path}/runs", "run=wardrobe", "data=table"]
    words += [f"data.root={tmp_path}/shop/list.csv", "report=shop", "evaluation.examples=0"]
    assert main(["evaluate", *words]) == 0
    out = capsys.readouterr().out
    assert "1 of 64 photos left out, the first" in out and "unreadable: truncated" in out
    files = [tmp_path / "shop" / path for path in drawn["path"]]
    times = Counter(decoded[file.read_bytes()] for file in files)
    assert times == {1: 64}
    report = tmp_path / "runs" / "wardrobe" / "report-shop" / "metrics.json"
    found = json.loads(report.read_text())
    assert found["counts"]["gallery"] == 63

    config_folder = tmp_path / "runs" / "wardrobe"
    shutil.rmtree(config_folder / "features-shop")
    decoded.clear()
    assert main(["evaluate", *words]) == 0  # all is known: only the good ones are extracted
    # 63 photos, and one of them again in a whole batch of 64
    assert sum(decoded.values()) == 64 and "left out" in capsys.readouterr().out
    again = json.loads(report.read_text())
    for part in ("edits", "instance", "counts", "notes", "inputs"):
        assert found[part] == again[part]


@pytest.mark.slow
def test_two_processes_leave_out_what_either_finds(tmp_path: Path) -> None:
    table = draw(tmp_path / "photos")
    said = {}
    for run, devices in (("one", "1"), ("two", "2")):
        more = ("backbone.whitening=0.5", "trainer=ddp", f"trainer.devices={devices}")
        words = overrides(tmp_path, table, run, *more)
        done = subprocess.run(
            [sys.executable, "-m", "flam_pl", "train-backbone", *words],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=400,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        said[run] = about_photos(done.stdout)
    assert said["one"] == said["two"] and len(said["one"]) == 1
    one, two = (tmp_path / "runs" / run for run in ("one", "two"))
    assert (one / "split.csv").read_bytes() == (two / "split.csv").read_bytes()
    memories = [json.loads((run / "photos-list.json").read_text()) for run in (one, two)]
    assert memories[0] == memories[1]
    assert features_of(one).keys() == features_of(two).keys()
