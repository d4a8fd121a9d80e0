"""The run that the faults meet, how two runs are compared, and what is counted."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from faults.forked_command import Fault, Operation, Outcome, run_forked
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


@dataclass(frozen=True)
class Tiny:
    """A folder in which the same command runs again and again."""

    folder: Path

    @property
    def run(self) -> Path:
        return self.folder / "runs" / "wardrobe"

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def train(self, fault: Fault | None = None) -> Outcome:
        """``flam-pl train-flam``: every phase."""
        return self.command("train-flam", *settings(self.folder, SMALLEST), fault=fault)

    def evaluate(self, fault: Fault | None = None) -> Outcome:
        return self.command("evaluate", f"runs_dir={self.run.parent}", fault=fault)

    def search(self) -> Outcome:
        """With a photo of the wardrobe."""
        photo = "image=images/evaluation/evaluation-00003-0.jpg"
        return self.command("search", f"runs_dir={self.run.parent}", photo, "edits=[color=red]")

    def command(self, *arguments: str, fault: Fault | None = None) -> Outcome:
        return run_forked(arguments, self.folder, fault)

    def content(self) -> dict[str, Any]:
        """What is in the folder, without times and lock files, by path."""
        files = (f for f in self.folder.rglob("*") if f.is_file() and f.suffix != ".lock")
        return {str(file.relative_to(self.folder)): lasting(file) for file in files}


@dataclass(frozen=True)
class Finished:
    """A run that nothing has disturbed."""

    tiny: Tiny
    operations: tuple[Operation, ...]
    content: Mapping[str, Any]  # of ``tiny``, by path
    copy: Path  # of its folder
    found: str  # what a search prints

    @classmethod
    def of(cls, tiny: Tiny) -> Finished:
        tiny.clear()
        trained, copy = tiny.train(), tiny.folder.with_name("finished")
        assert trained.code == 0, trained
        shutil.copytree(tiny.folder, copy)
        content, searched = tiny.content(), tiny.search()
        assert searched.code == 0, searched
        found = searched.out[searched.out.index("searching") :]
        return cls(tiny, trained.operations, content, copy, found)

    def restore(self) -> None:
        """Put the finished run back, with the times of its files."""
        shutil.rmtree(self.tiny.folder, ignore_errors=True)
        shutil.copytree(self.copy, self.tiny.folder)

    def changed(self) -> list[str]:
        """Paths in the folder with another content than the finished run's."""
        found = self.tiny.content()
        paths = sorted({*found, *self.content})
        return [p for p in paths if found.get(p, "no") != self.content.get(p, "no")]


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
