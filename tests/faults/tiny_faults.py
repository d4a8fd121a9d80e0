"""The run that the faults meet, how two runs are compared, and what is counted."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from faults.forked_command import Fault, Outcome, run_forked
from tiny_run import settings

SMALLEST = (
    *("data.train_items=40", "data.val_items=4", "data.val_photos=2", "data.evaluation_items=16"),
    *("data.evaluation_photos=1", "data.counterfactuals=1", "data.image_size=32"),
    *("backbone.model=test_resnet", "backbone.feature_dim=16", "backbone.max_epochs=2"),
    *("embedder.max_epochs=2", "embedder.hidden=16", "concat.max_epochs=2", "concat.width=16"),
    *("manipulator.max_epochs=2", "manipulator.steps_per_epoch=2", "manipulator.hidden=16"),
    *("manipulator.discriminator_hidden=16", "methods=[cls_concat]", "scoring.others=0.2"),
    *("scoring.moved=0.5", "evaluation.resamples=5", "evaluation.pairs=10", "logger.wandb=off"),
)
MEASURED = {"seconds", "peak_memory_mb", "sha256"}
"""Keys of JSON files that differ from run to run; the last one is the seal over the others."""


class Tiny:
    """A run that nothing has disturbed, and a folder in which its command runs again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.finished = folder / "work", folder / "finished"
        self.run = self.folder / "runs" / "wardrobe"
        self.clear()
        trained = self.train()
        assert trained.code == 0, trained
        shutil.copytree(self.folder, self.finished)
        self.operations, self.expected = trained.operations, self.content()
        searched = self.search()
        assert searched.code == 0, searched
        self.found = searched.out[searched.out.index("searching") :]

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def restore(self) -> None:
        """Put the finished run into the folder, with the times of its files."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.finished, self.folder)

    def train(self, fault: Fault | None = None) -> Outcome:
        """``flam-pl train-flam``: every phase."""
        arguments = ["train-flam", *settings(self.folder, SMALLEST)]
        return run_forked(arguments, self.folder, fault)

    def evaluate(self, fault: Fault | None = None) -> Outcome:
        return run_forked(["evaluate", f"runs_dir={self.run.parent}"], self.folder, fault)

    def search(self) -> Outcome:
        """With a photo of the wardrobe."""
        query = ["image=images/evaluation/evaluation-00003-0.jpg", "edits=[color=red]"]
        return run_forked(["search", f"runs_dir={self.run.parent}", *query], self.folder)

    def content(self) -> dict[str, Any]:
        """What is in the folder, without times and lock files, by path."""
        files = (f for f in self.folder.rglob("*") if f.is_file() and f.suffix != ".lock")
        return {str(file.relative_to(self.folder)): lasting(file) for file in files}

    def changed(self) -> list[str]:
        """Paths in the folder with another content than the finished run's."""
        found, expected = self.content(), self.expected
        paths = sorted({*found, *expected})
        return [path for path in paths if found.get(path, "no") != expected.get(path, "no")]


class Tally:
    """The trials of one test."""

    def __init__(self) -> None:
        self.tried, self.lost = 0, list[str]()

    def add(self, trial: object, problem: str = "") -> None:
        """``problem``: what was lost; empty if nothing was."""
        self.tried += 1
        if problem:
            self.lost.append(f"{trial}: {problem[:2000]}")

    def check(self) -> None:
        assert self.tried
        if self.lost:
            pytest.fail("\n".join(self.lost), pytrace=False)


def lasting(path: Path) -> Any:
    """The part of a file that every run of the same command writes."""
    if path.suffix in (".html", ".png"):
        return None
    content = path.read_bytes()
    if path.suffix == ".md":
        return re.sub(rb"Time: .* MB\.", b"", content)
    if path.suffix != ".json":
        return content
    try:
        plain = json.loads(content)
    except ValueError:
        return content
    if path.name.startswith("photos-"):  # size, time of the last change, hashes
        return {file: [size, *rest] for file, (size, _, *rest) in plain.items()}
    # the commands that measure write their own settings
    return without(plain, MEASURED | ({"config"} if path.name == "metrics.json" else set()))


def without(value: Any, keys: set[str]) -> Any:
    if isinstance(value, Mapping):
        return {key: without(each, keys) for key, each in value.items() if key not in keys}
    return [without(each, keys) for each in value] if isinstance(value, list) else value
