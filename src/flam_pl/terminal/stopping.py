"""How a command ends on SIGINT and SIGTERM, and in a DDP run."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)

_listening = False
_received: signal.Signals | None = None


@contextmanager
def stoppable() -> Iterator[None]:
    """Within it, SIGINT and SIGTERM raise KeyboardInterrupt; a second signal ends the process."""
    global _listening, _received
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    _listening, _received = True, None
    listen()
    try:
        yield
    finally:
        _listening = False
        for number, handler in before.items():
            signal.signal(number, handler)


def listen() -> None:
    """Within ``stoppable``, install its handlers again after a library replaced them."""
    if _listening:
        for number in SIGNALS:
            signal.signal(number, _stop)


def received() -> signal.Signals | None:
    return _received


def _stop(number: int, frame: FrameType | None) -> None:
    global _received
    if _received is not None:
        os._exit(128 + number)
    _received = signal.Signals(number)
    raise KeyboardInterrupt


def leave_process_group(code: int) -> None:
    """Leave the process group of a DDP run; all processes but the first end here. At a normal exit,
    threads of the group may abort a process, and Lightning may kill the first."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return
    further = distributed.get_rank() > 0
    if code == 0:  # after an error another process may wait in the group for ever
        distributed.destroy_process_group()
    if further:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
