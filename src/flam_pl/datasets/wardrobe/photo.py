"""One photo of a garment."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from flam_pl.datasets.wardrobe.clothes import DRAWERS
from flam_pl.datasets.wardrobe.garment import Garment
from flam_pl.datasets.wardrobe.patterns import bar, box, ellipse, polygon, toward
from flam_pl.datasets.wardrobe.sketch import Canvas, Panel, Pose, Sketch, rounded, to_pixels

OCCLUDERS = ("arm", "bag", "phone", "strap", "leaf")
SKINS = ((236, 200, 176), (214, 168, 138), (176, 126, 96), (120, 82, 60), (244, 214, 196))
SOFTNESS = 4  # backgrounds are drawn this much smaller: out of focus
SUPERSAMPLING = 2
SHADE_UNIT = 180  # full light in 8 bits; up to 255 is for cloth that faces the lamp


def background(kind: str, size: int, rng: Generator) -> np.ndarray:
    """A background, uint8 RGB ``(size, size, 3)``."""
    small = max(16, size // SOFTNESS)
    if kind == "studio":  # a light, plain sheet, a little darker towards one side
        base = rng.uniform(222, 250) + rng.uniform(-5, 5, 3)
        fall, side = (np.linspace(0, rng.uniform(*end), small) for end in ((-18, 4), (-10, 10)))
        picture = base + fall[:, None, None] + side[None, :, None]
    else:
        scene = np.full((small, small, 3), room_color(rng), np.uint8)
        PAINTERS[kind](scene, rng)
        rough = rng.standard_normal((small // 2, small // 2, 1)).astype(np.float32) * 4
        texture = cv2.resize(rough, (small, small), interpolation=cv2.INTER_CUBIC)
        picture = np.maximum(scene + texture[..., None], 0)
    return cv2.resize(cv2.convertScaleAbs(picture), (size, size), interpolation=cv2.INTER_LINEAR)


def room_color(rng: Generator) -> np.ndarray:
    hue_dull_value = rng.uniform((0, 15, 70), (180, 130, 225), (1, 1, 3))
    return cv2.cvtColor(hue_dull_value.astype(np.uint8), cv2.COLOR_HSV2RGB)[0, 0]


def wall(picture: np.ndarray, rng: Generator) -> None:
    edge = round((size := len(picture)) * rng.uniform(0.6, 0.9))
    picture[edge:] = room_color(rng)
    picture[edge : edge + 2] = 235 if rng.random() < 0.5 else 60
    if rng.random() < 0.6:  # a window
        corner = rng.integers(0, size, 2) // (1, 2)
        box(picture, corner, corner + (size // 4, size // 3), room_color(rng))


def planks(picture: np.ndarray, rng: Generator) -> None:
    color = rng.uniform((120, 85, 55), (200, 150, 110))
    width = int(rng.integers(6, 12))
    for start in range(0, len(picture), width):
        picture[:, start : start + width] = color * rng.uniform(0.85, 1.12)
        picture[:, start] = color * 0.6
    if rng.random() < 0.5:
        picture[:] = picture.transpose(1, 0, 2).copy()


def tiles(picture: np.ndarray, rng: Generator) -> None:
    base, step = room_color(rng), int(rng.integers(8, 16))
    for i, j in np.ndindex((-(-len(picture) // step),) * 2):
        factor = 0.8 if (i + j) % 2 and step > 11 else rng.uniform(0.94, 1.04)
        picture[i * step : (i + 1) * step - 1, j * step : (j + 1) * step - 1] = base * factor


def bed(picture: np.ndarray, rng: Generator) -> None:
    coarse = rng.standard_normal((9, 9)).astype(np.float32)
    waves = cv2.resize(coarse, picture.shape[:2], interpolation=cv2.INTER_CUBIC)
    light = 1 + 0.9 * cv2.Sobel(waves, cv2.CV_32F, 1, 1, ksize=3)
    picture[:] = np.clip(picture * np.clip(light, 0.7, 1.25)[..., None], 0, 255)


def street(picture: np.ndarray, rng: Generator) -> None:
    size, x = picture.shape[0], 0
    while x < size:
        width = int(rng.integers(10, 26))
        picture[:, x : x + width] = room_color(rng)
        for y in range(3, size - 12, 9):
            box(picture, (x + 3, y), (x + width // 2, y + 4), room_color(rng) * 0.8)
        x += width
    picture[round(size * 0.8) :] = rng.uniform(80, 150)
    for _ in range(6):
        at = rng.integers(0, size, 2).tolist()
        cv2.circle(picture, at, int(rng.integers(1, 4)), (250, 236, 190), -1)
    picture[:] = cv2.GaussianBlur(picture, (0, 0), 1.6)


def clutter(picture: np.ndarray, rng: Generator) -> None:
    for _ in range(int(rng.integers(9, 18))):
        center, reach = rng.uniform(0, picture.shape[0], 2), rng.uniform(5, 16)
        turn = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 7))))
        polygon(picture, np.round(center + reach * toward(turn)), room_color(rng))


def leaves(picture: np.ndarray, rng: Generator) -> None:
    picture[:] = (70, 96, 52)
    for _ in range(70):
        at, turn = rng.integers(0, len(picture), 2), float(rng.uniform(0, 180))
        ellipse(picture, at, (5, 2), turn, rng.uniform((40, 90, 30), (150, 170, 90)))


# each paints over a plain picture (S, S, 3), in place
PAINTERS = {paint.__name__: paint for paint in (wall, planks, tiles, bed, street, clutter, leaves)}
BACKGROUNDS = tuple(PAINTERS)


def dimmed(picture: np.ndarray, light: np.ndarray) -> np.ndarray:
    return cv2.multiply(picture, cv2.merge([light] * 3), scale=1 / 255)


def cast_shadow(scene: np.ndarray, mask: np.ndarray, photo: Photo) -> np.ndarray:
    size = len(mask)
    move = np.column_stack([np.eye(2), -0.022 * size * np.array(photo.light)])
    shadow = cv2.warpAffine(mask, move, (size, size))
    for _ in range(2):
        shadow = cv2.blur(shadow, (size // 16, size // 16))
    return dimmed(scene, 255 - (shadow * photo.shadow).astype(np.uint8))


def shadow_stripe(scene: np.ndarray, strength: float, rng: Generator) -> np.ndarray:
    turn, place = rng.uniform(0, np.pi), rng.uniform(-0.3, 0.3)
    x = np.linspace(-0.5, 0.5, len(scene) // 4, dtype=np.float32)
    across = np.float32(np.cos(turn)) * x + np.float32(np.sin(turn)) * x[:, None]
    dark = np.clip((across - np.float32(place)) * 9, 0, 1) * np.float32(strength)
    light = (255 * (1 - dark)).astype(np.uint8)
    return dimmed(scene, cv2.resize(light, scene.shape[1::-1], interpolation=cv2.INTER_LINEAR))


def wear(canvas: Canvas, rng: Generator) -> None:
    """Put a wearer's limbs behind the cloth, in place."""
    skin, body = SKINS[int(rng.integers(len(SKINS)))], np.zeros_like(canvas.mask)
    for ends, half in canvas.sketch.bones:
        width = max(1, round(2 * half * canvas.scale))
        bar(body, to_pixels(canvas.matrix, ends), (255,), width)
    seen = body > canvas.mask
    cv2.copyTo(rounded(cv2.blur(body, (9, 9))), seen.astype(np.uint8), canvas.shade)
    canvas.color[seen] = skin
    canvas.mask[:] = cv2.add(canvas.mask, body)  # half cloth and half skin is no background at all


