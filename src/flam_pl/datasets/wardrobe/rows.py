"""An item: its pictures and its rows of the catalog."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.random import Generator

from flam_pl.config.data import WardrobeSettings
from flam_pl.datasets.wardrobe.garment import SCHEMA, Garment
from flam_pl.datasets.wardrobe.joint import draw_change, draw_garment
from flam_pl.datasets.wardrobe.photo import draw_photo, photograph

SPLITS = ("train", "val", "evaluation")

# Independent streams of random numbers: a new label rate, for example, leaves every picture alone
GARMENT, PHOTO, LABELS, CHANGE = range(4)

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
        for number in range(settings.items(split)):
            for change in range(settings.changes(split) + 1):
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
    constant |= garment.describe()
    for number in range(photos):
        domain = "shop" if number < photos / 2 else "consumer"  # half of them, rounded up
        photo = draw_photo(random(settings, item, PHOTO, number), domain)
        path = f"images/{item.split}/{item.name}-{number}.jpg"
        write_jpeg(folder / path, photograph(garment, photo, settings.image_size))
        row: Row = {"path": path, "item": item.name, "domain": domain, "split": item.split}
        rows.append(row | labels(settings, item, number, garment) | constant)
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
