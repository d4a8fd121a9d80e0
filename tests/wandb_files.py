"""Reads what W&B writes offline: a LevelDB log of protobuf records, as ``wandb sync`` reads it."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import wandb
from wandb.proto import wandb_internal_pb2 as proto

BLOCK, FULL, LAST = 32768, 1, 4


@dataclass
class OfflineRun:
    """One W&B run of a folder ``offline-run-*``."""

    name: str = ""
    group: str = ""
    job_type: str = ""
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    logged: dict[str, Any] = field(default_factory=dict)
    """Artifacts that the run made, by name."""
    used: dict[str, Any] = field(default_factory=dict)
    """Artifacts that it was made from."""


def records(path: Path) -> Iterator[Any]:
    """Every record of a ``.wandb`` file: 7 bytes of header, then blocks of checksum, length, kind
    and content; a record may go over several."""
    data, at, content = path.read_bytes(), 7, b""
    assert data[:4] == b":W&B"
    while at + 7 <= len(data):
        left = BLOCK - at % BLOCK
        if left < 7:  # no header fits: zeros up to the next block
            at += left
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        content += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (FULL, LAST):
            record = proto.Record()
            record.ParseFromString(content)
            content = b""
            yield record


def read_run(folder: Path) -> OfflineRun:
    """What one offline folder holds."""
    run = OfflineRun()
    (path,) = folder.glob("run-*.wandb")
    for record in records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run.name, run.group = record.run.display_name, record.run.run_group
            run.job_type = record.run.job_type
        elif kind == "history":
            run.history.append(values(record.history.item))
        elif kind == "summary":
            run.summary |= values(record.summary.update)
        elif kind == "artifact":
            artifacts = run.used if record.artifact.use_after_commit else run.logged
            artifacts[record.artifact.name] = record.artifact
    return run


def values(items: Any) -> dict[str, Any]:
    """Key -> value; a value that has parts has its key as key/part."""
    return {i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in items}


def read_runs(folder: Path) -> dict[str, OfflineRun]:
    """Every run of a ``wandb`` folder by name, the first one of each name."""
    wandb.teardown()  # the process that writes them ends, and with it the last block
    found: dict[str, OfflineRun] = {}
    for place in sorted(folder.glob("offline-run-*")):
        run = read_run(place)
        found.setdefault(run.name, run)
    return found
