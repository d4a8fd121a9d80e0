"""Only one process at a time trains a run."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from flam_pl.atomic_io import remove, write_text
from flam_pl.distributed import is_first_process
from flam_pl.errors import FlamError


@contextmanager
def sole_trainer(run: Path) -> Iterator[None]:
    """Hold the lock of a run's folder; the further processes of a DDP run do nothing. FlamError
    if another process holds the lock."""
    if not is_first_process():
        yield
        return
    run.mkdir(parents=True, exist_ok=True)
    lock, about = FileLock(run / ".trainer.lock"), run / ".trainer.json"
    host, since = socket.gethostname(), datetime.now().astimezone().isoformat(" ", "seconds")
    other = {"process": "?", "host": host, "since": "?"}
    with suppress(OSError, ValueError, TypeError):  # missing or damaged
        other |= json.loads(about.read_text(encoding="utf-8"))
    held = "the run {} is being trained by process {process} on {host} since {since}. {}"
    try:
        locked = lock.acquire(timeout=0)
    except Timeout:
        advice = "Wait until that has ended, or name another run with run=."
        raise FlamError(held.format(run, advice, **other)) from None
    with locked:
        if other["host"] != host:  # a network drive may keep the lock to one host
            advice = f"If that has ended, remove {about} and run the command again."
            raise FlamError(held.format(run, advice, **other))
        try:
            own = {"process": os.getpid(), "host": host, "since": since}
            write_text(about, json.dumps(own))
            yield
        finally:
            remove(about)
