"""The upper body: its measures, front, back and creases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flam_pl.datasets.wardrobe.garment import Garment
from flam_pl.datasets.wardrobe.sketch import Point, Sketch, path, symmetric

# neckline -> half width, depth, and bulge of each half
NECKLINES = {
    "boat": (0.115, 0.022, -0.05),
    "scoop": (0.1, 0.125, -0.24),
    "crew": (0.075, 0.06, -0.24),
    "v": (0.08, 0.155, 0.0),
    "turtle": (0.065, 0.03, -0.24),
    "": (0.075, 0.1, 0.0),
}

# shape -> shoulder, chest, waist, hem and height of the hem: for the slimmest and shortest, and
# how much the loosest (times 0.03) and the longest has more
MEASURES = {
    "t-shirt": ((0.17, 0.5), (0.155, 1), (0.15, 1), (0.16, 1), (0.5, 0.09)),
    "shirt": ((0.17, 0), (0.16, 1), (0.145, 1.3), (0.16, 1), (0.57, 0.09)),
    "sweater": ((0.18, 1), (0.172, 1), (0.17, 1), (0.155, 1), (0.5, 0.08)),
    "hoodie": ((0.185, 1), (0.18, 1), (0.18, 1), (0.16, 1), (0.53, 0.07)),
    "jacket": ((0.185, 0.5), (0.18, 1), (0.172, 1), (0.172, 1), (0.48, 0.08)),
    "coat": ((0.18, 0.5), (0.175, 1), (0.16, 1), (0.2, 1), (0.95, 0.2)),
    "dress": ((0.16, 0), (0.148, 0.4), (0.118, 0.6), (0.118, 0.6), (0.36, 0)),
}


@dataclass(frozen=True)
class Torso:
    """Half widths of an upper body, and the height ``end`` of its hem, in body units."""

    neck: float
    shoulder: float
    chest: float
    waist: float
    hem: float
    end: float

    @property
    def shoulder_point(self) -> np.ndarray:
        """Upper end of the armhole ``(2,)``."""
        return np.array([self.shoulder, 0.035])

    @property
    def armpit(self) -> np.ndarray:
        """Lower end of the armhole ``(2,)``."""
        return np.array([self.chest, 0.2])


def torso(garment: Garment) -> Torso:
    """Measures of the upper body; that of a dress ends at the waist."""
    traits = garment.traits
    neck, _, _ = NECKLINES[garment.trait("neckline")]
    *widths, (end, longer) = MEASURES[garment.shape]
    shoulder, chest, waist, hem = (least + 0.03 * traits.fit * more for least, more in widths)
    flare = 0.045 * traits.cut if garment.shape == "coat" else 0.0
    return Torso(neck, shoulder, chest, waist, hem + flare, end + longer * traits.length)


def neck_back(sketch: Sketch, body: Torso, depth: float = 0.16) -> None:
    """The inside of the back, seen through the neck hole."""
    neck = body.neck
    hole = symmetric((0, -0.015), (neck + 0.004, -0.028, -0.1), (neck, 0.03), (0, depth, 0.1))
    sketch.panel(hole, "inner")


def front(sketch: Sketch, body: Torso) -> None:
    """The front of the body, from the neckline to the hem."""
    _, depth, bulge = NECKLINES[sketch.garment.trait("neckline")]
    bare = 0.05 if sketch.garment.trait("sleeve") == "none" else 0.0  # its armholes cut in
    shirt = sketch.garment.shape == "shirt"
    outline = symmetric(
        (0, depth),
        (body.neck, -0.028, bulge),
        (body.shoulder - bare, 0.035 - 0.4 * bare, 0.04),
        (*body.armpit, -0.12 - 2.0 * bare),
        (body.waist, 0.37, -0.03),
        (body.hem, body.end - (0.03 if shirt else 0), -0.02),
        (0, body.end + (0.03 if shirt else 0.004), 0.06 if shirt else 0.02),
    )
    hanging_panel(sketch, outline, body.end)


def hanging_panel(
    sketch: Sketch, outline: np.ndarray, end: float, anchor: Point = (0.0, 0.0)
) -> None:
    """A front panel ``(N, 2)`` whose hem, at height ``end``, is shifted by the sway of the pose."""
    shift = sketch.pose.sway * np.clip(outline[:, 1] / end, 0, 1) ** 2
    swayed = outline + np.stack([shift, np.zeros_like(shift)], axis=-1)
    sketch.panel(swayed, anchor=anchor, front=True)


def torso_folds(sketch: Sketch, body: Torso) -> None:
    """Creases from the armpits inwards, and at the waist."""
    chest, waist = body.chest, body.waist
    for side in sketch.sides():
        side.fold(path((chest - 0.01, 0.2), (chest * 0.45, 0.28, 0.12)), 0.02, -0.6)
        side.fold(path((chest - 0.02, 0.24), (chest * 0.5, 0.34, 0.1)), 0.018, 0.55)
        side.fold(path((waist - 0.01, 0.37), (waist * 0.4, 0.42, 0.1)), 0.018, -0.5)
