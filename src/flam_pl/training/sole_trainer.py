"""One process at a time trains a run."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from flam_pl.atomic_io import remove, write_text
from flam_pl.distributed import is_first_process
from flam_pl.errors import FlamError


@contextmanager
def sole_trainer(run: Path) -> Iterator[None]:
    """Hold the lock of a run's folder; in the further processes of a DDP run do nothing.

    A process that is killed releases its lock. Raises FlamError, which names the process that holds
    the lock, its host and since when.
    """
    if not is_first_process():
        yield
        return
    run.mkdir(parents=True, exist_ok=True)
    lock, about = FileLock(run / ".trainer.lock"), run / ".trainer.json"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise FlamError(
            f"the run {run} is being trained by {holder(about)}. Wait until that has ended, or "
            "name another run with run=."
        ) from None
    try:
        require_none_elsewhere(about)
        since = datetime.now().astimezone().isoformat(" ", "seconds")
        own = {"process": os.getpid(), "host": socket.gethostname(), "since": since}
        try:
            write_text(about, json.dumps(own))
            yield
        finally:
            remove(about)
    finally:
        lock.release()


def require_none_elsewhere(about: Path) -> None:
    """Raise FlamError if a process of another host wrote ``about``, and may still be at work."""
    # network drives may keep a lock to one host, but every host sees the file
    if read(about).get("host", socket.gethostname()) != socket.gethostname():
        raise FlamError(
            f"the run {about.parent} is being trained by {holder(about)}. If that process has "
            f"ended, remove {about} and run the command again."
        )


def holder(about: Path) -> str:
    found = read(about)
    return f"process {found.get('process')} on {found.get('host')} since {found.get('since')}"


def read(about: Path) -> dict[str, Any]:
    """What a process wrote of itself; empty if that is missing or damaged."""
    try:
        found = json.loads(about.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
