"""Skirts, trousers and shorts, from the waist down: y = 0 is the waist."""

from __future__ import annotations

import numpy as np

from flam_pl.datasets.wardrobe import details
from flam_pl.datasets.wardrobe.garment import Garment
from flam_pl.datasets.wardrobe.outlines import Pose, Sketch, bow, closed, path, sided
from flam_pl.datasets.wardrobe.tops import legs, swayed


def draw_skirt(sketch: Sketch, garment: Garment, pose: Pose) -> None:
    """A waistband and one panel, from a pencil to a circle skirt."""
    traits = garment.traits
    end = 0.36 + 0.4 * traits.length
    top, hem = 0.125, 0.17 + 0.15 * traits.cut + 0.05 * traits.length
    legs(sketch, end, pose)
    sketch.panel(
        closed(path((0, -0.02), ((top, -0.02), 0), ((top, 0.0), 0), ((0, 0.012), 0))), "inner"
    )
    right = path(
        (0, 0.0), ((top, 0.0), 0), ((hem, end), 0.045 - 0.08 * traits.cut), ((0, end + 0.025), 0.05)
    )
    sketch.panel(swayed(closed(right), pose.sway, end), "ground", front=True)
    sketch.motif((0.0, 0.25), 0.2)
    details.skirt_folds(sketch, garment, top, 0.02, hem, end, pose.sway)
    if traits.fit > 0.6:  # pleats are seen in the cloth, not only in the light
        for i in range(1, 8):
            t = i / 4 - 1
            sketch.stroke([(t * top, 0.04), (t * hem * 0.96 + pose.sway, end)], "seam", 0.005)
    if garment.trait("trim") == "cuffs":
        border = closed(
            path(
                (0, end - 0.03),
                ((hem - 0.012, end - 0.045), 0.0),
                ((hem + 0.002, end + 0.001), 0),
                ((0, end + 0.025), 0.05),
            )
        )
        sketch.panel(border + np.array([pose.sway, 0]), "trim")
    else:
        details.hem_stitch(sketch, hem - 0.015, end, pose.sway, bulge=-0.03)
    waistband(sketch, garment, top, loops=False)
    if garment.trait("pockets") == "side":
        for side in (-1, 1):
            sketch.stroke(sided(bow((0.07, 0.03), (top + 0.012, 0.12), -0.12), side), "seam", 0.008)


def draw_trousers(sketch: Sketch, garment: Garment, pose: Pose) -> None:
    """Long legs with a crease or a flare."""
    traits = garment.traits
    end = 0.93 + 0.12 * traits.length
    two_legs(
        sketch, garment, pose, end, ankle=0.05 + 0.06 * traits.cut, knee=0.075 + 0.02 * traits.fit
    )


def draw_shorts(sketch: Sketch, garment: Garment, pose: Pose) -> None:
    """Legs that end above the knee."""
    traits = garment.traits
    end = 0.36 + 0.19 * traits.length
    wide = 0.078 + 0.022 * traits.cut
    for k, side in enumerate((-1, 1)):
        slant = np.sin(pose.legs[k])
        sketch.bone((side * (0.08 + slant * 0.2), 0.2), (side * (0.08 + slant * 0.7), 0.9), 0.05)
    two_legs(sketch, garment, pose, end, ankle=wide, knee=wide)


