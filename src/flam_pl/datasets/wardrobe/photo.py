"""One photo of a garment."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from flam_pl.datasets.wardrobe import scenery
from flam_pl.datasets.wardrobe.canvas import Canvas
from flam_pl.datasets.wardrobe.clothes import sketch_of
from flam_pl.datasets.wardrobe.garment import Garment
from flam_pl.datasets.wardrobe.sketch import Panel, Pose, Sketch

SUPERSAMPLING = 2
SHADE_UNIT = 180  # full light in 8 bits; up to 255 is for cloth that faces the lamp


@dataclass(frozen=True)
class Photo:
    """All that is not the garment. Lengths are shares of the picture's side."""

    domain: str
    pose: Pose
    rotation: float  # degrees
    scale: float  # the garment's longer side
    shift: tuple[float, float]
    warp: float  # size of the non-rigid bending
    light: tuple[float, float]  # where it comes from: (x, y), y positive from below
    creases: float  # how strongly folds are seen
    exposure: float
    balance: tuple[float, float, float]  # white balance: gains of red, green, blue
    shadow: float  # darkness of the shadow that the garment casts, 0..1
    stripe: float  # darkness of a shadow that falls over the garment, 0 for none
    background: str
    occluder: str
    worn: bool
    blur: float  # standard deviation of the lens blur, in pixels of a picture of 128
    grain: float  # standard deviation of the sensor noise, of 255
    jpeg: int  # quality of the camera's own JPEG, 0 for none
    seed: int  # of everything scattered: bending, clutter, grain


def draw_photo(rng: Generator, domain: str) -> Photo:
    """Random circumstances: mild for "shop", hard for "consumer"."""
    hard = domain == "consumer"
    spread = 1.0 if hard else 0.4

    def about(middle: float, reach: float) -> float:
        return float(middle + spread * rng.uniform(-reach, reach))

    pose = Pose(
        arms=(about(0.36, 0.26), about(0.36, 0.26)),
        elbows=(about(0.1, 0.3), about(0.1, 0.3)),
        legs=(about(0.08, 0.08), about(0.08, 0.08)),
        sway=about(0.0, 0.035),
    )
    warmth = about(0.0, 0.1)
    return Photo(
        domain=domain,
        pose=pose,
        rotation=about(0, 22),
        scale=float(rng.uniform(0.68, 1.0)) if hard else about(0.87, 0.03),
        shift=(about(0, 0.07), about(0, 0.06)),
        warp=about(0.018, 0.012),
        light=(float(rng.choice((-1, 1)) * rng.uniform(0.4, 1.0)), float(rng.uniform(-1, -0.2))),
        creases=about(0.85, 0.35),
        exposure=about(1.0, 0.17),
        balance=(1 + warmth, 1 + about(0.0, 0.025), 1 - warmth),
        shadow=float(rng.uniform(0.25, 0.65) if hard else rng.uniform(0.15, 0.4)),
        stripe=float(rng.uniform(0.18, 0.35)) if hard and rng.random() < 0.35 else 0.0,
        background=str(rng.choice(scenery.BACKGROUNDS)) if hard else "studio",
        occluder=str(rng.choice(scenery.OCCLUDERS)) if hard and rng.random() < 0.45 else "none",
        worn=bool(rng.random() < (0.55 if hard else 0.25)),
        blur=float(rng.uniform(0.2, 0.9)) if hard else 0.0,
        grain=float(rng.uniform(2, 8) if hard else rng.uniform(0.5, 1.5)),
        jpeg=int(rng.integers(35, 75)) if hard else 0,
        seed=int(rng.integers(2**31)),
    )


def photograph(garment: Garment, photo: Photo, size: int = 128) -> np.ndarray:
    """uint8 RGB ``(size, size, 3)``; equal arguments give equal pixels.

    >>> from flam_pl.datasets.wardrobe.joint import draw_garment
    >>> rng = np.random.default_rng(0)
    >>> photograph(draw_garment(0, rng), draw_photo(rng, "shop"), size=64).shape
    (64, 64, 3)
    """
    large = size * SUPERSAMPLING
    rng = np.random.default_rng(photo.seed)
    picture, mask = lit_garment(garment, photo, large, rng)
    scene = scenery.background(photo.background, large, rng)
    scene = scenery.cast_shadow(scene, mask, photo.shadow, photo.light)
    scene = scenery.blend(scene, picture, mask)
    if photo.occluder != "none":
        scenery.occlude(scene, photo.occluder, mask, rng)
    if photo.stripe:
        scene = scenery.shadow_stripe(scene, photo.stripe, rng)
    return developed(scene, photo, size, rng)


