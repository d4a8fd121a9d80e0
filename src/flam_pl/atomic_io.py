"""Writes files and folders whole or not at all."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from filelock import FileLock, Timeout


def write_text(path: Path, text: str) -> None:
    with replacing(path) as new:
        new.write_text(text, encoding="utf-8")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file that replaces ``path`` at the end; an error removes the new file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = temporary(path)
    try:
        yield new
        new.replace(path)
    except BaseException:
        remove(new)
        raise


def temporary(path: Path) -> Path:
    """A hidden name beside ``path``. Removes what this process, or a dead process of this host,
    left there."""
    start = f".{path.name}.new.{socket.gethostname()}."
    for old in path.parent.glob(f"{escape(start)}*"):
        process = old.name.removeprefix(start)
        if process.isdecimal() and (int(process) == os.getpid() or not is_alive(int(process))):
            remove(old)
    return path.with_name(f"{start}{os.getpid()}")


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError as error:
        return not isinstance(error, ProcessLookupError)  # else another user's process
    return True


def remove(path: Path) -> None:
    """Remove a file or a folder; an OSError is ignored."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def replace_folder(new: Path, folder: Path) -> None:
    """Put ``new`` in the place of ``folder``; an OSError leaves the old folder there."""
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
    """Wait for the lock file beside a folder or file, and hold it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        held = lock.acquire(timeout=1)
    except Timeout:
        print(f"another process is writing {folder}: waiting for it", flush=True)
        held = lock.acquire()
    with held:
        yield
