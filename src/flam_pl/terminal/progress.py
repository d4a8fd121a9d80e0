"""Progress bars; ``trainer.progress=false`` turns them off."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

DELAY = 1.0  # seconds before a bar appears

_shown = True


def show_progress(shown: bool) -> None:
    global _shown
    _shown = shown


def progress(items: Iterable[Any] | None, name: str, total: int | None = None) -> Any:
    """The same items, with a bar on stderr.

    Without items, the caller moves the bar by ``update``. ``total`` is for items without a length.
    """
    # a line per 10 seconds where stderr is a file
    interval = 0.1 if sys.stderr.isatty() else 10
    look: dict[str, Any] = {"leave": False, "delay": DELAY, "mininterval": interval}
    return tqdm(items, name, total, disable=not _shown, **look)
