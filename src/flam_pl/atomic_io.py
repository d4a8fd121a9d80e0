"""Writes files and folders that a reader finds complete or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


def write_text(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def replace_folder(new: Path, folder: Path) -> None:
    """Put ``new`` in the place of ``folder``, which is then deleted.

    Raises:
        OSError: a rename failed; the old folder is back in its place.
    """
    old = _retired(folder)
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def restore_folder(folder: Path) -> None:
    """Bring back a folder if ``replace_folder`` was killed between its two renames."""
    if _retired(folder).exists() and not folder.exists():
        _retired(folder).rename(folder)


def _retired(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the lock beside a folder or file; wait while another process holds it.

    A process that is killed releases its lock.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        lock.acquire(timeout=1)
    except Timeout:
        print(f"another process is writing {folder}: waiting for it", flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
