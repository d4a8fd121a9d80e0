"""The drawing of a garment before it has pixels: panels, strokes, spots and folds in body units.

Body units: x = 0 is the middle of the body, y = 0 the base of the neck (the waist, for a garment
that begins there), y grows downwards, 1 is about the length of a coat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

Point = tuple[float, float]


@dataclass(frozen=True)
class Pose:
    """How the limbs lie, in radians; index 0 is the left of the picture, 1 the right."""

    arms: tuple[float, float] = (0.3, 0.3)
    """Between the upper arm and the vertical, outwards."""
    elbows: tuple[float, float] = (0.05, 0.05)
    """Bend of the forearm, inwards."""
    legs: tuple[float, float] = (0.06, 0.06)
    """Between the leg and the vertical, outwards."""
    sway: float = 0.0
    """Shift of the hem against the shoulders, in body units."""


@dataclass(frozen=True)
class Panel:
    """A piece of cloth ``(N, 2)``, drawn over what came before."""

    outline: np.ndarray
    material: str
    """ground (wears the pattern), plain, trim, inner, lining, skin."""
    turn: float = 0.0
    """Rotation of the pattern on it, radians, about ``anchor``."""
    anchor: Point = (0.0, 0.0)
    lift: float = 0.0
    """How dark a shadow it casts on the cloth beneath, 0..1."""
    front: bool = False
    """Carries the graphic of a graphic print."""


@dataclass(frozen=True)
class Stroke:
    """A line ``(N, 2)`` on the cloth: a seam, a rib, a zip."""

    points: np.ndarray
    tone: str
    """seam, rib, second, metal, cord."""
    width: float = 0.006


@dataclass(frozen=True)
class Spot:
    """A button, an eyelet, the end of a cord."""

    center: Point
    radius: float
    tone: str


@dataclass(frozen=True)
class Motif:
    """The place of a graphic print's graphic: on the front panels drawn before it, nowhere else."""

    center: Point
    size: float


@dataclass(frozen=True)
class Fold:
    """A crease ``(N, 2)`` that is only seen in the light."""

    points: np.ndarray
    width: float
    depth: float
    """Positive a ridge, negative a valley."""


@dataclass
class Sketch:
    """Parts in the order of drawing, and what lies beside them."""

    parts: list[Panel | Stroke | Spot | Motif] = field(default_factory=list)
    folds: list[Fold] = field(default_factory=list)
    bones: list[tuple[Point, Point, float]] = field(default_factory=list)
    """Limbs of a wearer (from, to, half width), seen behind the cloth if somebody wears it."""

    def panel(
        self,
        outline: np.ndarray,
        material: str = "ground",
        turn: float = 0.0,
        anchor: Point = (0.0, 0.0),
        lift: float = 0.0,
        front: bool = False,
    ) -> None:
        """Add a piece of cloth."""
        self.parts.append(Panel(outline, material, turn, anchor, lift, front))

    def stroke(self, points: Sequence[Point] | np.ndarray, tone: str, width: float = 0.006) -> None:
        """Add a line."""
        self.parts.append(Stroke(np.asarray(points, dtype=float), tone, width))

    def spot(self, center: Point, radius: float, tone: str) -> None:
        """Add a disc."""
        self.parts.append(Spot(center, radius, tone))

    def motif(self, center: Point, size: float) -> None:
        """Add a printed picture."""
        self.parts.append(Motif(center, size))

    def fold(self, points: Sequence[Point] | np.ndarray, width: float, depth: float) -> None:
        """Add a crease."""
        self.folds.append(Fold(np.asarray(points, dtype=float), width, depth))

    def bone(self, start: Point, end: Point, half_width: float) -> None:
        """Add a limb of the wearer."""
        self.bones.append((start, end, half_width))

    def box(self) -> tuple[np.ndarray, np.ndarray]:
        """Corners ``(2,)``, ``(2,)`` of the rectangle around all cloth."""
        points = np.concatenate([p.outline for p in self.parts if isinstance(p, Panel)])
        return points.min(axis=0), points.max(axis=0)


def bow(start: Point, end: Point, bulge: float = 0.0, steps: int = 8) -> np.ndarray:
    """Points ``(steps + 1, 2)`` of an arc.

    ``bulge`` is its height over the chord, to the left when walking on screen, as a share of the
    chord's length: an arc keeps its look when its ends move.
    """
    a, b = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
    if bulge == 0.0:
        return np.stack([a, b])
    t = np.linspace(0, 1, steps + 1)[:, None]
    across = np.array([(b - a)[1], -(b - a)[0]])
    return np.asarray(a + (b - a) * t + across * bulge * 4 * t * (1 - t))


def path(start: Point, *legs: tuple[Point, float]) -> np.ndarray:
    """A line of arcs ``(N, 2)``: each leg is (where to, bulge)."""
    pieces, here = [], start
    for end, bulge in legs:
        pieces.append(bow(here, end, bulge))
        here = end
    return np.concatenate(pieces)


def mirrored(points: np.ndarray) -> np.ndarray:
    """The same points ``(N, 2)`` on the other side of the body."""
    return points * np.array([-1.0, 1.0])


def sided(points: np.ndarray, side: int) -> np.ndarray:
    """Points of the right half, put on ``side`` (-1 left of the picture, 1 right)."""
    return points if side > 0 else mirrored(points)


def closed(right: np.ndarray) -> np.ndarray:
    """A symmetric outline ``(2N, 2)`` from its right half, walked from top to bottom."""
    return np.concatenate([right, mirrored(right)[::-1]])


def between(a: Point | np.ndarray, b: Point | np.ndarray, t: float) -> Point:
    """The point at share ``t`` of the way."""
    return float(a[0] + (b[0] - a[0]) * t), float(a[1] + (b[1] - a[1]) * t)


def ribs(
    sketch: Sketch, start: np.ndarray, end: np.ndarray, count: int, width: float = 0.004
) -> None:
    """Lines across a knitted band; ``start`` and ``end`` ``(2, 2)`` are its long edges."""
    for i in range(1, count):
        t = i / count
        sketch.stroke([between(start[0], start[1], t), between(end[0], end[1], t)], "rib", width)