def two_legs(
    sketch: Sketch, garment: Garment, pose: Pose, end: float, ankle: float, knee: float
) -> None:
    """Both legs, fly, pockets and waistband. ``ankle`` and ``knee`` are half widths of a leg."""
    top, hip, crotch = 0.135, 0.168 + 0.012 * garment.traits.fit, 0.245 if end > 0.7 else 0.2
    sketch.panel(
        closed(path((0, -0.03), ((top, -0.03), 0), ((top, 0.0), 0), ((0, 0.015), 0))), "inner"
    )
    for k, side in enumerate((-1, 1)):
        slant = pose.legs[k]
        foot = np.array([(0.085 if end > 0.7 else 0.105) + np.sin(slant) * (end - crotch), end])
        middle = np.array(
            [
                (0.09 if end > 0.7 else 0.1) + np.sin(slant) * 0.45 * (end - crotch),
                crotch + 0.45 * (end - crotch),
            ]
        )
        leg = path(
            (0.0, -0.01),
            ((top, -0.01), 0),
            ((hip, 0.15), 0.05),
            ((float(middle[0]) + knee, float(middle[1])), 0.02),
            ((float(foot[0]) + ankle, end), -0.01),
            ((float(foot[0]) - ankle, end), 0.03),
            ((float(middle[0]) - knee, float(middle[1])), -0.01),
            ((0.0, crotch), 0.02),
            ((0.0, -0.01), 0),
        )
        sketch.panel(
            sided(leg, side),
            "ground",
            turn=-side * slant,
            anchor=(side * 0.08, 0.2),
            front=side > 0,
        )
        leg_end(sketch, garment, side, foot, ankle)
        crease = bow((0.085, 0.12), (float(foot[0]), end), 0.0)
        sketch.fold(sided(crease, side), 0.022, 0.8)
        sketch.fold(sided(bow((0.01, crotch), (0.1, crotch - 0.06), 0.1), side), 0.016, -0.7)
        sketch.fold(
            sided(bow((0.01, crotch + 0.03), (0.12, crotch + 0.02), 0.1), side), 0.016, -0.5
        )
        if end > 0.7:
            for step in (-0.03, 0.03):
                a = (float(middle[0]) - knee, float(middle[1]) + step)
                sketch.fold(sided(bow(a, (a[0] + knee, a[1] - 0.02), 0.12), side), 0.014, -0.6)
    sketch.motif((0.1, 0.32 if end > 0.7 else 0.22), 0.13)
    sketch.stroke([(0.0, 0.0), (0.0, crotch + 0.01)], "seam", 0.008)
    sketch.stroke(bow((0.035, 0.0), (0.002, 0.17), -0.12), "seam", 0.005)
    leg_pockets(sketch, garment, hip, 0.3 if end > 0.7 else end - 0.17)
    waistband(sketch, garment, top, loops=True)


def leg_end(sketch: Sketch, garment: Garment, side: int, foot: np.ndarray, ankle: float) -> None:
    """The bottom of a leg: turned up and contrasting, or only stitched."""
    x, y = float(foot[0]), float(foot[1])
    if garment.trait("trim") == "cuffs":
        cuff = np.array(
            [
                [x - ankle - 0.003, y - 0.05],
                [x + ankle + 0.003, y - 0.05],
                [x + ankle + 0.003, y + 0.005],
                [x - ankle - 0.003, y + 0.005],
            ]
        )
        sketch.panel(sided(cuff, side), "trim", lift=0.4)
    else:
        line = np.array([[x - ankle, y - 0.024], [x + ankle, y - 0.024]])
        sketch.stroke(sided(line, side), "seam", 0.005)


def leg_pockets(sketch: Sketch, garment: Garment, hip: float, y: float) -> None:
    """Slanted pockets at the hip, and the big flaps of cargo trousers at height ``y``."""
    kind = garment.trait("pockets")
    if kind == "none":
        return
    for side in (-1, 1):
        sketch.stroke(sided(bow((0.08, 0.01), (hip - 0.008, 0.13), -0.1), side), "seam", 0.008)
        if kind == "flap":
            x = hip - 0.045
            left, right, low = x - 0.045, x + 0.03, y + 0.08
            bag = np.array([[left, y], [right, y], [right, low], [left, low]])
            sketch.panel(sided(bag, side), "ground", lift=0.4)
            sketch.stroke(sided(np.concatenate([bag, bag[:1]]), side), "seam", 0.006)
            details.flap(sketch, garment, (side * (x - 0.007), y + 0.005), 0.04)


def waistband(sketch: Sketch, garment: Garment, half: float, loops: bool) -> None:
    """The band at the waist, with a button and belt loops on trousers."""
    band = closed(
        path((0, -0.035), ((half, -0.04), -0.02), ((half + 0.003, 0.008), 0), ((0, 0.016), 0.02))
    )
    sketch.panel(band, "plain", lift=0.3)
    sketch.stroke(bow((-half, 0.008), (half, 0.008), -0.03), "seam", 0.007)
    if not loops:
        return
    for x in (-0.09, 0.09):
        sketch.stroke([(x, -0.034), (x, 0.016)], "seam", 0.012)
    sketch.spot((0.0, -0.01), 0.0125, garment.traits.button_tone)
