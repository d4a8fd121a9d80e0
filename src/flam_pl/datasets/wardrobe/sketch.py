"""The drawing of a garment before it has pixels.

Body units: x = 0 is the middle of the body, y = 0 the base of the neck (lower garments: the
waist). y grows downwards. 1 is about the length of a coat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from flam_pl.datasets.wardrobe.garment import Garment

Step = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Pose:
    """How the limbs lie: radians on the (left, right)."""

    arms: tuple[float, float]  # between the upper arm and the vertical, outwards
    elbows: tuple[float, float]  # bend of the forearm, inwards
    legs: tuple[float, float]  # between the leg and the vertical, outwards
    sway: float  # shift of the hem against the shoulders, in body units


@dataclass(frozen=True)
class Panel:
    """A piece of cloth ``(N, 2)``."""

    points: np.ndarray
    material: str  # ground and front have the pattern, front also a print; else plain, trim, ...
    lift: float  # darkness of its shadow on the cloth beneath, 0..1
    turn: tuple[float, float, float]  # rotation of the pattern: radians, about (x, y)


@dataclass(frozen=True)
class Mark:
    """A line, a disc, or the place of a graphic print."""

    points: np.ndarray  # (N, 2) of a line, or the center (1, 2)
    width: float  # of a line, radius of a disc, side of a print
    tone: str  # "print", or a color: seam, rib, trim, cord, metal, light, dark, gold


@dataclass
class Sketch:
    """The parts of a garment, in the order of drawing."""

    garment: Garment
    pose: Pose
    parts: list[Panel | Mark] = field(default_factory=list)
    # creases, seen in the light only: a line (N, 2), its width and depth, below 0 a valley
    folds: list[tuple[np.ndarray, float, float]] = field(default_factory=list)
    # limbs of a wearer, behind the cloth: their ends (2, 2) and half width
    bones: list[tuple[np.ndarray, float]] = field(default_factory=list)
    flip: float = 1.0  # every x is multiplied by it

    def sides(self) -> tuple[Sketch, Sketch]:
        """Left and right; both take the coordinates of the right."""
        return replace(self, flip=-1.0), self

    def panel(
        self,
        outline: np.ndarray,
        material: str = "ground",
        lift: float = 0.0,
        seam: float = 0.0,
        turn: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> None:
        """``seam`` is the width of the seam around the cloth."""
        turn = (self.flip * turn[0], self.flip * turn[1], turn[2])
        self.parts.append(Panel(self._placed(outline), material, lift, turn))
        if seam:
            closed = np.allclose(outline[0], outline[-1])
            self.line(outline if closed else np.concatenate([outline, outline[:1]]), seam)

    def line(self, points: ArrayLike, width: float = 0.006, tone: str = "seam") -> None:
        self.parts.append(Mark(self._placed(points), width, tone))

    def disc(self, center: Step, radius: float, tone: str = "") -> None:
        """Without a tone it is a button."""
        self.line(np.array([center]), radius, tone or self.garment.traits.button_tone)

    def ribs(self, start: np.ndarray, end: np.ndarray, count: int) -> None:
        """Lines across a knitted band between two edges ``(2, 2)``."""
        for i in range(1, count):
            across = [a + (b - a) * (i / count) for a, b in (start, end)]
            self.line(across, 0.004, "rib")

    def fold(self, points: np.ndarray, width: float, depth: float) -> None:
        self.folds.append((self._placed(points), width, depth))

    def bone(self, start: ArrayLike, end: ArrayLike, half_width: float) -> None:
        self.bones.append((self._placed(np.array([start, end])), half_width))

    def edge(self, where: str) -> str:
        """Material at the "neck" or "cuffs"."""
        return "trim" if self.garment.trait("trim") in (where, "both") else "plain"

    def _placed(self, points: ArrayLike) -> np.ndarray:
        return np.array(points, dtype=float) * (self.flip, 1.0)


def path(start: Step, *steps: Step) -> np.ndarray:
    """A line ``(N, 2)``: a step ``(x, y)`` goes straight there, ``(x, y, bulge)`` in an arc.

    The bulge is the arc's height to the left, as a share of the chord.
    """
    pieces, a = [], np.array(start, dtype=float)
    for step in steps:
        x, y, bulge = (*step, 0.0)[:3]
        b = np.array([x, y], dtype=float)
        t = np.linspace(0, 1, 9 if bulge else 2)[:, None]
        across = np.array([(b - a)[1], -(b - a)[0]])
        pieces.append(a + (b - a) * t + across * bulge * 4 * t * (1 - t))
        a = b
    return np.concatenate(pieces)


def symmetric(start: Step, *steps: Step) -> np.ndarray:
    """An outline ``(2N, 2)``; the path is its right half."""
    right = path(start, *steps)
    return np.concatenate([right, (right * (-1.0, 1.0))[::-1]])


def rectangle(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
