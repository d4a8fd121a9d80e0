"""A finished stage on disk: ``best.ckpt`` and ``stage.json``."""

from __future__ import annotations

import hashlib
import json
import platform
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from flam_pl.atomic_io import write_text
from flam_pl.attributes import AttributeSchema, SchemaError
from flam_pl.config.saved_files import DamagedFile, read_json, sealed
from flam_pl.distributed import log
from flam_pl.errors import FlamError

CHECKPOINT = "best.ckpt"
RECORD = "stage.json"
REMEDY = "Run make train-flam: this stage is trained again."
STAGES = ("backbone", "embedder", "manipulator")
"""Each stage is the parent of the next."""
PACKAGES = ("flam-pl", "torch", "torchvision", "pytorch-lightning", "timm", "numpy")


class RecordError(FlamError):
    """A trained stage that is missing or damaged, or does not fit."""


@dataclass(frozen=True)
class StageRecord:
    """Written last: a folder with a record holds a finished stage."""

    stage: str
    inputs: str  # SHA-256 over all that the training depends on
    data: str  # fingerprint of the catalog's labels and split
    parent: str | None  # SHA-256 of the parent stage's checkpoint
    checkpoint: str  # SHA-256 of this stage's checkpoint
    schema: dict[str, list[str]]
    settings: dict[str, Any]
    architecture: dict[str, Any]  # arguments of the networks
    seed: int
    metrics: dict[str, float]
    seconds: float
    versions: dict[str, str]

    def save(self, folder: Path) -> None:
        write_text(folder / RECORD, sealed(asdict(self), nan=True))

    @classmethod
    def load(cls, folder: Path) -> StageRecord | None:
        """The record in a folder; None if the stage is not finished. Raises DamagedFile."""
        path = folder / RECORD
        if not path.is_file():
            return None
        record: StageRecord = read_json(path, cls, REMEDY, nan=True)
        try:
            _ = record.attributes
        except SchemaError as error:
            raise DamagedFile(path, error, REMEDY) from error
        return record

    @property
    def attributes(self) -> AttributeSchema:
        return AttributeSchema.from_dict(self.schema)

    def require_parent(self, parent: str, schema: AttributeSchema) -> None:
        """Raise RecordError for another parent, SchemaError for other classes."""
        if self.parent != parent:
            raise RecordError(
                f"the {self.stage} stage was trained on another parent checkpoint "
                f"({(self.parent or 'none')[:12]}..., the present one is {parent[:12]}...). "
                "Train it again: make train-flam."
            )
        schema.require_same(self.attributes, f"the trained {self.stage} stage")

    @classmethod
    def intact(cls, folder: Path) -> StageRecord | None:
        """As ``load``; a damaged record is logged and ignored."""
        try:
            return cls.load(folder)
        except DamagedFile as error:
            log(str(error))
            return None


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def inputs_hash(**inputs: Any) -> str:
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()} | dict.fromkeys(PACKAGES, "not installed")
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


def require(folder: Path, stage: str) -> StageRecord:
    """The record of a finished stage. RecordError: record or checkpoint missing, or changed."""
    record = StageRecord.load(folder)
    checkpoint = folder / CHECKPOINT
    if record is None or not checkpoint.is_file():
        missing = RECORD if record is None else CHECKPOINT
        raise RecordError(
            f"the {stage} stage is not trained: {folder / missing} is missing. "
            "Run make train-flam (with the same run= and data=) first."
        )
    found = sha256(checkpoint)
    if found != record.checkpoint:
        raise RecordError(
            f"{checkpoint} is not the checkpoint that {folder / RECORD} was written for "
            f"(SHA-256 {found[:12]}..., expected {record.checkpoint[:12]}...). Restore it, or "
            "run make train-flam, which trains this stage again."
        )
    return record


def load_into(net: nn.Module, folder: Path, prefix: str) -> None:
    """Load the tensors of ``best.ckpt`` whose names start with ``prefix``, or raise RecordError."""
    path = folder / CHECKPOINT
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    except Exception as error:  # torch raises pickle, zip, key and runtime errors alike
        raise RecordError(f"{path} cannot be opened as a checkpoint: {error}") from error
    own = {n[len(prefix) :]: v for n, v in state.items() if n.startswith(prefix)}
    try:
        net.load_state_dict(own)
    except RuntimeError as error:  # torch names the tensors that are missing or of another size
        raise RecordError(
            f"{path} does not fit: {error}. It was trained with other settings; train again, or "
            "use the run's own settings."
        ) from error
