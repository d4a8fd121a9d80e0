"""Progress bars on stderr. ``trainer.progress=false`` turns all of them off."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

DELAY = 1.0
"""Seconds before a bar appears: what is done sooner needs none."""

_shown = True


def show_progress(shown: bool) -> None:
    """Turn the bars of this process on or off."""
    global _shown
    _shown = shown


def progress(items: Iterable[Any] | None, name: str, total: int | None = None) -> Any:
    """The same items behind a bar that names its stage.

    Args:
        items: None gives a bar that the caller moves on by ``update``.
        total: number of items, where they have no length.
    """
    # a line per 10 seconds where stderr is a file
    interval = 0.1 if sys.stderr.isatty() else 10
    look: dict[str, Any] = {"leave": False, "delay": DELAY, "mininterval": interval}
    return tqdm(items, name, total, disable=not _shown, **look)
