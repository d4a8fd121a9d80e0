"""Patterns: cloth of a garment as a picture, and the graphic of a graphic print."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np

from flam_pl.datasets.wardrobe.colors import luminance
from flam_pl.datasets.wardrobe.garment import Garment, Palette

CLOTH_PIXELS = 384
"""Height and width of a cloth picture."""
CLOTH_SCALE = 256.0
"""Its pixels a body unit."""
CLOTH_ORIGIN = (192.0, 64.0)
"""Its pixel (x, y) at the body's origin."""
MOTIF_PIXELS = 128
KNIT_UNIT = 200
"""What stands for evenly lit cloth in a picture of stitches."""

Pattern = Callable[[Palette, float, float, np.random.Generator], np.ndarray]
SHIFT = 4  # binary digits after the point of coordinates given to OpenCV


@lru_cache(maxsize=8)
def cloth(garment: Garment) -> np.ndarray:
    """The garment's cloth ``(384, 384, 3)`` uint8 RGB; it does not depend on the photo."""
    traits, palette = garment.traits, garment.palette()
    draw = PATTERN_OF.get(garment.pattern)
    if draw is None:
        picture = plain(palette)
    else:
        rng = np.random.default_rng(traits.pattern_seed)
        picture = draw(palette, traits.pattern_scale, traits.pattern_angle, rng)
    if garment.shape == "sweater":
        stitches = cv2.merge([knit(traits.pattern_scale)] * 3)
        picture = cv2.multiply(picture, stitches, scale=1 / KNIT_UNIT)
    picture.setflags(write=False)  # it is cached
    return picture


@lru_cache(maxsize=1)
def places() -> tuple[np.ndarray, np.ndarray]:
    """Body coordinates x, y of every cloth pixel, each ``(384, 384)``."""
    v, u = np.mgrid[0:CLOTH_PIXELS, 0:CLOTH_PIXELS].astype(np.float32)
    return (u - CLOTH_ORIGIN[0]) / CLOTH_SCALE, (v - CLOTH_ORIGIN[1]) / CLOTH_SCALE


