"""Draws the wardrobe into a folder, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.random import Generator
from torch.utils.data import DataLoader

from flam_pl.atomic_io import only_writer, replace_folder, restore_folder, temporary
from flam_pl.config.data import WardrobeSettings
from flam_pl.datasets.wardrobe.garment import SCHEMA, Garment, draw_change, draw_garment
from flam_pl.datasets.wardrobe.photo import draw_photo, photograph
from flam_pl.errors import FlamError
from flam_pl.terminal.progress import progress

DRAWING_VERSION = 3  # raise it when the same settings give other pictures or labels
SETTINGS, SPLITS = "settings.json", ("train", "val", "evaluation")
PATIENCE = 10.0  # seconds; the workers of a stopped drawing still write the photos that they hold
CONTENT = "sha256"  # column of the catalog: an unchanged photo is trusted without decoding
GARMENT, PHOTO, LABELS, CHANGE = range(4)  # independent streams of random numbers
Row = dict[str, str | int | float]


@dataclass(frozen=True)
class Item:  # an item (change 0) or one of its counterfactuals
    split: str
    number: int
    change: int = 0

    @property
    def name(self) -> str:
        stem = f"{self.split}-{self.number:05d}"
        return f"{stem}-changed-{self.change}" if self.change else stem


def items_of(settings: WardrobeSettings) -> Iterator[Item]:
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
    before = [replace(item, change=change) for change in range(item.change)]
    original, *others = (garment_of(settings, other) for other in before)
    order = random(settings, before[0], CHANGE).permutation(len(SCHEMA.types))
    kind = SCHEMA.types[order[(item.change - 1) % len(order)]]
    for _ in range(50):  # from the fourth on types repeat, and so may classes
        garment = draw_change(settings.seed, original, kind, rng)
        if garment not in others:
            break
    return garment


def draw_item(folder: Path, settings: WardrobeSettings, item: Item) -> list[Row]:
    garment, rows, photos = garment_of(settings, item), [], settings.photos(item.split)
    constant: Row = {f"true_{name}": garment.attribute(name) for name in SCHEMA.types}
    constant["counterfactual_of"] = replace(item, change=0).name if item.change else ""
    for number in range(1 if item.change else photos):
        domain = "shop" if number < photos / 2 else "consumer"  # half of them, rounded up
        photo = draw_photo(random(settings, item, PHOTO, number), domain)
        path = f"images/{item.split}/{item.name}-{number}.jpg"
        write_jpeg(folder / path, photograph(garment, photo, settings.image_size))
        row: Row = {"path": path, "item": item.name, "domain": domain, "split": item.split}
        row[CONTENT] = hashlib.sha256((folder / path).read_bytes()).hexdigest()
        rows.append(row | labels(settings, item, number, garment) | constant | garment.describe())
    return rows


def labels(settings: WardrobeSettings, item: Item, number: int, garment: Garment) -> Row:
    """Labels of a photo: sparse and partly wrong in the training split."""
    row: Row = {name: garment.attribute(name) for name in SCHEMA.types}
    if item.split == "train":
        rng = random(settings, item, LABELS, number)
        labelled = rng.random() < settings.labelled_share
        for name, true in row.items():
            written, wrong = rng.random() < settings.label_rate, rng.random() < settings.wrong_rate
            other = str(rng.choice([known for known in SCHEMA.of(name) if known != true]))
            row[name] = (other if wrong else true) if labelled and written else ""
    return row


def write_jpeg(path: Path, picture: np.ndarray) -> None:
    """Write RGB uint8. ``cv2.imwrite`` would hide a full disk."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, code = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 90])
    path.write_bytes(code.tobytes())


def draw_wardrobe(folder: Path, settings: WardrobeSettings, workers: int = 0) -> None:
    """Draw the wardrobe unless ``folder`` holds it; ``workers`` -1: one per core, 0: none. Raises
    FlamError if the folder holds other files or drawing fails."""
    folder = Path(folder).absolute()
    if folder.is_file():
        raise FlamError(
            f"data.root={folder} is a file, but the wardrobe is a folder. For a table of your own: "
            "data=table"
        )
    if is_drawn(folder, settings):  # before the lock: a folder for reading only has none
        print(f"the wardrobe is there already: {folder}")
        return
    try:
        with only_writer(folder):
            restore_folder(folder)
            if not is_drawn(folder, settings):
                draw_anew(folder, settings, cores() if workers < 0 else workers)
    except (OSError, RuntimeError) as error:  # RuntimeError: a worker died
        got = f"the wardrobe could not be drawn at {folder}, which is unchanged: {error}"
        remedy = "Free some space (8 kB per image), name another folder, or set data.workers=0."
        raise FlamError(f"{got}. {remedy}") from error


def cores() -> int:
    """Cores of this process; a container may have fewer than the machine."""
    affinity = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if affinity else os.cpu_count() or 1


def is_drawn(folder: Path, settings: WardrobeSettings) -> bool:
    found = folder / SETTINGS
    return found.is_file() and found.read_bytes() == record(settings).encode()


def record(settings: WardrobeSettings) -> str:
    return json.dumps({**asdict(settings), "DRAWING_VERSION": DRAWING_VERSION}, indent=2) + "\n"


def draw_anew(folder: Path, settings: WardrobeSettings, workers: int) -> None:
    """Draw into another folder, then put it into place."""
    own = folder / SETTINGS
    ours = own.is_file() and b"DRAWING_VERSION" in own.read_bytes()  # of any version
    if not ours and folder.exists() and any(folder.iterdir()):
        remedy = "Name another folder, or empty this one yourself."
        raise FlamError(f"{folder} is not empty and holds no wardrobe of flam-pl. {remedy}")
    growing = temporary(folder)
    try:
        draw_all(growing, settings, workers)
        replace_folder(growing, folder)
    finally:
        last = time.monotonic() + PATIENCE
        while growing.exists() and time.monotonic() < last:
            shutil.rmtree(growing, ignore_errors=True)
            time.sleep(0.05)


def draw_all(folder: Path, settings: WardrobeSettings, workers: int) -> None:
    for split in SPLITS:
        (folder / "images" / split).mkdir(parents=True)
    items = list(items_of(settings))
    workers = min(workers, len(items) // 8)  # a worker takes seconds to start
    drawn: DataLoader[Item] = DataLoader(
        items,  # type: ignore[arg-type]  # a list is a data set, too
        batch_size=None,
        collate_fn=partial(draw_item, folder, settings),
        num_workers=workers,
        worker_init_fn=one_thread,
        multiprocessing_context="spawn" if workers else None,
        generator=torch.Generator(),  # else iterating moves the global random state
    )
    rows = [row for rows in progress(drawn, "drawing the wardrobe") for row in rows]
    pd.DataFrame(rows).to_csv(folder / "catalog.csv", index=False, encoding="utf-8")
    (folder / SETTINGS).write_bytes(record(settings).encode())


def one_thread(worker: int) -> None:  # there is a worker per core
    cv2.setNumThreads(1)
