"""What is around a garment: backgrounds, shadows, a wearer, and things in front of it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from flam_pl.datasets.wardrobe.canvas import Layer
from flam_pl.datasets.wardrobe.outlines import Point

BACKGROUNDS = ("wall", "planks", "tiles", "bed", "street", "clutter", "leaves")
OCCLUDERS = ("arm", "bag", "phone", "strap", "leaf")
SKINS = ((236, 200, 176), (214, 168, 138), (176, 126, 96), (120, 82, 60), (244, 214, 196))
SOFTNESS = 4
"""Backgrounds are drawn this much smaller and enlarged: cheap, and out of focus as in photos."""


def background(kind: str, size: int, rng: np.random.Generator) -> np.ndarray:
    """A background without the garment: uint8 RGB ``(size, size, 3)``."""
    small = max(16, size // SOFTNESS)
    if kind == "studio":
        picture = studio(small, rng)
    else:
        picture = np.empty((small, small, 3), np.uint8)
        picture[:] = room_color(rng)
        PAINTERS[kind](picture, rng)
        rough = rng.standard_normal((small // 2, small // 2, 1)).astype(np.float32) * 4
        texture = cv2.resize(rough, (small, small), interpolation=cv2.INTER_CUBIC)
        picture = cv2.convertScaleAbs(np.maximum(picture + texture[..., None], 0))
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_LINEAR)


def studio(small: int, rng: np.random.Generator) -> np.ndarray:
    """A light, plain sheet, a little darker towards one side."""
    base = rng.uniform(222, 250) + rng.uniform(-5, 5, 3)
    fall = np.linspace(0, rng.uniform(-18, 4), small)[:, None, None]
    side = np.linspace(0, rng.uniform(-10, 10), small)[None, :, None]
    return cv2.convertScaleAbs(base + fall + side)


def room_color(rng: np.random.Generator) -> np.ndarray:
    """A color as rooms and streets have: mostly dull, any hue."""
    hue, dull, value = rng.uniform(0, 180), rng.uniform(15, 130), rng.uniform(70, 225)
    pixel = np.array([[[hue, dull, value]]], np.uint8)
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0]


def tone(color: np.ndarray, factor: float) -> list[float]:
    """The color made lighter (factor above 1) or darker."""
    return [float(c) for c in np.clip(color * factor, 0, 255)]


def wall(picture: np.ndarray, rng: np.random.Generator) -> None:
    """A wall over a floor."""
    size = picture.shape[0]
    edge = round(size * rng.uniform(0.6, 0.9))
    picture[edge:] = room_color(rng)
    picture[edge : edge + 2] = 235 if rng.random() < 0.5 else 60
    if rng.random() < 0.6:  # a picture or a window on the wall
        x, y = rng.integers(0, size, 2)
        cv2.rectangle(
            picture,
            (int(x), int(y) // 2),
            (int(x) + size // 4, int(y) // 2 + size // 3),
            room_color(rng).tolist(),
            -1,
        )


def planks(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Floor boards."""
    size = picture.shape[0]
    color = np.array([rng.uniform(120, 200), rng.uniform(85, 150), rng.uniform(55, 110)])
    width = int(rng.integers(6, 12))
    for start in range(0, size, width):
        picture[:, start : start + width] = np.clip(color * rng.uniform(0.85, 1.12), 0, 255)
        picture[:, start] = np.clip(color * 0.6, 0, 255)
    if rng.random() < 0.5:
        picture[:] = picture.transpose(1, 0, 2).copy()


