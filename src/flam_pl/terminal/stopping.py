"""How a command ends on SIGINT and SIGTERM, and in a DDP run."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
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


def default_handlers() -> None:
    """Within ``stoppable``, a signal ends the process at once, until ``listen`` is called. A
    handler in Python would have to wait until C++ code has heard from another process."""
    if _listening:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)


def end_with_parent() -> None:
    """A further process of a DDP run ends when the process that started it has ended."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    if int(os.environ.get("LOCAL_RANK", 0)) > 0:
        threading.Thread(target=watch, daemon=True).start()


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
