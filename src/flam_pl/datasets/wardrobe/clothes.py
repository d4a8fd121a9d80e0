"""The ten shapes. y = 0 is the neck of upper garments, the waist of lower garments."""

from __future__ import annotations

import numpy as np

from flam_pl.datasets.wardrobe import details
from flam_pl.datasets.wardrobe.details import front_panel, neck_back, sleeves, torso, upper_body
from flam_pl.datasets.wardrobe.sketch import Sketch, path, rectangle, symmetric


def draw_top(sketch: Sketch) -> None:
    shape, body = sketch.garment.shape, torso(sketch.garment)
    if shape == "hoodie":  # the hood, lying up behind the neck, and its dark inside
        sketch.panel(symmetric((0, -0.215), (0.125, -0.1, 0.22), (0.14, 0.05, 0.06), (0, 0.06)))
        inside = symmetric((0, -0.165), (0.082, -0.075, 0.22), (0.08, 0.06, 0.05), (0, 0.12))
        sketch.panel(inside, "inner")
    upper_body(sketch, body)
    sketch.disc(*(((0.0, 0.23), 0.17) if shape == "hoodie" else ((0.0, 0.25), 0.2)), "print")
    if shape in ("sweater", "hoodie"):
        details.hem_band(sketch, body.hem, body.end)
    else:
        details.hem_stitch(sketch, body.hem, body.end, bulge=-0.06 if shape == "shirt" else 0.0)
    if shape == "shirt":
        details.placket(sketch, body.end)
        details.collar(sketch, body.neck)
    elif shape == "hoodie":
        details.hoodie_front(sketch, body.end)
    else:
        details.neckband(sketch, body.neck)
    if sketch.garment.trait("pockets") == "chest":
        corners = [[0.05, 0.165], [0.12, 0.165], [0.12, 0.23], [0.085, 0.245], [0.05, 0.23]]
        sketch.panel(np.array(corners), lift=0.3, seam=0.006)
    details.finish(sketch, body)


def draw_jacket(sketch: Sketch) -> None:
    collar, body = sketch.garment.trait("collar"), torso(sketch.garment)
    neck, end, lapel = body.neck, body.end, collar == "lapel"
    lining = symmetric((0, -0.035), (neck + 0.01, -0.025), (0.09, end - 0.01), (0, end - 0.01))
    sketch.panel(lining, "lining")
    sleeves(sketch, body)
    gap = {"stand": 0.02, "classic": 0.03, "lapel": 0.025}[collar]
    for side in sketch.sides():
        half = path(
            (neck, -0.03), (*body.shoulder, 0.04), (*body.armpit, -0.12),
            (body.waist, 0.38, -0.03), (body.hem + side.flip * sketch.pose.sway, end),
            (gap + 0.035, end), (gap, 0.3, 0.03), (0.02 if lapel else gap, 0.2),
            (neck, -0.03, 0.0 if lapel else -0.08),
        )  # fmt: skip
        side.panel(half, "front", lift=0.35)
    sketch.disc((0.105, 0.24), 0.13, "print")
    if lapel:
        details.lapels(sketch, neck, bottom=0.3, gap=gap, wide=1.0)
        for y in (0.34, 0.4):
            sketch.disc((0.045, y), 0.011)
    else:
        zip_line = path((gap + 0.004, 0.06), (gap + 0.004, 0.3), (gap + 0.036, end, -0.03))
        for side in sketch.sides():
            side.line(zip_line, 0.013, "metal")
            side.line(zip_line + (0.016, 0), 0.005)
        details.hem_band_open(sketch, body, gap + 0.035)
        details.collar(sketch, neck, gap)
    details.outer_pockets(sketch)
    details.finish(sketch, body)


