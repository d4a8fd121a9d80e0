"""Runs a command of flam-pl in a forked process, in which one file operation can fail."""

from __future__ import annotations

import builtins
import errno
import io
import json
import os
import re
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree")
SECONDS = 300  # a command that takes longer hangs

PHASES = {  # of train-flam, with the files that only this phase writes
    "drawing": r"\.?wardrobe\b",
    "start": r"runs/wardrobe/\.?(\.trainer|photos|split|config)",
    "backbone": r"runs/wardrobe/backbone",
    "extraction": r"runs/wardrobe/\.?features",
    "embedder": r"runs/wardrobe/embedder",
    "manipulator": r"runs/wardrobe/manipulator",
    "method": r"runs/wardrobe/methods",
    "selection": r"runs/wardrobe/\.?(scoring|calibration)",
    "evaluation": r"runs/wardrobe/\.report",
    "report": r"runs/wardrobe/report",
}


@dataclass(frozen=True)
class Operation:
    """A file operation below the folder of a test: what Python is about to do."""

    number: int
    event: str
    path: str  # below the folder
    phase: str
    size: int = 0  # bytes of the file when the next operation starts

    @property
    def writes(self) -> bool:
        """Whether it needs space on the disk."""
        return self.event in ("open", "os.mkdir")

    @property
    def place(self) -> str:
        """The same for all photos, processes and epochs."""
        return f"{self.event} {re.sub(r'[0-9]+', '#', self.path)}"


Fault = Callable[[Operation], None]
"""Called before each operation, in the process of the command."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int  # exit code; minus the number of a signal
    out: str
    err: str
    operations: tuple[Operation, ...] = ()  # of a command that ended by itself

    def __str__(self) -> str:
        return f"exit code {self.code}: {self.err[-2000:] or self.out[-500:]}"


def run_forked(arguments: Sequence[str], folder: Path, fault: Fault | None = None) -> Outcome:
    """Run ``flam-pl <arguments>`` and watch its operations below ``folder``.

    The calling process should have imported everything, used one thread and trained nothing.
    """
    files = [folder.with_name(f"{folder.name}.{name}") for name in ("out", "err", "operations")]
    child = os.fork()
    if child == 0:
        run_in_child(arguments, folder, fault, files)
    _, status = os.waitpid(child, 0)
    out, err, operations = (file.read_text(errors="replace") for file in files)
    found = tuple(Operation(*each) for each in json.loads(operations or "[]"))
    return Outcome(os.waitstatus_to_exitcode(status), out, err, found)


def run_in_child(
    arguments: Sequence[str], folder: Path, fault: Fault | None, files: Sequence[Path]
) -> None:
    from flam_pl.__main__ import main

    code = 99
    try:
        signal.alarm(SECONDS)
        operations = open(files[2], "w")  # noqa: SIM115
        for number, file in enumerate(files[:2], start=1):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        sys.stdout, sys.stderr = (os.fdopen(n, "w", closefd=False) for n in (1, 2))
        watch = Watch(folder, fault)
        sys.addaudithook(watch)
        code = main(arguments)
        json.dump(watch.found, operations)
        operations.close()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


class Watch:
    """An audit hook that lists the operations below a folder."""

    def __init__(self, folder: Path, fault: Fault | None) -> None:
        self.folder, self.fault = f"{folder}/", fault
        self.found: list[list[Any]] = []  # the fields of each Operation

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        path = changed_path(event, arguments)
        if path is None or not path.startswith(self.folder):
            return
        if event != "open" and os.path.lexists(path) == (event == "os.mkdir"):
            return  # nothing to do
        short = path.removeprefix(self.folder)
        before = self.found[-1] if self.found else [0, "", "", "start"]
        if before[1] == "open" and os.path.isfile(self.folder + before[2]):
            before.append(os.path.getsize(self.folder + before[2]))
        phase = next((n for n, start in PHASES.items() if re.match(start, short)), before[3])
        self.found.append([len(self.found), event, short, phase])
        if self.fault:
            self.fault(Operation(*self.found[-1]))


def changed_path(event: str, arguments: tuple[Any, ...]) -> str | None:
    """The path that an operation changes; None for all other events."""
    if event == "open":
        path, _, flags = arguments
        if not isinstance(path, str | bytes) or not flags & WRITING:
            return None
        folder = -1
    elif event in CHANGES:
        path, folder = arguments[0], arguments[-1]
    else:
        return None
    path = os.fsdecode(path)
    if isinstance(folder, int) and folder >= 0:  # an open folder: shutil.rmtree
        path = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), path)
    return os.path.abspath(path)


def kill(number: int) -> Fault:
    """kill -9 before an operation."""

    def fault(operation: Operation) -> None:
        if operation.number == number:
            os.kill(os.getpid(), signal.SIGKILL)

    return fault


def tear(number: int, size: int) -> Fault:
    """Kill the process when it has written ``size`` bytes of the file that it opens."""

    def fault(operation: Operation) -> None:
        if operation.number == number:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        elif operation.number > number:  # at the latest
            os.kill(os.getpid(), signal.SIGKILL)

    return fault


def full_disk(number: int, at_write: bool) -> Fault:
    """No space left from an operation on; ``at_write``: only while its file is written."""
    is_full, real = False, builtins.open

    def fault(operation: Operation) -> None:
        nonlocal is_full
        if at_write:
            if operation.number == 0:
                builtins.open = io.open = full_open  # type: ignore[assignment]
            is_full = operation.number == number
        elif operation.number >= number and operation.writes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), operation.path)

    def full_open(file: Any, mode: str = "r", *others: Any, **more: Any) -> Any:
        opened = real(file, mode, *others, **more)
        if not is_full or not set(mode) & set("wax+"):
            return opened
        opened.close()
        return real("/dev/full", mode.replace("x", "w").replace("a", "w"), *others, **more)

    return fault