def grid(angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates x, y ``(384, 384)`` in body units, turned by ``angle`` radians."""
    x, y = places()
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return c * x + s * y, c * y - s * x


def from_middle(position: np.ndarray, period: float, shift: float = 0.0) -> np.ndarray:
    """Signed distance from the middle of the period that each position lies in."""
    turns = position / np.float32(period) + np.float32(shift)
    return (turns - np.floor(turns) - np.float32(0.5)) * np.float32(period)


def soft(depth: np.ndarray) -> np.ndarray:
    """Coverage in [0, 1] where ``depth``, in body units, is how far inside a mark a pixel lies."""
    return np.clip(depth * np.float32(CLOTH_SCALE) + np.float32(0.5), 0, 1)


def band(position: np.ndarray, period: float, duty: float) -> np.ndarray:
    """Coverage in [0, 1] of stripes that fill ``duty`` of each ``period``; edges a pixel soft."""
    return soft(np.float32(duty * period / 2) - np.abs(from_middle(position, period)))


def plain(p: Palette) -> np.ndarray:
    """Cloth of the ground color, ``(384, 384, 3)`` uint8."""
    return np.full((CLOTH_PIXELS, CLOTH_PIXELS, 3), np.clip(p.ground + 0.5, 0, 255), np.uint8)


def dyed(picture: np.ndarray, color: np.ndarray, coverage: np.ndarray) -> np.ndarray:
    """The picture with ``color`` where ``coverage`` ``(H, W)`` is 1, mixed where it is between."""
    cover = cv2.merge([(coverage * 255).astype(np.uint8)] * 3)
    kept = cv2.multiply(picture, cv2.bitwise_not(cover), scale=1 / 255)
    ink = np.array([*np.clip(color, 0, 255), 0.0])  # four numbers: what OpenCV takes as one pixel
    added = cv2.multiply(cover, ink, scale=1 / 255)
    return cv2.add(kept, added)


def horizontal_stripes(
    p: Palette, scale: float, angle: float, rng: np.random.Generator
) -> np.ndarray:
    """Bands across, sometimes with a thin third line; cloth ``(S, S, 3)``."""
    _, y = grid(0.06 * angle)
    period = 0.06 + 0.07 * scale
    picture = dyed(plain(p), p.second, band(y, period, rng.uniform(0.3, 0.42)))
    if rng.random() < 0.35:  # a thin line of the third color inside the ground
        picture = dyed(picture, p.third, band(y + period / 2, period, 0.1))
    return picture


def vertical_stripes(
    p: Palette, scale: float, angle: float, rng: np.random.Generator
) -> np.ndarray:
    """Bands along the body."""
    x, _ = grid(0.05 * angle)
    period = 0.045 + 0.055 * scale
    return dyed(plain(p), p.second, band(x, period, rng.uniform(0.28, 0.4)))


def check(p: Palette, scale: float, angle: float, rng: np.random.Generator) -> np.ndarray:
    """Crossing bands, sometimes with the thin lines of a tartan."""
    x, y = grid(np.pi / 4 if angle > 0.7 else 0.05 * angle)
    period = 0.085 + 0.075 * scale
    duty = rng.uniform(0.28, 0.34)
    # A band alone is paler than half, two crossing ones are not: the ground stays the ground.
    coverage = 0.42 * (band(x, period, duty) + band(y, period, duty))
    picture = dyed(plain(p), p.second, coverage)
    if rng.random() < 0.4:  # tartan: thin lines between the bands
        thin = np.maximum(band(x + period / 2, period, 0.06), band(y + period / 2, period, 0.06))
        picture = dyed(picture, p.third, thin)
    return picture


def dots(p: Palette, scale: float, angle: float, rng: np.random.Generator) -> np.ndarray:
    """Discs on two square grids, one in the gaps of the other."""
    x, y = grid(angle * np.pi / 4)
    period = 0.075 + 0.06 * scale
    radius = np.float32(period * rng.uniform(0.2, 0.23))  # marks cover a quarter to a third
    coverage = np.zeros(x.shape, np.float32)
    for shift in (0.0, 0.5):  # two square grids, one in the gaps of the other
        dx, dy = from_middle(x, period, shift), from_middle(y, period, shift)
        coverage += soft(radius - np.sqrt(dx * dx + dy * dy))
    return dyed(plain(p), p.second, np.minimum(coverage, 1))


def zigzag(p: Palette, scale: float, angle: float, rng: np.random.Generator) -> np.ndarray:
    """Bands that go up and down."""
    x, y = grid(0.05 * angle)
    period = 0.08 + 0.05 * scale
    tooth = np.abs(from_middle(x, 0.12 + 0.05 * scale))
    return dyed(plain(p), p.second, band(y + tooth, period, rng.uniform(0.34, 0.42)))


def noise(rng: np.random.Generator, cells: int) -> np.ndarray:
    """Smooth noise ``(384, 384)``, each cell about 384 / cells pixels wide, with ragged edges."""
    half = CLOTH_PIXELS // 2
    coarse, fine = (
        cv2.resize(rng.standard_normal((n, n), np.float32), (half, half), interpolation=how)
        for n, how in ((cells, cv2.INTER_CUBIC), (3 * cells, cv2.INTER_LINEAR))
    )
    return cv2.resize(coarse + 0.25 * fine, (CLOTH_PIXELS, CLOTH_PIXELS))


def camouflage(p: Palette, scale: float, angle: float, rng: np.random.Generator) -> np.ndarray:
    """Blots in shades of the ground color, so that they never get another color's name."""
    picture, bright = plain(p), luminance(p.ground) > 60
    dark = 0.45 * p.ground if bright else p.ground + 58
    middle = 0.7 * p.ground if bright else p.ground + 30
    pale = p.ground + 0.5 * (np.array([232.0, 226.0, 205.0]) - p.ground) if bright else dark
    for color, level in ((middle, 0.45), (pale, 0.95), (dark, 0.8)):
        blot = np.clip((noise(rng, round(20 - 7 * scale)) - np.float32(level)) * 10 + 0.5, 0, 1)
        picture = dyed(picture, color, blot)
    return picture


def scattered(rng: np.random.Generator, spacing: float) -> np.ndarray:
    """Points ``(N, 2)`` in cloth pixels, spread evenly but not in rows."""
    count = int(CLOTH_PIXELS / spacing) + 2
    row, column = np.mgrid[0:count, 0:count].astype(float)
    column = column + 0.5 * (row % 2)
    points = np.stack([column, row], axis=-1).reshape(-1, 2) * spacing
    return points + rng.uniform(-0.22, 0.22, points.shape) * spacing


def disc(picture: np.ndarray, center: np.ndarray, radius: float, color: np.ndarray) -> None:
    """A filled disc in place, its center and radius exact to 1/16 pixel."""
    cv2.circle(
        picture,
        (round(center[0] * 16), round(center[1] * 16)),
        max(1, round(radius * 16)),
        [float(c) for c in color],
        -1,
        cv2.LINE_AA,
        SHIFT,
    )


def floral(p: Palette, scale: float, angle: float, rng: np.random.Generator) -> np.ndarray:
    """Scattered flowers with leaves."""
    picture = plain(p)
    radius = 6 + 5 * scale  # of a petal's center from the flower's, in cloth pixels
    leaf = np.array([60.0, 105.0, 62.0])
    if p.ground[1] > p.ground[0] and p.ground[1] > p.ground[2]:
        leaf = 0.6 * p.ground  # green leaves vanish on green
    for center in scattered(rng, radius * 4.3):
        size = radius * rng.uniform(0.75, 1.1)
        turn, petals = rng.uniform(0, 6.28), int(rng.integers(5, 7))
        color = p.second if rng.random() < 0.65 else p.third
        for side in (0.5, 3.6):
            tip = center + 1.9 * size * np.array([np.cos(turn + side), np.sin(turn + side)])
            axes = (round(size * 0.62 * 16), round(size * 0.28 * 16))
            at = (round(tip[0] * 16), round(tip[1] * 16))
            cv2.ellipse(
                picture, at, axes, np.degrees(turn + side), 0, 360, leaf.tolist(), -1,
                cv2.LINE_AA, SHIFT,
            )  # fmt: skip
        for k in range(petals):
            direction = turn + k * 2 * np.pi / petals
            petal = center + 0.8 * size * np.array([np.cos(direction), np.sin(direction)])
            disc(picture, petal, 0.6 * size, color)
        heart = np.array([245.0, 205.0, 70.0])
        disc(picture, center, 0.45 * size, heart if color[2] > 90 else 255 - 0.3 * color)
    return picture


def leopard(p: Palette, scale: float, angle: float, rng: np.random.Generator) -> np.ndarray:
    """Broken dark rings around a darker heart, on the ground color."""
    picture = plain(p)
    dark_ground = luminance(p.ground) < 60
    ring = np.array([205.0, 190.0, 165.0]) if dark_ground else np.array([28.0, 20.0, 16.0])
    heart = p.ground + 45 if dark_ground else 0.68 * p.ground
    radius = 7 + 5 * scale
    for center in scattered(rng, radius * 3.1):
        turn = rng.uniform(0, 360)
        axes = radius * rng.uniform(0.75, 1.1, 2)
        at = (round(center[0]), round(center[1]))
        half = (max(2, round(axes[0])), max(2, round(axes[1])))
        cv2.ellipse(picture, at, half, turn, 0, 360, heart.tolist(), -1, cv2.LINE_AA)
        for start in (0, 125, 245):
            arc = rng.uniform(60, 100)
            cv2.ellipse(
                picture, at, half, turn, start, start + arc, ring.tolist(),
                max(3, round(radius * 0.55)), cv2.LINE_AA,
            )  # fmt: skip
    return picture


def knit(scale: float) -> np.ndarray:
    """Light and shade of knitted stitches ``(384, 384)`` uint8, rows of small v's, by KNIT_UNIT."""
    x, y = places()
    column = 0.030 + 0.010 * scale
    stitch = np.sin((y + np.float32(1.2) * np.abs(from_middle(x, column))) * np.float32(262))
    groove = np.cos(x * np.float32(2 * np.pi / column))
    return (KNIT_UNIT * (1 + 0.075 * stitch + 0.07 * groove)).astype(np.uint8)


@lru_cache(maxsize=8)
def motif(garment: Garment) -> np.ndarray:
    """The graphic of a graphic print, ``(128, 128, 4)`` uint8 RGB and coverage."""
    rng = np.random.default_rng([garment.traits.pattern_seed, 1])
    p = garment.palette()
    picture = np.zeros((MOTIF_PIXELS, MOTIF_PIXELS, 4), np.uint8)
    first, other = (
        [*map(float, color), 255.0]
        for color in (p.second, p.third if rng.random() < 0.7 else p.ground)
    )
    MOTIFS[int(rng.integers(len(MOTIFS)))](picture, first, other, rng)
    picture.setflags(write=False)
    return picture


def polygon(picture: np.ndarray, points: np.ndarray, color: list[float]) -> None:
    """A filled polygon in place; points ``(N, 2)`` in pixels."""
    cv2.fillPoly(picture, [np.round(points * 16).astype(np.int32)], color, cv2.LINE_AA, SHIFT)


def star(picture: np.ndarray, a: list[float], b: list[float], rng: np.random.Generator) -> None:
    """A star in a disc."""
    cv2.circle(picture, (64, 64), 58, a, -1, cv2.LINE_AA)
    turn = -np.pi / 2 + np.arange(10) * np.pi / 5
    radius = np.where(np.arange(10) % 2 == 0, 50, 21)
    points = 64 + np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=-1)
    polygon(picture, points, b)


