"""Pictures of cloth and graphic prints, and shapes in pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from flam_pl.datasets.wardrobe.garment import Garment, Palette, luminance

CLOTH_PIXELS = 384  # height and width of a cloth picture
CLOTH_SCALE = 256.0  # pixels per body unit
CLOTH_ORIGIN = (192.0, 64.0)  # its pixel (x, y) at the body's origin
KNIT_UNIT = 200  # value of evenly lit cloth in a picture of stitches
PRINT_PIXELS = 128  # height and width of a graphic
SHIFT = 4  # binary digits after the point of the coordinates that OpenCV gets
Color = Sequence[float] | np.ndarray


def polygon(picture: np.ndarray, points: ArrayLike, color: Color) -> None:
    cv2.fillPoly(picture, [fixed(points)], scalar(color), cv2.LINE_AA, SHIFT)


def line(picture: np.ndarray, points: ArrayLike, color: Color, width: int) -> None:
    cv2.polylines(picture, [fixed(points)], False, scalar(color), width, cv2.LINE_AA, SHIFT)


def disc(picture: np.ndarray, center: ArrayLike, radius: float, color: Color) -> None:
    ellipse(picture, center, (radius, radius), 0, color)


def box(picture: np.ndarray, low: ArrayLike, high: ArrayLike, color: Color) -> None:
    """A filled rectangle of whole pixels."""
    first, last = np.round([low, high]).astype(int).tolist()
    cv2.rectangle(picture, first, last, scalar(color), -1)


def bar(picture: np.ndarray, ends: ArrayLike, color: Color, width: int) -> None:
    """A straight line between whole pixels."""
    start, end = np.round(np.asarray(ends)).astype(int).tolist()
    cv2.line(picture, start, end, scalar(color), width, cv2.LINE_AA)


def ellipse(
    picture: np.ndarray, center: ArrayLike, axes: ArrayLike, turn: float, color: Color, *arc: float
) -> None:
    """A filled ellipse, or an ``arc`` (start, end, line width). Angles are degrees."""
    start, end, width = arc or (0, 360, -1)
    where = (fixed(center).tolist(), fixed(axes).tolist(), turn, start, end)
    cv2.ellipse(picture, *where, scalar(color), int(width), cv2.LINE_AA, SHIFT)


def fixed(points: ArrayLike) -> np.ndarray:
    return np.round(np.asarray(points) * 2**SHIFT).astype(np.int32)


def scalar(color: Color) -> list[float]:
    return [float(c) for c in color]


@lru_cache(maxsize=8)
def cloth(garment: Garment) -> np.ndarray:
    """The cloth, uint8 RGB ``(384, 384, 3)``."""
    traits, p, pattern = garment.traits, garment.palette(), garment.pattern
    scale, rng = traits.pattern_scale, np.random.default_rng(traits.pattern_seed)
    ground = np.clip(p.ground + 0.5, 0, 255)
    picture: np.ndarray = np.full((CLOTH_PIXELS, CLOTH_PIXELS, 3), ground, np.uint8)
    if pattern in PAINTERS:
        PAINTERS[pattern](picture, p, scale, rng)
    for color, coverage in layers(pattern, p, scale, traits.pattern_angle, rng):
        cover = cv2.merge([(coverage * 255).astype(np.uint8)] * 3)
        picture = cv2.multiply(picture, cv2.bitwise_not(cover), scale=1 / 255)
        pixel = np.array([*np.clip(color, 0, 255), 0.0])  # four numbers, as OpenCV wants
        picture = cv2.add(picture, cv2.multiply(cover, pixel, scale=1 / 255))
    if garment.shape == "sweater":
        picture = cv2.multiply(picture, cv2.merge([knit(scale)] * 3), scale=1 / KNIT_UNIT)
    picture.setflags(write=False)  # it is cached
    return picture


def layers(
    pattern: str, p: Palette, scale: float, angle: float, rng: Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The colors of a pattern, each with its coverage in [0, 1]."""
    if pattern == "horizontal-stripes":
        (_, y), period = grid(0.06 * angle), 0.06 + 0.07 * scale
        yield p.second, band(y, period, rng.uniform(0.3, 0.42))
        if rng.random() < 0.35:
            yield p.third, band(y + period / 2, period, 0.1)
    elif pattern == "vertical-stripes":
        x, _ = grid(0.05 * angle)
        yield p.second, band(x, 0.045 + 0.055 * scale, rng.uniform(0.28, 0.4))
    elif pattern == "check":
        x, y = grid(np.pi / 4 if angle > 0.7 else 0.05 * angle)
        period, duty = 0.085 + 0.075 * scale, rng.uniform(0.28, 0.34)
        yield p.second, 0.42 * (band(x, period, duty) + band(y, period, duty))
        if rng.random() < 0.4:
            yield p.third, np.maximum(*(band(at + period / 2, period, 0.06) for at in (x, y)))
    elif pattern == "dots":
        at, period = np.stack(grid(angle * np.pi / 4)), 0.075 + 0.06 * scale
        radius = np.float32(period * rng.uniform(0.2, 0.23))
        offsets = (np.square(from_middle(at, period, shift)) for shift in (0.0, 0.5))
        yield p.second, np.minimum(sum(soft(radius - np.sqrt(x + y)) for x, y in offsets), 1)
    elif pattern == "zigzag":
        x, y = grid(0.05 * angle)
        tooth = np.abs(from_middle(x, 0.12 + 0.05 * scale))
        yield p.second, band(y + tooth, 0.08 + 0.05 * scale, rng.uniform(0.34, 0.42))
    elif pattern == "camouflage":
        bright, pale = luminance(p.ground) > 60, np.array([232.0, 226.0, 205.0])
        dark = 0.45 * p.ground if bright else p.ground + 58
        middle = 0.7 * p.ground if bright else p.ground + 30
        pale = p.ground + 0.5 * (pale - p.ground) if bright else dark
        for color, level in ((middle, 0.45), (pale, 0.95), (dark, 0.8)):
            blot = (noise(rng, round(20 - 7 * scale)) - np.float32(level)) * 10 + 0.5
            yield color, np.clip(blot, 0, 1)


