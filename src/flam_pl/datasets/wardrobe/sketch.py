"""The drawing of a garment before it has pixels: panels, lines, spots and folds in body units.

Body units: x = 0 is the middle of the body. y = 0 is the base of the neck, or the waist where a
garment begins there; y grows downwards. 1 is about the length of a coat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from flam_pl.datasets.wardrobe.garment import Garment

Point = tuple[float, float]
Points = np.ndarray | Sequence[Point]


@dataclass(frozen=True)
class Pose:
    """How the limbs lie: angles in radians, each for the (left, right) of the picture."""

    arms: Point
    """Between the upper arm and the vertical, outwards."""
    elbows: Point
    """Bend of the forearm, inwards."""
    legs: Point
    """Between the leg and the vertical, outwards."""
    sway: float
    """Shift of the hem against the shoulders, in body units."""


@dataclass(frozen=True)
class Panel:
    """A piece of cloth ``(N, 2)``, drawn over what came before."""

    outline: np.ndarray
    material: str
    """ground (it has the pattern), plain, trim, inner or lining."""
    turn: float
    """Rotation of the pattern, radians, about ``anchor``."""
    anchor: Point
    lift: float
    """Darkness of its shadow on the cloth beneath, 0..1."""
    front: bool
    """Whether a graphic print may lie on it."""


@dataclass(frozen=True)
class Stroke:
    """A line ``(N, 2)`` on the cloth: a seam, a rib, a zip."""

    points: np.ndarray
    width: float
    tone: str


@dataclass(frozen=True)
class Spot:
    """A disc: a button, an eyelet, the end of a cord."""

    center: np.ndarray
    radius: float
    tone: str


@dataclass(frozen=True)
class Motif:
    """Place of a graphic print; it shows on the front panels drawn before it only."""

    center: Point
    size: float


@dataclass(frozen=True)
class Fold:
    """A crease ``(N, 2)`` that only the light shows: a ridge (positive depth) or a valley."""

    points: np.ndarray
    width: float
    depth: float


@dataclass
class Sketch:
    """The parts of one garment in one pose, in the order of drawing."""

    garment: Garment
    pose: Pose
    parts: list[Panel | Stroke | Spot | Motif] = field(default_factory=list)
    folds: list[Fold] = field(default_factory=list)
    bones: list[tuple[np.ndarray, float]] = field(default_factory=list)
    """Limbs of a wearer, behind the cloth: both ends ``(2, 2)`` and half the width."""
    flip: float = 1.0
    """What x is multiplied by: -1 adds everything to the other side of the body."""

    def sides(self) -> tuple[Sketch, Sketch]:
        """This sketch as seen by the left and the right of the picture.

        Both take the coordinates of the right half; the first mirrors them.
        """
        return replace(self, flip=-1.0), self

    def panel(
        self,
        outline: np.ndarray,
        material: str = "ground",
        turn: float = 0.0,
        anchor: Point = (0.0, 0.0),
        lift: float = 0.0,
        front: bool = False,
        seam: float = 0.0,
    ) -> None:
        """Add a piece of cloth, and around it a seam of width ``seam``, if not 0."""
        outline, (x, y) = self._placed(outline), anchor
        self.parts.append(
            Panel(outline, material, self.flip * turn, (self.flip * x, y), lift, front)
        )
        if seam:
            whole = np.allclose(outline[0], outline[-1])
            ring = outline if whole else np.concatenate([outline, outline[:1]])
            self.parts.append(Stroke(ring, seam, "seam"))

    def stroke(self, points: Points, width: float = 0.006, tone: str = "seam") -> None:
        """Add a line."""
        self.parts.append(Stroke(self._placed(points), width, tone))

    def ribs(self, start: np.ndarray, end: np.ndarray, count: int) -> None:
        """Add lines across a knitted band; ``start`` and ``end`` ``(2, 2)`` are its long edges."""
        for i in range(1, count):
            across = [a + (b - a) * (i / count) for a, b in (start, end)]
            self.stroke(np.array(across), 0.004, "rib")

    def spot(self, x: float, y: float, radius: float, tone: str = "") -> None:
        """Add a disc; without a tone it is a button."""
        tone = tone or self.garment.traits.button_tone
        self.parts.append(Spot(self._placed([(x, y)]), radius, tone))

    def motif(self, x: float, y: float, size: float) -> None:
        """Add the place of a graphic print."""
        self.parts.append(Motif((x, y), size))

    def fold(self, points: Points, width: float, depth: float) -> None:
        """Add a crease."""
        self.folds.append(Fold(self._placed(points), width, depth))

    def bone(self, start: Point | np.ndarray, end: Point | np.ndarray, half_width: float) -> None:
        """Add a limb of the wearer."""
        self.bones.append((self._placed(np.array([start, end])), half_width))

    def edge(self, where: str) -> str:
        """Material of collars ("neck") and bands ("cuffs"): contrasting where there is trim."""
        return "trim" if self.garment.trait("trim") in (where, "both") else "plain"

    def box(self) -> tuple[np.ndarray, np.ndarray]:
        """Corners ``(2,)``, ``(2,)`` of the rectangle around all cloth."""
        points = np.concatenate([p.outline for p in self.parts if isinstance(p, Panel)])
        return points.min(axis=0), points.max(axis=0)

    def _placed(self, points: Points) -> np.ndarray:
        return np.asarray(points, dtype=float) * np.array([self.flip, 1.0])


def path(start: Point | np.ndarray, *steps: Sequence[float]) -> np.ndarray:
    """A line ``(N, 2)`` from ``start``: a step ``(x, y)`` goes straight, ``(x, y, bulge)`` in an arc.

    The bulge is the arc's height over its chord, as a share of the chord's length; positive is to
    the left of who walks along it.
    """
    pieces, here = [], np.asarray(start, dtype=float)
    for x, y, *bulge in steps:
        there = np.array([x, y], dtype=float)
        pieces.append(arc(here, there, *bulge))
        here = there
    return np.concatenate(pieces)


def arc(a: np.ndarray, b: np.ndarray, bulge: float = 0.0) -> np.ndarray:
    """Nine points ``(9, 2)`` from ``a`` to ``b``; only the ends ``(2, 2)`` if it is straight."""
    if bulge == 0.0:
        return np.stack([a, b])
    t = np.linspace(0, 1, 9)[:, None]
    across = np.array([(b - a)[1], -(b - a)[0]])
    return np.asarray(a + (b - a) * t + across * bulge * 4 * t * (1 - t))


def symmetric(start: Point, *steps: Sequence[float]) -> np.ndarray:
    """An outline ``(2N, 2)`` whose right half is ``path(start, *steps)``, from top to bottom."""
    right = path(start, *steps)
    return np.concatenate([right, (right * np.array([-1.0, 1.0]))[::-1]])


def rectangle(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """The four corners ``(4, 2)``."""
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