def mountains(
    picture: np.ndarray, a: list[float], b: list[float], rng: np.random.Generator
) -> None:
    """Mountains and a sun in a frame."""
    cv2.rectangle(picture, (8, 16), (120, 112), a, -1)
    cv2.circle(picture, (90, 42), 15, b, -1, cv2.LINE_AA)
    polygon(picture, np.array([[8, 112], [48, 40], [76, 84], [92, 64], [120, 112]]), b)


def letters(picture: np.ndarray, a: list[float], b: list[float], rng: np.random.Generator) -> None:
    """A word over two bars."""
    words = ("NOVA", "SURF", "WILD", "ROCK", "CITY")
    word = words[int(rng.integers(len(words)))]
    font = cv2.FONT_HERSHEY_DUPLEX
    cv2.putText(picture, word, (2, 66), font, 1.55, a, 6, cv2.LINE_AA)
    cv2.rectangle(picture, (6, 80), (122, 92), b, -1)
    cv2.rectangle(picture, (26, 100), (102, 108), a, -1)


def rings(picture: np.ndarray, a: list[float], b: list[float], rng: np.random.Generator) -> None:
    """Rings within each other."""
    for radius, color in ((60, a), (45, b), (30, a), (14, b)):
        cv2.circle(picture, (64, 64), radius, color, -1, cv2.LINE_AA)


def heart(picture: np.ndarray, a: list[float], b: list[float], rng: np.random.Generator) -> None:
    """A broken heart."""
    t = np.linspace(0, 2 * np.pi, 48)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    polygon(picture, np.stack([64 + 3.5 * x, 60 - 3.5 * y], axis=-1), a)
    polygon(picture, np.array([[52, 34], [72, 52], [60, 56], [78, 86], [54, 62], [64, 58]]), b)


def face(picture: np.ndarray, a: list[float], b: list[float], rng: np.random.Generator) -> None:
    """A cat's face."""
    polygon(picture, np.array([[18, 8], [54, 40], [20, 60]]), a)
    polygon(picture, np.array([[110, 8], [74, 40], [108, 60]]), a)
    cv2.ellipse(picture, (64, 72), (48, 46), 0, 0, 360, a, -1, cv2.LINE_AA)
    for x in (46, 82):
        cv2.circle(picture, (x, 64), 9, b, -1, cv2.LINE_AA)
    polygon(picture, np.array([[56, 82], [72, 82], [64, 92]]), b)


MOTIFS = (star, mountains, letters, rings, heart, face)

PATTERN_OF: dict[str, Pattern] = {
    "horizontal-stripes": horizontal_stripes,
    "vertical-stripes": vertical_stripes,
    "check": check,
    "dots": dots,
    "floral": floral,
    "camouflage": camouflage,
    "leopard": leopard,
    "zigzag": zigzag,
}
"""How each pattern is drawn; "solid" and "graphic-print" lie on plain cloth."""