def lit_garment(garment: Garment, photo: Photo, size: int, rng: Generator) -> list[np.ndarray]:
    """The lit, bent garment: RGB ``(S, S, 3)`` and coverage ``(S, S)``, uint8."""
    sketch = sketch_of(garment, photo.pose)
    canvas = Canvas(sketch, framing(sketch, photo, size), size)
    if photo.worn:
        scenery.wear(canvas, rng)
    lit = light_up(canvas, photo, rng)
    across, down = bending(size, photo.warp, rng)
    return [
        cv2.remap(image, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for image in (lit, canvas.mask)
    ]


def framing(sketch: Sketch, photo: Photo, size: int) -> np.ndarray:
    """The matrix ``(2, 3)`` from body units to pixels."""
    points = np.concatenate([part.points for part in sketch.parts if isinstance(part, Panel)])
    low, high = points.min(axis=0), points.max(axis=0)
    scale = size * photo.scale / float((high - low).max())
    c, s = np.cos(np.radians(photo.rotation)), np.sin(np.radians(photo.rotation))
    linear = scale * np.array([[c, -s], [s, c]])
    middle = size * (0.5 + np.array(photo.shift)) - linear @ ((low + high) / 2)
    return np.column_stack([linear, middle])


def light_up(canvas: Canvas, photo: Photo, rng: Generator) -> np.ndarray:
    """The colors in the photo's light, uint8 ``(S, S, 3)``."""
    size, half = len(canvas.mask), len(canvas.mask) // 2
    coarse = rng.standard_normal((7, 12)).astype(np.float32)
    bumps = cv2.resize(coarse, (half, half), interpolation=cv2.INTER_CUBIC)
    small = cv2.resize(canvas.mask, (half, half), interpolation=cv2.INTER_AREA)
    body = cv2.blur(small, (half // 6 | 1, half // 6 | 1)).astype(np.float32) / 255
    height = (canvas.relief() + 0.5 * bumps) * photo.creases + 3.0 * body
    slope_x = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3)
    slope_y = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3)
    # the cloth's normal is (-slope_x, -slope_y, 1): what faces the light is bright
    light = np.clip(-0.16 * (photo.light[0] * slope_x + photo.light[1] * slope_y), -0.42, 0.24)
    factor = cv2.resize((SHADE_UNIT * (1.0 + light)).astype(np.uint8), (size, size))
    panels = cv2.addWeighted(canvas.shade, 0.5, canvas.shade, 0.0, 127.5)  # never darker than half
    factor = cv2.multiply(factor, panels, scale=1 / 255)
    lit = cv2.multiply(canvas.color, cv2.merge([factor] * 3), scale=1 / SHADE_UNIT)
    gleam = cv2.resize(np.clip(26.0 * light, 0, 255).astype(np.uint8), (size, size))
    return cv2.add(lit, cv2.merge([gleam] * 3))  # black cloth shows its folds by what it reflects


def bending(size: int, amount: float, rng: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Maps for ``cv2.remap``: smooth shifts of about ``amount``."""
    coarse = rng.standard_normal((4, 4, 2)).astype(np.float32) * np.float32(amount * size * 0.6)
    smooth = cv2.resize(coarse, (size // 8, size // 8), interpolation=cv2.INTER_CUBIC)
    shift = cv2.resize(smooth, (size, size), interpolation=cv2.INTER_LINEAR)
    line = np.arange(size, dtype=np.float32)
    return shift[..., 0] + line[None, :], shift[..., 1] + line[:, None]


def developed(scene: np.ndarray, photo: Photo, size: int, rng: Generator) -> np.ndarray:
    """The scene as the camera stores it."""
    small = cv2.resize(scene, (size, size), interpolation=cv2.INTER_AREA)
    if photo.blur > 0.25:
        small = cv2.GaussianBlur(small, (0, 0), photo.blur * size / 128)
    gains = np.array(photo.balance, np.float32) * np.float32(photo.exposure)
    grain = rng.standard_normal((size, size, 1), np.float32) * np.float32(photo.grain)
    picture = cv2.convertScaleAbs(np.maximum(small * gains + grain, 0))
    if photo.jpeg:
        _, code = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, photo.jpeg])
        picture = cv2.imdecode(code, cv2.IMREAD_COLOR)
    return np.asarray(picture)
