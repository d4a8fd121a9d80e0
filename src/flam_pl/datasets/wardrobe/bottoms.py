"""Skirts, trousers and shorts, from the waist down: y = 0 is the waist."""

from __future__ import annotations

import numpy as np

from flam_pl.datasets.wardrobe import details
from flam_pl.datasets.wardrobe.sketch import Sketch, path, rectangle, symmetric
from flam_pl.datasets.wardrobe.torso import hanging_panel


def draw_skirt(sketch: Sketch) -> None:
    """A waistband and one panel, from a pencil to a circle skirt."""
    traits, sway = sketch.garment.traits, sketch.pose.sway
    end = 0.36 + 0.4 * traits.length
    top, hem = 0.125, 0.17 + 0.15 * traits.cut + 0.05 * traits.length
    wearer_legs(sketch, end)
    sketch.panel(symmetric((0, -0.02), (top, -0.02), (top, 0.0), (0, 0.012)), "inner")
    outline = symmetric(
        (0, 0.0), (top, 0.0), (hem, end, 0.045 - 0.08 * traits.cut), (0, end + 0.025, 0.05)
    )
    hanging_panel(sketch, outline, end)
    sketch.motif(0.0, 0.25, 0.2)
    details.skirt_folds(sketch, top, 0.02, hem, end)
    if traits.fit > 0.6:  # pleats are seen in the cloth, not only in the light
        for t in (-0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75):
            sketch.stroke([(t * top, 0.04), (t * hem * 0.96 + sway, end)], 0.005)
    if sketch.edge("cuffs") == "trim":
        border = symmetric(
            (0, end - 0.03), (hem - 0.012, end - 0.045), (hem + 0.002, end + 0.001),
            (0, end + 0.025, 0.05),
        )  # fmt: skip
        sketch.panel(border + np.array([sway, 0]), "trim")
    else:
        details.hem_stitch(sketch, hem - 0.015, end, bulge=-0.03)
    waistband(sketch, top)
    if sketch.garment.trait("pockets") == "side":
        hip_pockets(sketch, (0.07, 0.03), (top + 0.012, 0.12, -0.12))


def draw_trousers(sketch: Sketch) -> None:
    """Long legs, from tight to flared."""
    traits = sketch.garment.traits
    ankle, knee = 0.05 + 0.06 * traits.cut, 0.075 + 0.02 * traits.fit
    two_legs(sketch, 0.93 + 0.12 * traits.length, ankle, knee)


def draw_shorts(sketch: Sketch) -> None:
    """Legs that end above the knee."""
    traits = sketch.garment.traits
    for side, slant in zip(sketch.sides(), np.sin(sketch.pose.legs), strict=True):
        side.bone((0.08 + slant * 0.2, 0.2), (0.08 + slant * 0.7, 0.9), 0.05)
    wide = 0.078 + 0.022 * traits.cut
    two_legs(sketch, 0.36 + 0.19 * traits.length, wide, wide)


def two_legs(sketch: Sketch, end: float, ankle: float, knee: float) -> None:
    """Both legs, fly, pockets and waistband. ``ankle`` and ``knee`` are half widths of a leg."""
    top, hip, is_long = 0.135, 0.168 + 0.012 * sketch.garment.traits.fit, end > 0.7
    crotch = 0.245 if is_long else 0.2
    sketch.panel(symmetric((0, -0.03), (top, -0.03), (top, 0.0), (0, 0.015)), "inner")
    for side, slant in zip(sketch.sides(), sketch.pose.legs, strict=True):
        foot = (0.085 if is_long else 0.105) + np.sin(slant) * (end - crotch)
        x = (0.09 if is_long else 0.1) + np.sin(slant) * 0.45 * (end - crotch)
        y = crotch + 0.45 * (end - crotch)
        leg = path(
            (0.0, -0.01),
            (top, -0.01),
            (hip, 0.15, 0.05),
            (x + knee, y, 0.02),
            (foot + ankle, end, -0.01),
            (foot - ankle, end, 0.03),
            (x - knee, y, -0.01),
            (0.0, crotch, 0.02),
            (0.0, -0.01),
        )
        side.panel(leg, turn=-slant, anchor=(0.08, 0.2), front=side.flip > 0)
        leg_end(side, foot, end, ankle)
        side.fold(path((0.085, 0.12), (foot, end)), 0.022, 0.8)
        side.fold(path((0.01, crotch), (0.1, crotch - 0.06, 0.1)), 0.016, -0.7)
        side.fold(path((0.01, crotch + 0.03), (0.12, crotch + 0.02, 0.1)), 0.016, -0.5)
        for high in (y - 0.03, y + 0.03) if is_long else ():
            side.fold(path((x - knee, high), (x, high - 0.02, 0.12)), 0.014, -0.6)
    sketch.motif(0.1, 0.32 if is_long else 0.22, 0.13)
    sketch.stroke([(0.0, 0.0), (0.0, crotch + 0.01)], 0.008)
    sketch.stroke(path((0.035, 0.0), (0.002, 0.17, -0.12)), 0.005)
    leg_pockets(sketch, hip, 0.3 if is_long else end - 0.17)
    waistband(sketch, top)
    for x in (-0.09, 0.09):
        sketch.stroke([(x, -0.034), (x, 0.016)], 0.012)  # belt loops
    sketch.spot(0.0, -0.01, 0.0125)


def leg_end(sketch: Sketch, x: float, y: float, half: float) -> None:
    """The bottom of a leg: turned up and contrasting, or only stitched."""
    if sketch.edge("cuffs") == "trim":
        cuff = rectangle(x - half - 0.003, y - 0.05, x + half + 0.003, y + 0.005)
        sketch.panel(cuff, "trim", lift=0.4)
    else:
        sketch.stroke([(x - half, y - 0.024), (x + half, y - 0.024)], 0.005)


def leg_pockets(sketch: Sketch, hip: float, y: float) -> None:
    """Slanted pockets at the hip, and the big flaps of cargo trousers at height ``y``."""
    kind = sketch.garment.trait("pockets")
    if kind == "none":
        return
    hip_pockets(sketch, (0.08, 0.01), (hip - 0.008, 0.13, -0.1))
    if kind == "flap":
        x = hip - 0.045
        for side in sketch.sides():
            side.panel(rectangle(x - 0.045, y, x + 0.03, y + 0.08), lift=0.4, seam=0.006)
        details.flaps(sketch, x - 0.007, y + 0.005, 0.04)


def hip_pockets(sketch: Sketch, start: tuple[float, float], step: tuple[float, ...]) -> None:
    """The curved edge of a pocket on each side."""
    for side in sketch.sides():
        side.stroke(path(start, step), 0.008)


def waistband(sketch: Sketch, half: float) -> None:
    """The band at the waist."""
    band = symmetric((0, -0.035), (half, -0.04, -0.02), (half + 0.003, 0.008), (0, 0.016, 0.02))
    sketch.panel(band, "plain", lift=0.3)
    sketch.stroke(path((-half, 0.008), (half, 0.008, -0.03)), 0.007)


def wearer_legs(sketch: Sketch, hem: float) -> None:
    """Legs that come out of a dress or skirt whose hem is at height ``hem``."""
    for side, slant in zip(sketch.sides(), sketch.pose.legs, strict=True):
        side.bone((0.07, hem - 0.2), (0.07 + np.sin(slant) * 0.3, hem + 0.35), 0.045)
