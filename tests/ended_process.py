"""The number of a process that has ended."""

from __future__ import annotations

import subprocess


def ended_process() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid
