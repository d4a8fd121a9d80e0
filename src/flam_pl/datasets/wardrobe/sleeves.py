"""Arms: sleeves, their cuffs, and the wearer's own."""

from __future__ import annotations

import numpy as np

from flam_pl.datasets.wardrobe.sketch import Sketch, path
from flam_pl.datasets.wardrobe.torso import Torso

LENGTHS = {"none": 0.0, "short": 0.17, "half": 0.24, "long": 0.51}
WIDTHS = {"coat": 0.062, "jacket": 0.058, "hoodie": 0.06, "sweater": 0.055}
SLIM = 0.05
"""Half width of all other sleeves."""


def sleeves(sketch: Sketch, body: Torso) -> None:
    """Both sleeves and their cuffs; the body is drawn over their upper ends."""
    length = LENGTHS[sketch.garment.trait("sleeve")]
    if length == 0.0:
        return
    pose = sketch.pose
    for side, arm, elbow in zip(sketch.sides(), pose.arms, pose.elbows, strict=True):
        sleeve(side, body, arm, elbow, length)


def sleeve(sketch: Sketch, body: Torso, arm: float, elbow: float, length: float) -> None:
    """One sleeve with its cuff and creases."""
    top, pit = body.shoulder_point, body.armpit
    down, fore = direction(arm), direction(arm - elbow)
    across, across_end = (np.array([y, -x]) for x, y in (down, fore))
    wide = WIDTHS.get(sketch.garment.shape, SLIM) + 0.016 * sketch.garment.traits.fit
    upper = min(0.25, length)
    start = (top + pit) / 2
    bend = start + down * upper
    end = bend + fore * (length - upper)
    half = wide * (1.05 if length < 0.3 else 0.8)
    outer, inner = end + across_end * half, end - across_end * half
    outline = path(
        top - (0.05, -0.01),
        top + across * 0.012,
        (*(bend + across * wide), 0.06),
        outer,
        (*inner, 0.04),
        bend - across * wide,
        pit + (-0.012, 0.0),
        pit - (0.06, 0.03),
    )
    sketch.panel(outline, turn=-arm, anchor=(start[0], start[1]))
    cuff(sketch, outer, inner, fore, length)
    if length > 0.3:
        for depth, at in ((-0.7, 0.82), (0.6, 1.0), (-0.6, 1.16)):
            low = start + down * upper * at - across * wide * 0.9
            high = start + down * upper * (at - 0.12) + across * wide * 0.5
            sketch.fold(path(low, (*high, 0.1)), 0.014, depth)
    sketch.fold(path(pit, (*(start + down * 0.12 + across * 0.02), 0.1)), 0.016, -0.7)


def cuff(
    sketch: Sketch, outer: np.ndarray, inner: np.ndarray, along: np.ndarray, length: float
) -> None:
    """The end of a sleeve: a stitched line, a buttoned cuff, or a ribbed band.

    Args:
        sketch: drawn into.
        outer: one corner of the sleeve's end ``(2,)``.
        inner: the other corner ``(2,)``.
        along: direction of the forearm ``(2,)``.
        length: of the sleeve.
    """
    shape, is_long = sketch.garment.shape, length > 0.3
    bomber = shape == "jacket" and sketch.garment.trait("collar") != "lapel"
    ribbed = shape in ("sweater", "hoodie") or bomber
    deep = (0.05 if ribbed else 0.042) if is_long else 0.026
    narrow = (outer - inner) * (0.08 if ribbed else 0.0)
    a, b = outer - along * deep, inner - along * deep
    seam, hem = np.stack([a, b]), np.stack([outer - narrow, inner + narrow])
    material = sketch.edge("cuffs")
    if material == "trim" or (is_long and shape in ("shirt", "sweater", "hoodie", "jacket")):
        sketch.panel(np.stack([a + 0.3 * narrow, *hem, b - 0.3 * narrow]), material)
    sketch.stroke(seam)
    if ribbed:
        sketch.ribs(seam, hem, 6)
    elif shape == "shirt" and is_long:
        sketch.spot(*(a + (inner - a) * 0.5), 0.009)
    elif shape in ("coat", "jacket"):
        for back in (0.0, 0.02):
            sketch.spot(*((a - along * back) + (b - a) * 0.25), 0.008)


def wearer(sketch: Sketch, body: Torso) -> None:
    """Neck, head and arms of whoever wears it."""
    sketch.bone((0.0, -0.02), (0.0, -0.1), 0.052)
    sketch.bone((0.0, -0.2), (0.0, -0.24), 0.085)
    pose = sketch.pose
    start = (body.shoulder_point + body.armpit) / 2 - np.array([0.02, 0.03])
    for side, arm, elbow in zip(sketch.sides(), pose.arms, pose.elbows, strict=True):
        bend = start + 0.27 * direction(arm)
        side.bone(start, bend, 0.036)
        side.bone(bend, bend + 0.3 * direction(arm - elbow), 0.03)


def direction(angle: float) -> np.ndarray:
    """Unit vector ``(2,)`` at an angle, in radians, from the vertical outwards."""
    return np.array([np.sin(angle), np.cos(angle)])
