"""Draws the wardrobe into a folder: by several processes, all or nothing, and not twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path

import cv2
import pandas as pd

from flam_pl.atomic_io import only_writer, replace_folder, restore_folder
from flam_pl.config.data import WardrobeSettings
from flam_pl.datasets.wardrobe.rows import COLUMNS, SPLITS, Item, Row, draw_item, items_of
from flam_pl.errors import FlamError
from flam_pl.progress import progress

CATALOG = "catalog.csv"
SETTINGS = "settings.json"
ITEMS_A_TASK = 8

DRAWING_VERSION = 3
"""Raised whenever the same settings would give other pictures or labels than before."""


def draw_wardrobe(folder: Path, settings: WardrobeSettings, processes: int | None = None) -> None:
    """Draws the data set, unless it is there already with the same settings.

    The new set grows in a folder beside ``folder`` and takes its place by a rename when it is
    whole; until then the old one stays. The result does not depend on ``processes``. Where another
    command draws into the same folder, this one waits for it.

    Args:
        folder: where ``images/``, ``catalog.csv`` and ``settings.json`` shall be.
        settings: size, labels and seed.
        processes: how many draw at once, at least 1; None is one a core.

    Raises:
        FlamError: the folder holds something else, the disk is full, or a process died.
    """
    folder = Path(folder).absolute()
    if is_drawn(folder, settings):  # needs no lock, which a folder for reading only would refuse
        print(f"the wardrobe is there already: {folder}")
        return
    try:
        with only_writer(folder):
            restore_folder(folder)
            if not is_drawn(folder, settings):
                require_ours(folder)
                draw_anew(folder, settings, processes or cores())
    except OSError as error:
        raise FlamError(
            f"the wardrobe could not be drawn at {folder}: {error.strerror or error}. "
            "What was there before is unchanged. Free some space (about 8 kB an image are needed) "
            "or name another folder, and run it again."
        ) from error
    except BrokenProcessPool as error:
        raise FlamError(
            f"a process that draws the wardrobe at {folder} died, perhaps for want of memory. "
            "Run it again with data.workers=0, which draws in one. (In a script of your own, call "
            "draw_wardrobe below `if __name__ == '__main__':`.)"
        ) from error


def is_drawn(folder: Path, settings: WardrobeSettings) -> bool:
    """Whether ``folder`` holds the wardrobe of these settings, which is there whole or not."""
    try:
        there = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(there == record(settings)) and (folder / CATALOG).is_file()


def record(settings: WardrobeSettings) -> dict[str, int | float]:
    """What ``settings.json`` holds, and what tells whether a drawn wardrobe may be used again."""
    return {**asdict(settings), "DRAWING_VERSION": DRAWING_VERSION}


def require_ours(folder: Path) -> None:
    """Raises ``FlamError`` if the folder to be replaced holds something that is no wardrobe."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FlamError(f"{folder} is a file, expected a folder to draw the wardrobe into")
    if any(folder.iterdir()) and not (
        (folder / SETTINGS).is_file() or (folder / CATALOG).is_file()
    ):
        raise FlamError(
            f"{folder} is not empty and holds no wardrobe ({SETTINGS} is missing), so it is not "
            "replaced. Name another folder, or empty this one yourself."
        )


def draw_anew(folder: Path, settings: WardrobeSettings, processes: int) -> None:
    """Draws into a folder beside ``folder``, then puts it in its place."""
    growing = Path(tempfile.mkdtemp(prefix=f".{folder.name}.drawing-", dir=folder.parent))
    try:
        draw_all(growing, settings, processes)
        growing.chmod(0o755)  # mkdtemp makes folders that only the owner may read
        replace_folder(growing, folder)
    finally:
        shutil.rmtree(growing, ignore_errors=True)


def draw_all(folder: Path, settings: WardrobeSettings, processes: int) -> None:
    """Pictures, catalogue and settings into an empty folder."""
    for split in SPLITS:
        (folder / "images" / split).mkdir(parents=True)
    items = list(items_of(settings))
    tasks = [items[i : i + ITEMS_A_TASK] for i in range(0, len(items), ITEMS_A_TASK)]
    processes = min(processes, len(tasks))
    draw = partial(draw_items, folder, settings)
    rows: list[Row] = []
    total = sum(settings.items(s) * (settings.photos(s) + settings.changes(s)) for s in SPLITS)
    with progress(None, "drawing the wardrobe", total) as bar:
        for done in run(draw, tasks, processes):
            rows.extend(done)
            bar.update(len(done))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table.to_csv(folder / CATALOG, index=False, encoding="utf-8")
    text = json.dumps(record(settings), indent=2) + "\n"
    (folder / SETTINGS).write_text(text, encoding="utf-8")


def run(draw: partial[list[Row]], tasks: list[list[Item]], processes: int) -> Iterator[list[Row]]:
    """Results of the tasks in their order.

    New processes are spawned, never forked: the copy of a process with running threads (those of
    PyTorch) may hang.
    """
    if processes == 1:
        yield from map(draw, tasks)
        return
    pool = ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=settle_worker
    )
    try:
        yield from pool.map(draw, tasks)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def cores() -> int:
    """Cores this process may use; a container often gets fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def settle_worker() -> None:
    """Sets up a drawing process: one thread, deaf to Ctrl-C, gone when its parent is gone."""
    cv2.setNumThreads(1)  # as many processes as cores are drawing already
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and ends the pool
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """Ends this process once its parent was killed: it would wait for work forever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def draw_items(folder: Path, settings: WardrobeSettings, items: list[Item]) -> list[Row]:
    """A task of one process: some items' pictures, and their rows."""
    return [row for item in items for row in draw_item(folder, settings, item)]