def grid(angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Body coordinates x, y of every cloth pixel, turned by ``angle`` radians."""
    v, u = np.mgrid[0:CLOTH_PIXELS, 0:CLOTH_PIXELS].astype(np.float32)
    x, y = (u - CLOTH_ORIGIN[0]) / CLOTH_SCALE, (v - CLOTH_ORIGIN[1]) / CLOTH_SCALE
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return c * x + s * y, c * y - s * x


def from_middle(position: np.ndarray, period: float, shift: float = 0.0) -> np.ndarray:
    """Signed distance from the middle of the period."""
    turns = position / np.float32(period) + np.float32(shift)
    return (turns - np.floor(turns) - np.float32(0.5)) * np.float32(period)


def soft(depth: np.ndarray) -> np.ndarray:
    """Coverage in [0, 1] at a ``depth`` inside a mark."""
    return np.clip(depth * np.float32(CLOTH_SCALE) + np.float32(0.5), 0, 1)


def band(position: np.ndarray, period: float, duty: float) -> np.ndarray:
    """Coverage by stripes that fill the share ``duty`` of a ``period``."""
    return soft(np.float32(duty * period / 2) - np.abs(from_middle(position, period)))


def noise(rng: Generator, cells: int) -> np.ndarray:
    coarse, fine = (rng.standard_normal((n, n), np.float32) for n in (cells, 3 * cells))
    half = (CLOTH_PIXELS // 2, CLOTH_PIXELS // 2)
    smooth = cv2.resize(coarse, half, interpolation=cv2.INTER_CUBIC)
    return cv2.resize(smooth + 0.25 * cv2.resize(fine, half), (CLOTH_PIXELS, CLOTH_PIXELS))


def scattered(rng: Generator, spacing: float) -> np.ndarray:
    """Cloth pixels ``(N, 2)``, spread evenly but not in rows."""
    count = int(CLOTH_PIXELS / spacing) + 2
    row, column = np.mgrid[0:count, 0:count].astype(float)
    points = np.stack([column + 0.5 * (row % 2), row], axis=-1).reshape(-1, 2) * spacing
    return points + rng.uniform(-0.22, 0.22, points.shape) * spacing


def toward(angle: float | np.ndarray) -> np.ndarray:
    """Unit vectors ``(..., 2)`` at angles in radians."""
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def floral(picture: np.ndarray, p: Palette, scale: float, rng: Generator) -> None:
    radius = 6 + 5 * scale  # from a flower's center to its petals', in cloth pixels
    red, green, blue = p.ground
    leaf = 0.6 * p.ground if green > max(red, blue) else (60.0, 105.0, 62.0)  # seen on green too
    for center in scattered(rng, radius * 4.3):
        size = radius * rng.uniform(0.75, 1.1)
        turn, petals = rng.uniform(0, 6.28), int(rng.integers(5, 7))
        color = p.second if rng.random() < 0.65 else p.third
        for way in (turn + 0.5, turn + 3.6):
            tip = center + 1.9 * size * toward(way)
            ellipse(picture, tip, (size * 0.62, size * 0.28), np.degrees(way), leaf)
        for k in range(petals):
            petal = center + 0.8 * size * toward(turn + k * 2 * np.pi / petals)
            disc(picture, petal, 0.6 * size, color)
        heart = (245.0, 205.0, 70.0) if color[2] > 90 else 255 - 0.3 * color
        disc(picture, center, 0.45 * size, heart)


def leopard(picture: np.ndarray, p: Palette, scale: float, rng: Generator) -> None:
    ring, heart, radius = (28.0, 20.0, 16.0), 0.68 * p.ground, 7 + 5 * scale
    if luminance(p.ground) < 60:
        ring, heart = (205.0, 190.0, 165.0), p.ground + 45
    width = max(3, round(radius * 0.55))
    for center in np.round(scattered(rng, radius * 3.1)):
        turn = rng.uniform(0, 360)
        axes = np.maximum(2, np.round(radius * rng.uniform(0.75, 1.1, 2)))
        ellipse(picture, center, axes, turn, heart)
        for start in (0, 125, 245):
            end = start + rng.uniform(60, 100)
            ellipse(picture, center, axes, turn, ring, start, end, width)


PAINTERS = {"floral": floral, "leopard": leopard}


def knit(scale: float) -> np.ndarray:
    (x, y), column = grid(0.0), 0.030 + 0.010 * scale
    stitch = np.sin((y + np.float32(1.2) * np.abs(from_middle(x, column))) * np.float32(262))
    groove = np.cos(x * np.float32(2 * np.pi / column))
    return (KNIT_UNIT * (1 + 0.075 * stitch + 0.07 * groove)).astype(np.uint8)


@lru_cache(maxsize=8)
def graphic(garment: Garment) -> np.ndarray:
    """A graphic print: RGB and coverage, uint8 ``(128, 128, 4)``."""
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
CORNERS = 64 + np.tile([50, 21], 5)[:, None] * toward(TURN)
T = np.linspace(0, 2 * np.pi, 48)
HEART_Y = 13 * np.cos(T) - 5 * np.cos(2 * T) - 2 * np.cos(3 * T) - np.cos(4 * T)
HEART = np.stack([64 + 3.5 * 16 * np.sin(T) ** 3, 60 - 3.5 * HEART_Y], axis=-1)
# The parts of each graphic: how, with which of two colors, where
STAR = ((disc, 0, MIDDLE, 58), (polygon, 1, CORNERS))
MOUNTAINS = ((box, 0, (8, 16), (120, 112)), (disc, 1, (90, 42), 15), (polygon, 1, PEAKS))
BARS = ((box, 1, (6, 80), (122, 92)), (box, 0, (26, 100), (102, 108)))  # below a word
RINGS = tuple((disc, i % 2, MIDDLE, radius) for i, radius in enumerate((60, 45, 30, 14)))
BROKEN_HEART = ((polygon, 0, HEART), (polygon, 1, CRACK))
HEAD = (*((polygon, 0, ear) for ear in EARS), (ellipse, 0, (64, 72), (48, 46), 0))
CAT = (*HEAD, (disc, 1, (46, 64), 9), (disc, 1, (82, 64), 9), (polygon, 1, NOSE))
GRAPHICS: tuple[tuple[Any, ...], ...] = (STAR, MOUNTAINS, BARS, RINGS, BROKEN_HEART, CAT)