def occlude(scene: np.ndarray, kind: str, mask: np.ndarray, rng: Generator) -> None:
    """Draw an occluder in front of the garment's rim, in place."""
    size, points = len(scene), np.argwhere(mask[::8, ::8] > 127)[:, ::-1] * 8.0
    at = points[int(rng.integers(len(points)))]
    outwards = at - points.mean(axis=0)
    outwards *= size / (np.linalg.norm(outwards) + 1e-6)
    at = at + 0.1 * outwards  # towards the garment's rim
    color, turn = room_color(rng) * 0.8, float(rng.uniform(0, 2 * np.pi))
    if kind == "arm":
        skin = SKINS[int(rng.integers(len(SKINS)))]
        bar(scene, [at, at + outwards], skin, round(size * 0.075))
    elif kind == "bag":
        box(scene, at - 0.1 * size, at + 0.11 * size, color)
        handle = np.round((0.06 * size, 0.09 * size))
        ellipse(scene, np.round(at - (0, 0.1 * size)), handle, 0, color, 180, 360, 4)
    elif kind == "phone":
        corners = cv2.boxPoints((at.tolist(), (0.1 * size, 0.19 * size), np.degrees(turn)))
        polygon(scene, np.round(corners), (28, 28, 32))
    elif kind == "strap":
        reach = size * toward(turn)
        bar(scene, [at - reach, at + reach], color, round(size * 0.03))
    else:
        axes = np.round((0.07 * size, 0.022 * size))
        for k in range(5):
            middle = np.round((at + (at + 0.09 * size * toward(turn + k))) / 2)
            ellipse(scene, middle, axes, np.degrees(turn + k), (48, 88 + 8 * k, 46))


@dataclass(frozen=True)
class Photo:
    """The circumstances of a photo."""

    pose: Pose  # below, lengths are shares of the picture's side
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

    def about(middle: float, reach: float) -> float:
        return float(middle + (1.0 if hard else 0.4) * rng.uniform(-reach, reach))

    limbs = ((0.36, 0.26), (0.1, 0.3), (0.08, 0.08))
    arms, elbows, legs = ((about(*limb), about(*limb)) for limb in limbs)
    pose, warmth = Pose(arms, elbows, legs, sway=about(0.0, 0.035)), about(0.0, 0.1)
    return Photo(
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
        background=str(rng.choice(BACKGROUNDS)) if hard else "studio",
        occluder=str(rng.choice(OCCLUDERS)) if hard and rng.random() < 0.45 else "none",
        worn=bool(rng.random() < (0.55 if hard else 0.25)),
        blur=float(rng.uniform(0.2, 0.9)) if hard else 0.0,
        grain=float(rng.uniform(2, 8) if hard else rng.uniform(0.5, 1.5)),
        jpeg=int(rng.integers(35, 75)) if hard else 0,
        seed=int(rng.integers(2**31)),
    )


