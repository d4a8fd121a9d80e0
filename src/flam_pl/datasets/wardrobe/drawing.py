"""Draws the wardrobe into a folder, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from multiprocessing import get_context, parent_process
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.random import Generator

from flam_pl.atomic_io import only_writer, replace_folder, restore_folder, temporary
from flam_pl.config.data import WardrobeSettings
from flam_pl.datasets.wardrobe.garment import SCHEMA, Garment, draw_change, draw_garment
from flam_pl.datasets.wardrobe.photo import draw_photo, photograph
from flam_pl.errors import FlamError
from flam_pl.progress import progress

DRAWING_VERSION = 3  # to be raised when the same settings give other pictures or labels
CATALOG, SETTINGS, SPLITS = "catalog.csv", "settings.json", ("train", "val", "evaluation")
ITEMS_PER_TASK = 8
GARMENT, PHOTO, LABELS, CHANGE = range(4)  # independent streams of random numbers
Row = dict[str, str | int | float]


@dataclass(frozen=True)
class Item:
    """An item, or its ``change``-th counterfactual (0: the item itself)."""

    split: str
    number: int
    change: int = 0

    @property
    def name(self) -> str:
        stem = f"{self.split}-{self.number:05d}"
        return f"{stem}-changed-{self.change}" if self.change else stem


def items_of(settings: WardrobeSettings) -> Iterator[Item]:
    """All items; counterfactuals follow their original."""
    for split in SPLITS:
        for number, change in np.ndindex(settings.items(split), settings.changes(split) + 1):
            yield Item(split, number, change)


def random(settings: WardrobeSettings, item: Item, stream: int, number: int = 0) -> Generator:
    place = [settings.seed, SPLITS.index(item.split), item.number, item.change, stream, number]
    return np.random.default_rng(place)


@lru_cache(maxsize=16)
def garment_of(settings: WardrobeSettings, item: Item) -> Garment:
    rng = random(settings, item, GARMENT)
    if item.change == 0:
        return draw_garment(settings.seed, rng)
    original, *others = (
        garment_of(settings, Item(item.split, item.number, change)) for change in range(item.change)
    )
    order = random(settings, Item(item.split, item.number), CHANGE).permutation(len(SCHEMA.types))
    kind = SCHEMA.types[order[(item.change - 1) % len(order)]]
    for _ in range(50):  # from the fourth on types repeat, and so may classes
        garment = draw_change(settings.seed, original, kind, rng)
        if garment not in others:
            break
    return garment


def draw_item(folder: Path, settings: WardrobeSettings, item: Item) -> list[Row]:
    """Write the pictures of one item below ``folder``, or raise ``OSError``; returns their rows."""
    garment, rows = garment_of(settings, item), []
    photos = 1 if item.change else settings.photos(item.split)
    constant: Row = {f"true_{name}": garment.attribute(name) for name in SCHEMA.types}
    constant["counterfactual_of"] = Item(item.split, item.number).name if item.change else ""
    for number in range(photos):
        domain = "shop" if number < photos / 2 else "consumer"  # half of them, rounded up
        photo = draw_photo(random(settings, item, PHOTO, number), domain)
        path = f"images/{item.split}/{item.name}-{number}.jpg"
        write_jpeg(folder / path, photograph(garment, photo, settings.image_size))
        row: Row = {"path": path, "item": item.name, "domain": domain, "split": item.split}
        rows.append(row | labels(settings, item, number, garment) | constant | garment.describe())
    return rows


def labels(settings: WardrobeSettings, item: Item, number: int, garment: Garment) -> Row:
    """Labels of one image: sparse and partly wrong in training."""
    true: Row = {name: garment.attribute(name) for name in SCHEMA.types}
    if item.split != "train":
        return true
    rng = random(settings, item, LABELS, number)
    labelled = rng.random() < settings.labelled_share
    given: Row = {}
    for name, word in true.items():
        written, wrong = rng.random() < settings.label_rate, rng.random() < settings.wrong_rate
        other = str(rng.choice([known for known in SCHEMA.of(name) if known != word]))
        given[name] = (other if wrong else word) if labelled and written else ""
    return given


def write_jpeg(path: Path, picture: np.ndarray) -> None:
    """Write RGB uint8. Not by ``cv2.imwrite``, which hides a full disk."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    done, code = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 90])
    if not done:
        raise OSError(f"the picture could not be encoded: {path}")
    path.write_bytes(code.tobytes())


