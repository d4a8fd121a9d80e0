"""Commands beside each other, and on a terminal without the letters of a file name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest


def start(command: str, words: Sequence[str], **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "flam_pl", command, *words],
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def shop(folder: Path, trained: Path) -> Path:
    """A table of photos with emoji in their names, one of them damaged."""
    table = pd.read_csv(trained / "wardrobe" / "catalog.csv", dtype=str)
    table = table[["path", "item", "shape", "color", "pattern"]]
    (folder / "👗").mkdir(parents=True)
    for path in table["path"]:
        shutil.copyfile(trained / "wardrobe" / path, folder / "👗" / Path(path).name)
    table["path"] = [f"👗/{Path(path).name}" for path in table["path"]]
    (folder / table["path"].iloc[0]).write_bytes(b"damaged")
    table.to_csv(folder / "list.csv", index=False)
    return folder / "list.csv"


@pytest.fixture
def run(tmp_path: Path, trained: Path) -> Path:
    shutil.copytree(trained / "runs", tmp_path / "runs")
    return tmp_path / "runs"


@pytest.mark.slow
@pytest.mark.parametrize("other", [False, True])
def test_two_evaluations_at_once_both_finish(
    other: bool, run: Path, tmp_path: Path, trained: Path
) -> None:
    words = [f"runs_dir={run}", "run=wardrobe", "logger.wandb=off", "data.workers=0"]
    if other:  # both extract features, too
        words += ["data=table", f"data.root={shop(tmp_path / 'shop', trained)}", "report=shop"]
    both = [start("evaluate", words) for _ in range(2)]
    for process in both:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err[-3000:]
    report = run / "wardrobe" / ("report-shop" if other else "report")
    metrics = json.loads((report / "metrics.json").read_text())
    assert metrics["edits"]["flam"] and (report / "index.html").is_file()
    assert list((report / "images").iterdir()) and list((report / "figures").iterdir())
    hidden = {path.name for path in (run / "wardrobe").glob(".*")}
    assert all(name.endswith(".lock") for name in hidden), hidden


@pytest.mark.slow
def test_an_ascii_terminal_shows_every_file_name_somehow(
    run: Path, tmp_path: Path, trained: Path
) -> None:
    table = shop(tmp_path / "shop", trained)
    data = ["data=table", f"data.root={table}", "data.workers=0", "logger.wandb=off"]
    own = [f"runs_dir={run}", "run=wardrobe"]
    photo = next(path for path in sorted((tmp_path / "shop" / "👗").iterdir())[1:])
    commands = {
        "verify-data": [*data, "data.evaluation=30", "data.validation=10"],
        "evaluate": [*own, *data, "report=shop"],
        "report": [*own, *data, "report=shop"],
        "search": [*own, *data, "report=shop", f"image={photo}", "edits=[color=red]"],
        "config": data,
    }
    for command, words in commands.items():
        process = start(command, words, PYTHONIOENCODING="ascii")
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, (command, err[-3000:])
        if command in ("verify-data", "evaluate", "search"):
            assert "\\U0001f457" in out, command