def photograph(garment: Garment, photo: Photo, size: int = 128) -> np.ndarray:
    """The photo, uint8 RGB ``(size, size, 3)``; equal arguments give equal pixels.

    >>> from flam_pl.datasets.wardrobe.garment import draw_garment
    >>> rng = np.random.default_rng(0)
    >>> photograph(draw_garment(0, rng), draw_photo(rng, "shop"), size=64).shape
    (64, 64, 3)
    """
    large = size * SUPERSAMPLING
    rng = np.random.default_rng(photo.seed)
    picture, mask = lit_garment(garment, photo, large, rng)
    scene = cast_shadow(background(photo.background, large, rng), mask, photo)
    scene = cv2.add(dimmed(scene, 255 - mask), dimmed(picture, mask))
    if photo.occluder != "none":
        occlude(scene, photo.occluder, mask, rng)
    if photo.stripe:
        scene = shadow_stripe(scene, photo.stripe, rng)
    return developed(scene, photo, size, rng)


def lit_garment(garment: Garment, photo: Photo, size: int, rng: Generator) -> list[np.ndarray]:
    """The lit, bent garment ``(S, S, 3)`` and its coverage ``(S, S)``, uint8."""
    sketch = Sketch(garment, photo.pose)
    DRAWERS[garment.shape](sketch)
    canvas = Canvas(sketch, framing(sketch, photo, size), size)
    if photo.worn:
        wear(canvas, rng)
    lit = light_up(canvas, photo, rng)
    coarse = rng.standard_normal((4, 4, 2)).astype(np.float32) * np.float32(photo.warp * size * 0.6)
    smooth = cv2.resize(coarse, (size // 8, size // 8), interpolation=cv2.INTER_CUBIC)
    bend = cv2.resize(smooth, (size, size), interpolation=cv2.INTER_LINEAR)
    down, across = np.mgrid[0:size, 0:size].astype(np.float32) + bend.transpose(2, 0, 1)[::-1]
    images, how = (lit, canvas.mask), cv2.INTER_LINEAR
    return [cv2.remap(x, across, down, how, borderMode=cv2.BORDER_REPLICATE) for x in images]


def framing(sketch: Sketch, photo: Photo, size: int) -> np.ndarray:
    points = np.concatenate([part.points for part in sketch.parts if isinstance(part, Panel)])
    low, high = points.min(axis=0), points.max(axis=0)
    scale = size * photo.scale / float((high - low).max())
    c, s = toward(np.radians(photo.rotation))
    linear = scale * np.array([[c, -s], [s, c]])
    middle = size * (0.5 + np.array(photo.shift)) - linear @ ((low + high) / 2)
    return np.column_stack([linear, middle])


def light_up(canvas: Canvas, photo: Photo, rng: Generator) -> np.ndarray:
    size, half = len(canvas.mask), len(canvas.mask) // 2
    coarse = rng.standard_normal((7, 12)).astype(np.float32)
    bumps = cv2.resize(coarse, (half, half), interpolation=cv2.INTER_CUBIC)
    small = cv2.resize(canvas.mask, (half, half), interpolation=cv2.INTER_AREA)
    body = cv2.blur(small, (half // 6 | 1, half // 6 | 1)).astype(np.float32) / 255
    height = (canvas.relief() + 0.5 * bumps) * photo.creases + 3.0 * body
    slope_x, slope_y = (cv2.Sobel(height, cv2.CV_32F, x, 1 - x, ksize=3) for x in (1, 0))
    # the cloth's normal is (-slope_x, -slope_y, 1): what faces the light is bright
    light = np.clip(-0.16 * (photo.light[0] * slope_x + photo.light[1] * slope_y), -0.42, 0.24)
    factor = cv2.resize((SHADE_UNIT * (1.0 + light)).astype(np.uint8), (size, size))
    panels = cv2.addWeighted(canvas.shade, 0.5, canvas.shade, 0.0, 127.5)  # never darker than half
    factor = cv2.multiply(factor, panels, scale=1 / 255)
    lit = cv2.multiply(canvas.color, cv2.merge([factor] * 3), scale=1 / SHADE_UNIT)
    gleam = cv2.resize(np.clip(26.0 * light, 0, 255).astype(np.uint8), (size, size))
    return cv2.add(lit, cv2.merge([gleam] * 3))  # black cloth shows its folds by what it reflects


def developed(scene: np.ndarray, photo: Photo, size: int, rng: Generator) -> np.ndarray:
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
