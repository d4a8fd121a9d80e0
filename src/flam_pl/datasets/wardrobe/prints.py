"""The graphic of a graphic print."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.random import Generator

from flam_pl.datasets.wardrobe.garment import Garment
from flam_pl.datasets.wardrobe.ink import disc, ellipse, polygon

MOTIF_PIXELS = 128
MIDDLE = (64, 64)
WORDS = ("NOVA", "SURF", "WILD", "ROCK", "CITY")

Ink = list[float]
"""RGB and a coverage of 255."""


@lru_cache(maxsize=8)
def motif(garment: Garment) -> np.ndarray:
    """The graphic of a garment, ``(128, 128, 4)`` uint8 RGB and coverage."""
    rng = np.random.default_rng([garment.traits.pattern_seed, 1])
    p = garment.palette()
    picture = np.zeros((MOTIF_PIXELS, MOTIF_PIXELS, 4), np.uint8)
    other = p.third if rng.random() < 0.7 else p.ground
    draw = MOTIFS[int(rng.integers(len(MOTIFS)))]
    draw(picture, [*p.second, 255.0], [*other, 255.0], rng)
    picture.setflags(write=False)  # it is cached
    return picture


def star(picture: np.ndarray, a: Ink, b: Ink, rng: Generator) -> None:
    """A star in a disc."""
    disc(picture, MIDDLE, 58, a)
    turn = -np.pi / 2 + np.arange(10) * np.pi / 5
    radius = np.where(np.arange(10) % 2 == 0, 50, 21)
    polygon(picture, 64 + np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=-1), b)


def mountains(picture: np.ndarray, a: Ink, b: Ink, rng: Generator) -> None:
    """Mountains and a sun in a frame."""
    cv2.rectangle(picture, (8, 16), (120, 112), a, -1)
    disc(picture, (90, 42), 15, b)
    polygon(picture, [[8, 112], [48, 40], [76, 84], [92, 64], [120, 112]], b)


def letters(picture: np.ndarray, a: Ink, b: Ink, rng: Generator) -> None:
    """A word over two bars."""
    word = WORDS[int(rng.integers(len(WORDS)))]
    cv2.putText(picture, word, (2, 66), cv2.FONT_HERSHEY_DUPLEX, 1.55, a, 6, cv2.LINE_AA)
    cv2.rectangle(picture, (6, 80), (122, 92), b, -1)
    cv2.rectangle(picture, (26, 100), (102, 108), a, -1)


def rings(picture: np.ndarray, a: Ink, b: Ink, rng: Generator) -> None:
    """Rings within each other."""
    for radius, color in ((60, a), (45, b), (30, a), (14, b)):
        disc(picture, MIDDLE, radius, color)


def heart(picture: np.ndarray, a: Ink, b: Ink, rng: Generator) -> None:
    """A broken heart."""
    t = np.linspace(0, 2 * np.pi, 48)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    polygon(picture, np.stack([64 + 3.5 * x, 60 - 3.5 * y], axis=-1), a)
    polygon(picture, [[52, 34], [72, 52], [60, 56], [78, 86], [54, 62], [64, 58]], b)


def face(picture: np.ndarray, a: Ink, b: Ink, rng: Generator) -> None:
    """A cat's face."""
    polygon(picture, [[18, 8], [54, 40], [20, 60]], a)
    polygon(picture, [[110, 8], [74, 40], [108, 60]], a)
    ellipse(picture, (64, 72), (48, 46), 0, a)
    disc(picture, (46, 64), 9, b)
    disc(picture, (82, 64), 9, b)
    polygon(picture, [[56, 82], [72, 82], [64, 92]], b)


MOTIFS = (star, mountains, letters, rings, heart, face)