def draw_coat(sketch: Sketch) -> None:
    body, lapel = torso(sketch.garment), sketch.garment.trait("collar") == "lapel"
    neck_back(sketch, body.neck, depth=0.24)
    sleeves(sketch, body)
    outline = symmetric(
        (0, 0.25 if lapel else 0.07), (body.neck, -0.03), (*body.shoulder, 0.04),
        (*body.armpit, -0.12), (body.waist, 0.4, -0.04), (body.hem, body.end, -0.02),
        (0, body.end + 0.012, 0.02),
    )  # fmt: skip
    front_panel(sketch, outline, body.end)
    sketch.disc((0.0, 0.62), 0.22, "print")
    details.coat_front(sketch, body)
    details.outer_pockets(sketch)
    if lapel:
        details.lapels(sketch, body.neck, bottom=0.27, gap=0.0, wide=1.25)
    else:
        details.collar(sketch, body.neck)
    for side in sketch.sides():
        side.fold((0.1, 0.5), (0.14, body.end, 0.03), 0.03, 0.7)
        side.fold((0.05, 0.55), (0.06, body.end, -0.03), 0.03, -0.5)
    details.finish(sketch, body)


def draw_dress(sketch: Sketch) -> None:
    traits, body = sketch.garment.traits, torso(sketch.garment)
    waist, start = body.waist, body.end
    end, hem = 0.7 + 0.38 * traits.length, 0.2 + 0.17 * traits.cut
    wearer_legs(sketch, end)
    upper_body(sketch, body)
    side_line = (hem, end, 0.04 - 0.08 * traits.cut)
    skirt = symmetric((0, start - 0.01), (waist, start - 0.01), side_line, (0, end + 0.025, 0.05))
    front_panel(sketch, skirt, end)
    sketch.disc((0.0, 0.22), 0.17, "print")
    if sketch.edge("cuffs") == "trim":  # a sash
        high, low = (waist + 0.003, start - 0.024), (waist + 0.003, start + 0.014)
        sketch.panel(symmetric((0, start - 0.022), high, low, (0, start + 0.018)), "trim", lift=0.3)
    else:
        sketch.line(path((-waist, start - 0.01), (waist, start - 0.01, -0.02)), 0.009)
    details.skirt_folds(sketch, waist, start, hem, end)
    details.hem_stitch(sketch, hem - 0.01, end, bulge=-0.03)
    details.neckband(sketch, body.neck)
    for side in sketch.sides():
        side.fold((0.13, 0.2), (0.06, 0.33, 0.05), 0.018, 0.6)


def draw_skirt(sketch: Sketch) -> None:
    traits, sway = sketch.garment.traits, sketch.pose.sway
    end = 0.36 + 0.4 * traits.length
    top, hem = 0.125, 0.17 + 0.15 * traits.cut + 0.05 * traits.length
    wearer_legs(sketch, end)
    sketch.panel(symmetric((0, -0.02), (top, -0.02), (top, 0.0), (0, 0.012)), "inner")
    side_line = (hem, end, 0.045 - 0.08 * traits.cut)
    front_panel(sketch, symmetric((0, 0.0), (top, 0.0), side_line, (0, end + 0.025, 0.05)), end)
    sketch.disc((0.0, 0.25), 0.2, "print")
    details.skirt_folds(sketch, top, 0.02, hem, end)
    if traits.fit > 0.6:  # pleats are seen in the cloth, not only in the light
        for t in (-0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75):
            sketch.line([(t * top, 0.04), (t * hem * 0.96 + sway, end)], 0.005)
    if sketch.edge("cuffs") == "trim":
        high, low = (hem - 0.012, end - 0.045), (hem + 0.002, end + 0.001)
        border = symmetric((0, end - 0.03), high, low, (0, end + 0.025, 0.05))
        sketch.panel(border + (sway, 0), "trim")
    else:
        details.hem_stitch(sketch, hem - 0.015, end, bulge=-0.03)
    details.waistband(sketch, top)
    if sketch.garment.trait("pockets") == "side":
        for side in sketch.sides():
            side.line(path((0.07, 0.03), (top + 0.012, 0.12, -0.12)), 0.008)