def tiles(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Tiles, in two tones or with grout."""
    size, base = picture.shape[0], room_color(rng)
    step = int(rng.integers(8, 16))
    for i, y in enumerate(range(0, size, step)):
        for j, x in enumerate(range(0, size, step)):
            factor = 0.8 if (i + j) % 2 and step > 11 else rng.uniform(0.94, 1.04)
            picture[y : y + step - 1, x : x + step - 1] = np.clip(base * factor, 0, 255)


def bed(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Crumpled linen."""
    size = picture.shape[0]
    waves = cv2.resize(
        rng.standard_normal((9, 9)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC
    )
    light = 1 + 0.9 * cv2.Sobel(waves, cv2.CV_32F, 1, 1, ksize=3)
    picture[:] = np.clip(picture * np.clip(light, 0.7, 1.25)[..., None], 0, 255)


def street(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Blurred house fronts, windows, lamps."""
    size = picture.shape[0]
    x = 0
    while x < size:
        width = int(rng.integers(10, 26))
        picture[:, x : x + width] = room_color(rng)
        for y in range(3, size - 12, 9):
            cv2.rectangle(
                picture, (x + 3, y), (x + width // 2, y + 4), tone(room_color(rng), 0.8), -1
            )
        x += width
    picture[round(size * 0.8) :] = rng.uniform(80, 150)
    for _ in range(6):
        at = rng.integers(0, size, 2)
        cv2.circle(picture, (int(at[0]), int(at[1])), int(rng.integers(1, 4)), (250, 236, 190), -1)
    picture[:] = cv2.GaussianBlur(picture, (0, 0), 1.6)


def clutter(picture: np.ndarray, rng: np.random.Generator) -> None:
    """A heap of things in strong colors."""
    size = picture.shape[0]
    for _ in range(int(rng.integers(9, 18))):
        center, reach = rng.uniform(0, size, 2), rng.uniform(5, 16)
        turn = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 7))))
        points = center + reach * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
        cv2.fillPoly(
            picture, [np.round(points).astype(np.int32)], room_color(rng).tolist(), cv2.LINE_AA
        )


def leaves(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Grass and bushes."""
    size = picture.shape[0]
    picture[:] = (70, 96, 52)
    for _ in range(70):
        at, turn = rng.integers(0, size, 2), float(rng.uniform(0, 180))
        color = (
            float(rng.uniform(40, 150)),
            float(rng.uniform(90, 170)),
            float(rng.uniform(30, 90)),
        )
        cv2.ellipse(picture, (int(at[0]), int(at[1])), (5, 2), turn, 0, 360, color, -1, cv2.LINE_AA)


PAINTERS = {
    "wall": wall,
    "planks": planks,
    "tiles": tiles,
    "bed": bed,
    "street": street,
    "clutter": clutter,
    "leaves": leaves,
}


def cast_shadow(
    scene: np.ndarray, mask: np.ndarray, strength: float, light: tuple[float, float]
) -> np.ndarray:
    """The scene with the garment's soft shadow, away from the light."""
    size = mask.shape[0]
    move = np.array([[1, 0, -0.022 * size * light[0]], [0, 1, -0.022 * size * light[1]]])
    shadow = cv2.warpAffine(mask, move, (size, size))
    shadow = cv2.blur(cv2.blur(shadow, (size // 16, size // 16)), (size // 16, size // 16))
    keep = 255 - (shadow * strength).astype(np.uint8)
    return cv2.multiply(scene, cv2.merge([keep, keep, keep]), scale=1 / 255)


def blend(scene: np.ndarray, picture: np.ndarray, mask: np.ndarray) -> None:
    """Lays ``picture`` over ``scene`` in place where ``mask`` says."""
    cover = cv2.merge([mask, mask, mask])
    top = cv2.multiply(picture, cover, scale=1 / 255)
    scene[:] = cv2.add(cv2.multiply(scene, 255 - cover, scale=1 / 255), top)


def wear(
    layer: Layer,
    bones: Sequence[tuple[Point, Point, float]],
    matrix: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Puts a wearer's neck, arms and legs behind the cloth, in place."""
    skin = SKINS[int(rng.integers(len(SKINS)))]
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    body = np.zeros_like(layer.mask)
    for start, end, half in bones:
        a, b = (
            np.round(matrix[:, :2] @ np.array(p) + matrix[:, 2]).astype(int) for p in (start, end)
        )
        cv2.line(
            body,
            (int(a[0]), int(a[1])),
            (int(b[0]), int(b[1])),
            255,
            max(1, round(2 * half * scale)),
            cv2.LINE_AA,
        )
    seen = (body > layer.mask).astype(np.uint8)
    soft = cv2.blur(body, (9, 9))
    cv2.copyTo(cv2.addWeighted(soft, 0.75, soft, 0.0, 64.0), seen, layer.shade)
    layer.color[seen > 0] = skin
    layer.mask[:] = cv2.add(layer.mask, body)  # half cloth and half skin is no background at all


def occlude(scene: np.ndarray, kind: str, mask: np.ndarray, rng: np.random.Generator) -> None:
    """Puts a thing before the garment in place; it hides a tenth or so, never the middle of it."""
    size = scene.shape[0]
    ys, xs = np.nonzero(mask[::8, ::8] > 127)
    if len(xs) == 0:
        return
    pick = int(rng.integers(len(xs)))
    at = np.array([xs[pick], ys[pick]]) * 8.0
    center = np.array([xs.mean(), ys.mean()]) * 8.0
    away = at - center
    at = at + away / (np.linalg.norm(away) + 1e-6) * 0.1 * size  # pushed towards the garment's rim
    color = tone(room_color(rng), 0.8)
    turn = float(rng.uniform(0, 2 * np.pi))
    along = np.array([np.cos(turn), np.sin(turn)])
    if kind == "arm":
        skin = [float(c) for c in SKINS[int(rng.integers(len(SKINS)))]]
        far = at + (at - center) / (np.linalg.norm(at - center) + 1e-6) * size
        cv2.line(scene, integer(at), integer(far), skin, round(size * 0.075), cv2.LINE_AA)
    elif kind == "bag":
        cv2.rectangle(scene, integer(at - 0.1 * size), integer(at + 0.11 * size), color, -1)
        cv2.ellipse(
            scene,
            integer(at - np.array([0, 0.1 * size])),
            (round(0.06 * size), round(0.09 * size)),
            0,
            180,
            360,
            color,
            4,
            cv2.LINE_AA,
        )
    elif kind == "phone":
        box = cv2.boxPoints((tuple(map(float, at)), (0.1 * size, 0.19 * size), np.degrees(turn)))
        cv2.fillPoly(scene, [np.round(box).astype(np.int32)], (28, 28, 32), cv2.LINE_AA)
    elif kind == "strap":
        cv2.line(
            scene,
            integer(at - along * size),
            integer(at + along * size),
            color,
            round(size * 0.03),
            cv2.LINE_AA,
        )
    else:
        for k in range(5):
            tip = at + 0.09 * size * np.array([np.cos(turn + k), np.sin(turn + k)])
            cv2.ellipse(
                scene,
                integer((at + tip) / 2),
                (round(0.07 * size), round(0.022 * size)),
                float(np.degrees(turn + k)),
                0,
                360,
                (48, 88 + 8 * k, 46),
                -1,
                cv2.LINE_AA,
            )


def integer(point: np.ndarray) -> tuple[int, int]:
    """A point as whole pixels, for OpenCV."""
    return round(float(point[0])), round(float(point[1]))


def shadow_stripe(scene: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """A soft shadow of something outside the picture, across the scene."""
    small = scene.shape[0] // 4
    turn, place = rng.uniform(0, np.pi), rng.uniform(-0.3, 0.3)
    line = np.linspace(-0.5, 0.5, small, dtype=np.float32)
    across = np.float32(np.cos(turn)) * line[None, :] + np.float32(np.sin(turn)) * line[:, None]
    dark = np.clip((across - np.float32(place)) * 9, 0, 1) * np.float32(strength)
    coarse = (255 * (1 - dark)).astype(np.uint8)
    keep = cv2.resize(coarse, scene.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return cv2.multiply(scene, cv2.merge([keep, keep, keep]), scale=1 / 255)
