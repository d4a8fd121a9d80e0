"""Pictures of patterned cloth, and of graphic prints."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator

from flam_pl.datasets.wardrobe import ink
from flam_pl.datasets.wardrobe.garment import Garment, Palette, luminance

CLOTH_PIXELS = 384  # height and width of a cloth picture
CLOTH_SCALE = 256.0  # pixels per body unit
CLOTH_ORIGIN = (192.0, 64.0)  # its pixel (x, y) at the body's origin
KNIT_UNIT = 200  # value of evenly lit cloth in a picture of stitches
PRINT_PIXELS = 128  # height and width of a graphic


@lru_cache(maxsize=8)
def cloth(garment: Garment) -> np.ndarray:
    """The garment's cloth, uint8 RGB ``(384, 384, 3)``."""
    traits, rng = garment.traits, np.random.default_rng(garment.traits.pattern_seed)
    draw = PATTERN_OF.get(garment.pattern, plain)
    picture = draw(garment.palette(), traits.pattern_scale, traits.pattern_angle, rng)
    if garment.shape == "sweater":
        stitches = cv2.merge([knit(traits.pattern_scale)] * 3)
        picture = cv2.multiply(picture, stitches, scale=1 / KNIT_UNIT)
    picture.setflags(write=False)  # it is cached
    return picture