def draw_legs(sketch: Sketch) -> None:
    traits, is_long = sketch.garment.traits, sketch.garment.shape == "trousers"
    top, hip, crotch = 0.135, 0.168 + 0.012 * traits.fit, 0.245 if is_long else 0.2
    if is_long:  # ankle and knee are half widths of a leg
        ankle, knee = 0.05 + 0.06 * traits.cut, 0.075 + 0.02 * traits.fit
        end = 0.93 + 0.12 * traits.length
    else:
        ankle = knee = 0.078 + 0.022 * traits.cut
        end = 0.36 + 0.19 * traits.length
        for side, slant in zip(sketch.sides(), np.sin(sketch.pose.legs), strict=True):
            side.bone((0.08 + slant * 0.2, 0.2), (0.08 + slant * 0.7, 0.9), 0.05)
    sketch.panel(symmetric((0, -0.03), (top, -0.03), (top, 0.0), (0, 0.015)), "inner")
    for side, slant in zip(sketch.sides(), sketch.pose.legs, strict=True):
        foot, y = np.sin(slant) * (end - crotch), crotch + 0.45 * (end - crotch)
        x = (0.09 if is_long else 0.1) + np.sin(slant) * 0.45 * (end - crotch)
        foot += 0.085 if is_long else 0.105
        leg = path(
            (0.0, -0.01), (top, -0.01), (hip, 0.15, 0.05), (x + knee, y, 0.02),
            (foot + ankle, end, -0.01), (foot - ankle, end, 0.03), (x - knee, y, -0.01),
            (0.0, crotch, 0.02), (0.0, -0.01),
        )  # fmt: skip
        side.panel(leg, "front" if side is sketch else "ground", turn=(-slant, 0.08, 0.2))
        if sketch.edge("cuffs") == "trim":  # turned up
            cuff = rectangle(foot - ankle - 0.003, end - 0.05, foot + ankle + 0.003, end + 0.005)
            side.panel(cuff, "trim", lift=0.4)
        else:
            side.line([(foot - ankle, end - 0.024), (foot + ankle, end - 0.024)], 0.005)
        side.fold((0.085, 0.12), (foot, end), 0.022, 0.8)
        side.fold((0.01, crotch), (0.1, crotch - 0.06, 0.1), 0.016, -0.7)
        side.fold((0.01, crotch + 0.03), (0.12, crotch + 0.02, 0.1), 0.016, -0.5)
        for high in (y - 0.03, y + 0.03) if is_long else ():
            side.fold((x - knee, high), (x, high - 0.02, 0.12), 0.014, -0.6)
    sketch.disc((0.1, 0.32 if is_long else 0.22), 0.13, "print")
    sketch.line([(0.0, 0.0), (0.0, crotch + 0.01)], 0.008)
    sketch.line(path((0.035, 0.0), (0.002, 0.17, -0.12)), 0.005)
    details.leg_pockets(sketch, hip, 0.3 if is_long else end - 0.17)
    details.waistband(sketch, top)
    for x in (-0.09, 0.09):  # belt loops
        sketch.line([(x, -0.034), (x, 0.016)], 0.012)
    sketch.disc((0.0, -0.01), 0.0125)


def wearer_legs(sketch: Sketch, hem: float) -> None:
    for side, slant in zip(sketch.sides(), sketch.pose.legs, strict=True):
        side.bone((0.07, hem - 0.2), (0.07 + np.sin(slant) * 0.3, hem + 0.35), 0.045)


DRAWERS = {
    **dict.fromkeys(("t-shirt", "shirt", "sweater", "hoodie"), draw_top),
    **{"jacket": draw_jacket, "coat": draw_coat, "dress": draw_dress, "skirt": draw_skirt},
    **dict.fromkeys(("trousers", "shorts"), draw_legs),
}
