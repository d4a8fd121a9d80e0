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
    """The items, with a bar on stderr; without items, the caller calls ``update``."""
    seconds = 0.1 if sys.stderr.isatty() else 10  # between two states of the bar
    look: dict[str, Any] = {"leave": False, "delay": DELAY, "mininterval": seconds}
    return tqdm(items, name, total, disable=not _shown, **look)
