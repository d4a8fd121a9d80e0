"""The drawing of a garment, in body units and in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike

from flam_pl.datasets.wardrobe import patterns
from flam_pl.datasets.wardrobe.garment import Garment, luminance

# Body units: x = 0 is the middle of the body, y = 0 the base of the neck or, for lower garments,
# the waist. y grows downwards; 1 is about the length of a coat.
Step = Sequence[float] | np.ndarray
Turn = tuple[float, float, float]  # a rotation by radians about (x, y)
BUTTONS = {"light": (240, 236, 226), "dark": (38, 34, 34), "gold": (196, 160, 84)}
FITTINGS = {"metal": (190, 190, 196), **BUTTONS}


class Pose(NamedTuple):
    arms: tuple[float, float]  # radians on the (left, right) from the vertical, outwards
    elbows: tuple[float, float]  # bend of the forearm, inwards
    legs: tuple[float, float]  # between the leg and the vertical, outwards
    sway: float  # shift of the hem against the shoulders, in body units


class Panel(NamedTuple):
    points: np.ndarray  # outline (N, 2) of a piece of cloth
    material: str  # ground and front have the pattern, front also a print; else plain, trim, ...
    lift: float  # darkness of its shadow on the cloth beneath, 0..1
    turn: Turn  # of the pattern


class Mark(NamedTuple):
    points: np.ndarray  # (N, 2) of a line, or the center (1, 2) of a disc or graphic print
    width: float  # of a line, radius of a disc, side of a print
    tone: str  # "print", or a color: seam, rib, trim, cord, metal, light, dark, gold


@dataclass
class Sketch:
    """Collects the parts of a garment."""

    garment: Garment
    pose: Pose
    parts: list[Panel | Mark] = field(default_factory=list)  # in the order of drawing
    # creases, seen in the light only: a line (N, 2), its width and depth, below 0 a valley
    folds: list[tuple[np.ndarray, float, float]] = field(default_factory=list)
    # limbs of a wearer, behind the cloth: their ends (2, 2) and half width
    bones: list[tuple[np.ndarray, float]] = field(default_factory=list)
    flip: float = 1.0  # every x is multiplied by it

    def sides(self) -> tuple[Sketch, Sketch]:
        """Sketches of the left and the right side; both take coordinates of the right side."""
        return replace(self, flip=-1.0), self

    def panel(
        self,
        outline: np.ndarray,
        material: str = "ground",
        *,
        lift: float = 0.0,
        seam: float = 0.0,
        turn: Turn = (0.0, 0.0, 0.0),
    ) -> None:
        """Add a piece of cloth; ``seam``: width of a seam around it."""
        turn = (self.flip * turn[0], self.flip * turn[1], turn[2])
        self.parts.append(Panel(self._placed(outline), material, lift, turn))
        if seam:
            closed = np.allclose(outline[0], outline[-1])
            self.line(outline if closed else np.concatenate([outline, outline[:1]]), seam)

    def line(self, points: ArrayLike, width: float = 0.006, tone: str = "seam") -> None:
        self.parts.append(Mark(self._placed(points), width, tone))

    def disc(self, center: Step, radius: float, tone: str = "") -> None:
        """Add a disc; without a tone, a button."""
        self.line(np.array([center]), radius, tone or self.garment.traits.button_tone)

    def ribs(self, start: np.ndarray, end: np.ndarray, count: int) -> None:
        """Lines across a knitted band between two edges ``(2, 2)``."""
        for i in range(1, count):
            self.line([a + (b - a) * (i / count) for a, b in (start, end)], 0.004, "rib")

    def fold(self, start: Step, end: Step, width: float, depth: float) -> None:
        self.folds.append((self._placed(path(start, end)), width, depth))

    def bone(self, start: ArrayLike, end: ArrayLike, half_width: float) -> None:
        self.bones.append((self._placed(np.array([start, end])), half_width))

    def edge(self, where: str) -> str:
        """The material at the "neck" or the "cuffs"."""
        return "trim" if self.garment.trait("trim") in (where, "both") else "plain"

    def _placed(self, points: ArrayLike) -> np.ndarray:
        return np.array(points, dtype=float) * (self.flip, 1.0)


def path(start: Step, *steps: Step) -> np.ndarray:
    """A line ``(N, 2)`` through ``steps``; a step ``(x, y, bulge)`` comes by an arc, ``bulge``
    chords high to the left."""
    pieces, a = [], np.array(start, dtype=float)
    for step in steps:
        b, bulge = np.array(step[:2], dtype=float), (*step, 0.0)[2]
        t = np.linspace(0, 1, 9 if bulge else 2)[:, None]
        across = (b - a)[::-1] * (1, -1)
        pieces.append(a + (b - a) * t + across * bulge * 4 * t * (1 - t))
        a = b
    return np.concatenate(pieces)


def symmetric(start: Step, *steps: Step) -> np.ndarray:
    """An outline ``(2N, 2)`` from its right half."""
    right = path(start, *steps)
    return np.concatenate([right, (right * (-1.0, 1.0))[::-1]])


def rectangle(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


class Canvas:
    """Pixels of a garment alone; ``matrix (2, 3)`` maps body units to pixels."""

    def __init__(self, sketch: Sketch, matrix: np.ndarray, size: int) -> None:
        self.sketch, self.matrix, self.tones = sketch, matrix, tones_of(sketch.garment)
        self.scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))  # pixels per body unit
        self.color = np.zeros((size, size, 3), np.uint8)  # RGB, as under even light
        # 255 is: fully lit (edges are darker), covered by the garment, free for a graphic
        self.shade, self.mask, self.front = np.zeros((3, size, size), np.uint8)
        for part in sketch.parts:
            if isinstance(part, Panel):
                self.panel(part)
            elif part.tone != "print":
                self.mark(part)
            elif sketch.garment.pattern == "graphic-print":
                self.print(part)

    def panel(self, panel: Panel) -> None:
        points, margin = to_pixels(self.matrix, panel.points), 6  # its shadow reaches 4 pixels
        low = np.maximum(np.floor(points.min(axis=0)).astype(int) - margin, 0)
        high = np.minimum(np.ceil(points.max(axis=0)).astype(int) + margin, len(self.mask))
        if (high - low).min() < 3:  # outside the picture
            return
        where = (slice(low[1], high[1]), slice(low[0], high[0]))
        shade, covered, front = self.shade[where], self.mask[where], self.front[where]
        mask = np.zeros(covered.shape, np.uint8)
        patterns.polygon(mask, points - low, (255,))
        soft = cv2.blur(mask, (9, 9))
        if panel.lift:
            shadow = 255 - (panel.lift * 0.5 * soft).astype(np.uint8)
            shade[:] = cv2.multiply(shade, shadow, scale=1 / 255)
        cv2.copyTo(rounded(soft), mask, shade)
        if panel.material in ("ground", "front"):
            cv2.copyTo(self.cloth(panel, low, mask.shape), mask, self.color[where])
        else:
            self.color[where][mask > 0] = self.tones[panel.material]
        cv2.max(covered, mask, covered)
        if panel.material == "front":
            cv2.max(front, mask, front)
        else:
            front[mask > 0] = 0

    def cloth(self, panel: Panel, corner: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The panel's cloth from the pixel ``corner`` on, ``(*shape, 3)``."""
        to_body = np.linalg.inv(np.vstack([self.matrix, [0, 0, 1]]))[:2]
        angle, *center = panel.turn
        c, s = patterns.toward(angle)
        back = np.array([[c, s], [-s, c]])  # turned cloth: look up the point turned back
        start = back @ to_pixels(to_body, corner) + center - back @ center
        move = patterns.CLOTH_SCALE * start + np.array(patterns.CLOTH_ORIGIN)
        matrix = np.column_stack([patterns.CLOTH_SCALE * back @ to_body[:, :2], move])
        cloth, how = patterns.cloth(self.sketch.garment), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        border = cv2.BORDER_REFLECT_101
        return cv2.warpAffine(cloth, matrix, shape[::-1], flags=how, borderMode=border)

    def mark(self, mark: Mark) -> None:
        points, width = to_pixels(self.matrix, mark.points), mark.width * self.scale
        if len(points) > 1:
            patterns.line(self.color, points, self.tones[mark.tone], max(1, round(width)))
            return
        if mark.tone in FITTINGS:  # a dark rim
            patterns.disc(self.color, points[0], max(1.6, width) + 0.9, self.tones["seam"])
        patterns.disc(self.color, points[0], max(1.6, width), self.tones[mark.tone])

    def print(self, place: Mark) -> None:
        corner = to_pixels(self.matrix, place.points[0] - place.width / 2)
        scale = place.width / patterns.PRINT_PIXELS
        matrix = np.column_stack([scale * self.matrix[:, :2], corner])
        picture = cv2.warpAffine(patterns.graphic(self.sketch.garment), matrix, self.mask.shape)
        seen = cv2.bitwise_and(picture[..., 3], self.front) > 127
        self.color[seen] = picture[seen, :3]

    def relief(self) -> np.ndarray:
        """Height of the creases ``(S/2, S/2)``, about -1 to 1."""
        half, scale = len(self.mask) // 2, self.scale / 2
        height = np.zeros((half, half), np.float32)
        for points, width, depth in self.sketch.folds:
            line = np.round(to_pixels(self.matrix / 2, points)).astype(np.int32)
            cv2.polylines(height, [line], False, depth, max(1, round(width * scale)))
        return cv2.GaussianBlur(height, (0, 0), max(0.8, 0.012 * scale))


def to_pixels(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2])


def rounded(soft: np.ndarray) -> np.ndarray:
    return cv2.addWeighted(soft, 0.75, soft, 0.0, 64.0)


def tones_of(garment: Garment) -> dict[str, np.ndarray]:
    ground, second, _ = garment.palette()
    light = luminance(ground)
    colors = {
        "plain": ground,
        "trim": second,
        "inner": ground * 0.5 if light > 60 else ground + 28,
        "lining": (72, 70, 74) if light > 60 else (112, 110, 112),
        "seam": ground + 52 if light < 70 else ground * (0.55 if light < 200 else 0.68),
        "rib": ground + 30 if light < 70 else ground * 0.78,
        "cord": (235, 232, 225) if light < 150 else ground * 0.55,
        **FITTINGS,
    }
    return {name: np.clip(np.round(color), 0, 255) for name, color in colors.items()}