def draw_wardrobe(folder: Path, settings: WardrobeSettings, processes: int | None = None) -> None:
    """Draw what is not there yet; ``FlamError`` if the folder holds something else or it fails."""
    folder = Path(folder).absolute()
    if is_drawn(folder, settings):  # before the lock: a folder for reading only has none
        print(f"the wardrobe is there already: {folder}")
        return
    try:
        with only_writer(folder):
            restore_folder(folder)
            if not is_drawn(folder, settings):
                draw_anew(folder, settings, processes or cores())
    except OSError as error:
        raise FlamError(
            f"the wardrobe could not be drawn at {folder}: {error.strerror or error}. Free some "
            "space (about 8 kB per image), or name another folder. What was there is unchanged."
        ) from error
    except BrokenProcessPool as error:
        raise FlamError(
            f"a process that draws the wardrobe at {folder} died, perhaps for want of memory. Use "
            "data.workers=0. (In a script, call draw_wardrobe below `if __name__ == '__main__':`.)"
        ) from error


def cores() -> int:
    """Cores that this process may use; a container often has fewer than the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def is_drawn(folder: Path, settings: WardrobeSettings) -> bool:
    try:
        found = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(found == record(settings)) and (folder / CATALOG).is_file()


def record(settings: WardrobeSettings) -> dict[str, int | float]:
    return {**asdict(settings), "DRAWING_VERSION": DRAWING_VERSION}


def draw_anew(folder: Path, settings: WardrobeSettings, processes: int) -> None:
    """Draw into another folder, then put it in place of nothing or an older wardrobe."""
    names = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if names and not names & {SETTINGS, CATALOG}:
        raise FlamError(
            f"{folder} holds no wardrobe ({SETTINGS} is missing) and is no empty folder, so it is "
            "not replaced. Name another folder, or empty this one yourself."
        )
    growing = temporary(folder)
    try:
        draw_all(growing, settings, processes)
        replace_folder(growing, folder)
    finally:
        shutil.rmtree(growing, ignore_errors=True)


def draw_all(folder: Path, settings: WardrobeSettings, processes: int) -> None:
    for split in SPLITS:
        (folder / "images" / split).mkdir(parents=True)
    items = list(items_of(settings))
    rows: list[Row] = []
    total = sum(settings.items(s) * (settings.photos(s) + settings.changes(s)) for s in SPLITS)
    with progress(None, "drawing the wardrobe", total) as bar:
        for drawn in run(partial(draw_item, folder, settings), items, processes):
            rows += drawn
            bar.update(len(drawn))
    pd.DataFrame(rows).to_csv(folder / CATALOG, index=False, encoding="utf-8")
    (folder / SETTINGS).write_text(json.dumps(record(settings), indent=2) + "\n", encoding="utf-8")


def run(draw: partial[list[Row]], items: list[Item], processes: int) -> Iterator[list[Row]]:
    """The rows of each item, in the order of the items."""
    processes = min(processes, -(-len(items) // ITEMS_PER_TASK))
    if processes == 1:
        yield from map(draw, items)
        return
    spawn = get_context("spawn")  # the fork of a process with threads (PyTorch's) may hang
    pool = ProcessPoolExecutor(processes, mp_context=spawn, initializer=settle_worker)
    try:
        yield from pool.map(draw, items, chunksize=ITEMS_PER_TASK)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def settle_worker() -> None:

    def end_with_parent() -> None:
        if parent := parent_process():
            parent.join()
            os._exit(1)  # else it would wait for work forever

    cv2.setNumThreads(1)  # as many processes as cores are drawing already
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent gets it too, and ends the pool
    threading.Thread(target=end_with_parent, daemon=True).start()
