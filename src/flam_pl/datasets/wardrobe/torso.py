"""The upper body: its measures, front and back, and sleeves with their cuffs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flam_pl.datasets.wardrobe.garment import Garment
from flam_pl.datasets.wardrobe.sketch import Sketch, path, symmetric

# neckline -> half width, depth, and bulge of each half
NECKLINES = {
    "boat": (0.115, 0.022, -0.05),
    "scoop": (0.1, 0.125, -0.24),
    "crew": (0.075, 0.06, -0.24),
    "v": (0.08, 0.155, 0.0),
    "turtle": (0.065, 0.03, -0.24),
    "": (0.075, 0.1, 0.0),
}
# shape -> half widths of shoulder, chest, waist and hem, each with its share of the looseness; then
# the height of the hem, and how much the longest adds. A dress has the measures of its bodice.
MEASURES = {
    "t-shirt": ((0.17, 0.5), (0.155, 1), (0.15, 1), (0.16, 1), (0.5, 0.09)),
    "shirt": ((0.17, 0), (0.16, 1), (0.145, 1.3), (0.16, 1), (0.57, 0.09)),
    "sweater": ((0.18, 1), (0.172, 1), (0.17, 1), (0.155, 1), (0.5, 0.08)),
    "hoodie": ((0.185, 1), (0.18, 1), (0.18, 1), (0.16, 1), (0.53, 0.07)),
    "jacket": ((0.185, 0.5), (0.18, 1), (0.172, 1), (0.172, 1), (0.48, 0.08)),
    "coat": ((0.18, 0.5), (0.175, 1), (0.16, 1), (0.2, 1), (0.95, 0.2)),
    "dress": ((0.16, 0), (0.148, 0.4), (0.118, 0.6), (0.118, 0.6), (0.36, 0)),
}
SLEEVE_LENGTHS = {"none": 0.0, "short": 0.17, "half": 0.24, "long": 0.51}
SLEEVE_WIDTHS = {"coat": 0.062, "jacket": 0.058, "hoodie": 0.06, "sweater": 0.055}


@dataclass(frozen=True)
class Torso:
    """Half widths, ends of the armhole ``(2,)``, height of the hem."""

    neck: float
    shoulder: np.ndarray
    armpit: np.ndarray
    waist: float
    hem: float
    end: float


def torso(garment: Garment) -> Torso:
    traits, (*widths, (end, longer)) = garment.traits, MEASURES[garment.shape]
    shoulder, chest, waist, hem = (least + 0.03 * traits.fit * share for least, share in widths)
    if garment.shape == "coat":
        hem += 0.045 * traits.cut
    neck, _, _ = NECKLINES[garment.trait("neckline")]
    armhole = np.array([shoulder, 0.035]), np.array([chest, 0.2])
    return Torso(neck, *armhole, waist, hem, end + longer * traits.length)


def neck_back(sketch: Sketch, body: Torso, depth: float = 0.16) -> None:
    """The inside of the back."""
    neck = body.neck
    hole = symmetric((0, -0.015), (neck + 0.004, -0.028, -0.1), (neck, 0.03), (0, depth, 0.1))
    sketch.panel(hole, "inner")


def front(sketch: Sketch, body: Torso) -> None:
    _, depth, bulge = NECKLINES[sketch.garment.trait("neckline")]
    bare = 0.05 if sketch.garment.trait("sleeve") == "none" else 0.0  # its armholes cut in
    shirt = sketch.garment.shape == "shirt"
    high, low, round_hem = (0.03, 0.03, 0.06) if shirt else (0.0, 0.004, 0.02)
    outline = symmetric(
        (0, depth), (body.neck, -0.028, bulge),
        (body.shoulder[0] - bare, 0.035 - 0.4 * bare, 0.04), (*body.armpit, -0.12 - 2.0 * bare),
        (body.waist, 0.37, -0.03), (body.hem, body.end - high, -0.02),
        (0, body.end + low, round_hem),
    )  # fmt: skip
    front_panel(sketch, outline, body.end)


def front_panel(sketch: Sketch, outline: np.ndarray, end: float) -> None:
    """A front panel whose hem, at height ``end``, sways."""
    shift = sketch.pose.sway * np.clip(outline[:, 1] / end, 0, 1) ** 2
    sketch.panel(outline + shift[:, None] * (1.0, 0.0), "front")


def sleeves(sketch: Sketch, body: Torso) -> None:
    """Sleeves, and the neck, head and arms of a wearer."""
    sketch.bone((0.0, -0.02), (0.0, -0.1), 0.052)
    sketch.bone((0.0, -0.2), (0.0, -0.24), 0.085)
    length, pose = SLEEVE_LENGTHS[sketch.garment.trait("sleeve")], sketch.pose
    start = (body.shoulder + body.armpit) / 2 - (0.02, 0.03)
    for side, arm, elbow in zip(sketch.sides(), pose.arms, pose.elbows, strict=True):
        bend = start + 0.27 * direction(arm)
        side.bone(start, bend, 0.036)
        side.bone(bend, bend + 0.3 * direction(arm - elbow), 0.03)
        if length:
            sleeve(side, body, arm, elbow, length)


def sleeve(sketch: Sketch, body: Torso, arm: float, elbow: float, length: float) -> None:
    top, pit = body.shoulder, body.armpit
    down, fore = direction(arm), direction(arm - elbow)
    across, across_end = (np.array([y, -x]) for x, y in (down, fore))
    wide = SLEEVE_WIDTHS.get(sketch.garment.shape, 0.05) + 0.016 * sketch.garment.traits.fit
    upper = min(0.25, length)
    start = (top + pit) / 2
    bend = start + down * upper
    end = bend + fore * (length - upper)
    half = wide * (1.05 if length < 0.3 else 0.8)
    outer, inner = end + across_end * half, end - across_end * half
    outline = path(
        top - (0.05, -0.01), top + across * 0.012, (*(bend + across * wide), 0.06), outer,
        (*inner, 0.04), bend - across * wide, pit - (0.012, 0.0), pit - (0.06, 0.03),
    )  # fmt: skip
    sketch.panel(outline, turn=(-arm, *start))
    cuff(sketch, np.stack([outer, inner]), fore, length)
    if length > 0.3:
        for depth, at in ((-0.7, 0.82), (0.6, 1.0), (-0.6, 1.16)):
            low = start + down * upper * at - across * wide * 0.9
            high = start + down * upper * (at - 0.12) + across * wide * 0.5
            sketch.fold(path(low, (*high, 0.1)), 0.014, depth)
    sketch.fold(path(pit, (*(start + down * 0.12 + across * 0.02), 0.1)), 0.016, -0.7)


def cuff(sketch: Sketch, ends: np.ndarray, along: np.ndarray, length: float) -> None:
    """The end of a sleeve: corners ``ends`` ``(2, 2)``, direction ``along`` of the forearm."""
    shape, is_long = sketch.garment.shape, length > 0.3
    bomber = shape == "jacket" and sketch.garment.trait("collar") != "lapel"
    ribbed = shape in ("sweater", "hoodie") or bomber
    deep = (0.05 if ribbed else 0.042) if is_long else 0.026
    narrow = (ends[0] - ends[1]) * (0.08 if ribbed else 0.0)
    a, b = seam = ends - along * deep
    hem = ends + np.stack([-narrow, narrow])
    material = sketch.edge("cuffs")
    if material == "trim" or (is_long and shape in ("shirt", "sweater", "hoodie", "jacket")):
        sketch.panel(np.stack([a + 0.3 * narrow, *hem, b - 0.3 * narrow]), material)
    sketch.line(seam)
    if ribbed:
        sketch.ribs(seam, hem, 6)
    elif shape == "shirt" and is_long:
        sketch.disc(a + (ends[1] - a) * 0.5, 0.009)
    elif shape in ("coat", "jacket"):
        for back in (0.0, 0.02):
            sketch.disc(a - along * back + (b - a) * 0.25, 0.008)


def direction(angle: float) -> np.ndarray:
    """Unit vector at an angle from the vertical, outwards."""
    return np.array([np.sin(angle), np.cos(angle)])