def grid(angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Body coordinates x, y of every cloth pixel, turned by radians."""
    v, u = np.mgrid[0:CLOTH_PIXELS, 0:CLOTH_PIXELS].astype(np.float32)
    x, y = ((at - o) / CLOTH_SCALE for at, o in zip((u, v), CLOTH_ORIGIN, strict=True))
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return c * x + s * y, c * y - s * x


def from_middle(position: np.ndarray, period: float, shift: float = 0.0) -> np.ndarray:
    """Signed distance from the middle of each position's period."""
    turns = position / np.float32(period) + np.float32(shift)
    return (turns - np.floor(turns) - np.float32(0.5)) * np.float32(period)


def soft(depth: np.ndarray) -> np.ndarray:
    """Coverage in [0, 1] of pixels ``depth`` inside a mark."""
    return np.clip(depth * np.float32(CLOTH_SCALE) + np.float32(0.5), 0, 1)


def band(position: np.ndarray, period: float, duty: float) -> np.ndarray:
    """Coverage by stripes that fill ``duty`` of each ``period``."""
    return soft(np.float32(duty * period / 2) - np.abs(from_middle(position, period)))


def plain(p: Palette, *_: object) -> np.ndarray:
    return np.full((CLOTH_PIXELS, CLOTH_PIXELS, 3), np.clip(p.ground + 0.5, 0, 255), np.uint8)


def dyed(picture: np.ndarray, color: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    """The picture mixed with ``color`` by ``coverage`` in [0, 1]."""
    cover = cv2.merge([(coverage * 255).astype(np.uint8)] * 3)
    ground = cv2.multiply(picture, cv2.bitwise_not(cover), scale=1 / 255)
    pixel = np.array([*np.clip(color, 0, 255), 0.0])  # four numbers, as OpenCV wants
    return cv2.add(ground, cv2.multiply(cover, pixel, scale=1 / 255))


def horizontal_stripes(p: Palette, scale: float, angle: float, rng: Generator) -> np.ndarray:
    _, y = grid(0.06 * angle)
    period = 0.06 + 0.07 * scale
    picture = dyed(plain(p), p.second, band(y, period, rng.uniform(0.3, 0.42)))
    if rng.random() < 0.35:
        picture = dyed(picture, p.third, band(y + period / 2, period, 0.1))
    return picture


def vertical_stripes(p: Palette, scale: float, angle: float, rng: Generator) -> np.ndarray:
    x, _ = grid(0.05 * angle)
    return dyed(plain(p), p.second, band(x, 0.045 + 0.055 * scale, rng.uniform(0.28, 0.4)))


def check(p: Palette, scale: float, angle: float, rng: Generator) -> np.ndarray:
    x, y = grid(np.pi / 4 if angle > 0.7 else 0.05 * angle)
    period = 0.085 + 0.075 * scale
    duty = rng.uniform(0.28, 0.34)
    coverage = 0.42 * (band(x, period, duty) + band(y, period, duty))
    picture = dyed(plain(p), p.second, coverage)
    if rng.random() < 0.4:
        thin = np.maximum(band(x + period / 2, period, 0.06), band(y + period / 2, period, 0.06))
        picture = dyed(picture, p.third, thin)
    return picture


def dots(p: Palette, scale: float, angle: float, rng: Generator) -> np.ndarray:
    x, y = grid(angle * np.pi / 4)
    period = 0.075 + 0.06 * scale
    radius = np.float32(period * rng.uniform(0.2, 0.23))
    coverage = np.zeros(x.shape, np.float32)
    for shift in (0.0, 0.5):
        dx, dy = from_middle(x, period, shift), from_middle(y, period, shift)
        coverage += soft(radius - np.sqrt(dx * dx + dy * dy))
    return dyed(plain(p), p.second, np.minimum(coverage, 1))


def zigzag(p: Palette, scale: float, angle: float, rng: Generator) -> np.ndarray:
    x, y = grid(0.05 * angle)
    tooth = np.abs(from_middle(x, 0.12 + 0.05 * scale))
    coverage = band(y + tooth, 0.08 + 0.05 * scale, rng.uniform(0.34, 0.42))
    return dyed(plain(p), p.second, coverage)


def camouflage(p: Palette, scale: float, angle: float, rng: Generator) -> np.ndarray:
    picture, bright = plain(p), luminance(p.ground) > 60
    dark = 0.45 * p.ground if bright else p.ground + 58
    middle = 0.7 * p.ground if bright else p.ground + 30
    pale = p.ground + 0.5 * (np.array([232.0, 226.0, 205.0]) - p.ground) if bright else dark
    for color, level in ((middle, 0.45), (pale, 0.95), (dark, 0.8)):
        blot = np.clip((noise(rng, round(20 - 7 * scale)) - np.float32(level)) * 10 + 0.5, 0, 1)
        picture = dyed(picture, color, blot)
    return picture


def noise(rng: Generator, cells: int) -> np.ndarray:
    """Smooth noise of so many cells, with ragged edges."""
    half = CLOTH_PIXELS // 2
    coarse, fine = (
        cv2.resize(rng.standard_normal((n, n), np.float32), (half, half), interpolation=how)
        for n, how in ((cells, cv2.INTER_CUBIC), (3 * cells, cv2.INTER_LINEAR))
    )
    return cv2.resize(coarse + 0.25 * fine, (CLOTH_PIXELS, CLOTH_PIXELS))


def scattered(rng: Generator, spacing: float) -> np.ndarray:
    """Cloth pixels ``(N, 2)``, spread evenly but not in rows."""
    count = int(CLOTH_PIXELS / spacing) + 2
    row, column = np.mgrid[0:count, 0:count].astype(float)
    column = column + 0.5 * (row % 2)
    points = np.stack([column, row], axis=-1).reshape(-1, 2) * spacing
    return points + rng.uniform(-0.22, 0.22, points.shape) * spacing


def floral(p: Palette, scale: float, angle: float, rng: Generator) -> np.ndarray:
    picture = plain(p)
    radius = 6 + 5 * scale  # from a flower's center to its petals', in cloth pixels
    leaf = np.array([60.0, 105.0, 62.0])
    if p.ground[1] > p.ground[0] and p.ground[1] > p.ground[2]:
        leaf = 0.6 * p.ground  # green leaves vanish on green
    for center in scattered(rng, radius * 4.3):
        size = radius * rng.uniform(0.75, 1.1)
        turn, petals = rng.uniform(0, 6.28), int(rng.integers(5, 7))
        color = p.second if rng.random() < 0.65 else p.third
        for way in (turn + 0.5, turn + 3.6):
            tip = center + 1.9 * size * np.array([np.cos(way), np.sin(way)])
            ink.ellipse(picture, tip, (size * 0.62, size * 0.28), np.degrees(way), leaf)
        for k in range(petals):
            way = turn + k * 2 * np.pi / petals
            petal = center + 0.8 * size * np.array([np.cos(way), np.sin(way)])
            ink.disc(picture, petal, 0.6 * size, color)
        heart = np.array([245.0, 205.0, 70.0]) if color[2] > 90 else 255 - 0.3 * color
        ink.disc(picture, center, 0.45 * size, heart)
    return picture


def leopard(p: Palette, scale: float, angle: float, rng: Generator) -> np.ndarray:
    picture = plain(p)
    dark_ground = luminance(p.ground) < 60
    ring = np.array([205.0, 190.0, 165.0]) if dark_ground else np.array([28.0, 20.0, 16.0])
    heart = p.ground + 45 if dark_ground else 0.68 * p.ground
    radius = 7 + 5 * scale
    width = max(3, round(radius * 0.55))
    for center in np.round(scattered(rng, radius * 3.1)):
        turn = rng.uniform(0, 360)
        axes = np.maximum(2, np.round(radius * rng.uniform(0.75, 1.1, 2)))
        ink.ellipse(picture, center, axes, turn, heart)
        for start in (0, 125, 245):
            end = start + rng.uniform(60, 100)
            ink.ellipse(picture, center, axes, turn, ring, start, end, width)
    return picture


def knit(scale: float) -> np.ndarray:
    """Light and shade of knitted stitches, uint8."""
    x, y = grid(0.0)
    column = 0.030 + 0.010 * scale
    stitch = np.sin((y + np.float32(1.2) * np.abs(from_middle(x, column))) * np.float32(262))
    groove = np.cos(x * np.float32(2 * np.pi / column))
    return (KNIT_UNIT * (1 + 0.075 * stitch + 0.07 * groove)).astype(np.uint8)


# each: colors, scale (0 fine .. 1 coarse), angle (-1 .. 1), rng -> cloth (384, 384, 3) uint8
DRAWN = (horizontal_stripes, vertical_stripes, check, dots, floral, camouflage, leopard, zigzag)
PATTERN_OF = {draw.__name__.replace("_", "-"): draw for draw in DRAWN}


@lru_cache(maxsize=8)
def graphic(garment: Garment) -> np.ndarray:
    """A print, uint8 RGB and coverage ``(128, 128, 4)``."""
    rng, p = np.random.default_rng([garment.traits.pattern_seed, 1]), garment.palette()
    picture = np.zeros((PRINT_PIXELS, PRINT_PIXELS, 4), np.uint8)
    other = p.third if rng.random() < 0.7 else p.ground
    inks = [[*p.second, 255.0], [*other, 255.0]]  # the fourth number is the coverage
    parts = GRAPHICS[int(rng.integers(len(GRAPHICS)))]
    if parts is BARS:
        word, font = WORDS[int(rng.integers(len(WORDS)))], cv2.FONT_HERSHEY_DUPLEX
        cv2.putText(picture, word, (2, 66), font, 1.55, inks[0], 6, cv2.LINE_AA)
    for draw, color, *place in parts:
        draw(picture, *place, inks[color])
    picture.setflags(write=False)  # it is cached
    return picture


MIDDLE, WORDS = (64, 64), ("NOVA", "SURF", "WILD", "ROCK", "CITY")
PEAKS = [[8, 112], [48, 40], [76, 84], [92, 64], [120, 112]]
CRACK = [[52, 34], [72, 52], [60, 56], [78, 86], [54, 62], [64, 58]]
EARS = [[18, 8], [54, 40], [20, 60]], [[110, 8], [74, 40], [108, 60]]
NOSE = [[56, 82], [72, 82], [64, 92]]
TURN = -np.pi / 2 + np.arange(10) * np.pi / 5
CORNERS = 64 + np.tile([50, 21], 5)[:, None] * np.stack([np.cos(TURN), np.sin(TURN)], axis=-1)
T = np.linspace(0, 2 * np.pi, 48)
HEART_Y = 13 * np.cos(T) - 5 * np.cos(2 * T) - 2 * np.cos(3 * T) - np.cos(4 * T)
HEART = np.stack([64 + 3.5 * 16 * np.sin(T) ** 3, 60 - 3.5 * HEART_Y], axis=-1)
# The parts of each graphic: how, with which of two colors, where
STAR = ((ink.disc, 0, MIDDLE, 58), (ink.polygon, 1, CORNERS))
FRAME, SUN = (ink.box, 0, (8, 16), (120, 112)), (ink.disc, 1, (90, 42), 15)
MOUNTAINS = (FRAME, SUN, (ink.polygon, 1, PEAKS))
BARS = ((ink.box, 1, (6, 80), (122, 92)), (ink.box, 0, (26, 100), (102, 108)))  # below a word
RINGS = tuple((ink.disc, i % 2, MIDDLE, radius) for i, radius in enumerate((60, 45, 30, 14)))
BROKEN_HEART = ((ink.polygon, 0, HEART), (ink.polygon, 1, CRACK))
HEAD = (*((ink.polygon, 0, ear) for ear in EARS), (ink.ellipse, 0, (64, 72), (48, 46), 0))
CAT = (*HEAD, (ink.disc, 1, (46, 64), 9), (ink.disc, 1, (82, 64), 9), (ink.polygon, 1, NOSE))
GRAPHICS: tuple[tuple[Any, ...], ...] = (STAR, MOUNTAINS, BARS, RINGS, BROKEN_HEART, CAT)
