"""The upper body, and what lies on a garment: collars, hems, pockets, folds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flam_pl.datasets.wardrobe.garment import Garment
from flam_pl.datasets.wardrobe.patterns import toward
from flam_pl.datasets.wardrobe.sketch import Sketch, path, rectangle, symmetric

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


class Torso(NamedTuple):
    neck: float  # half widths, but for the ends (2,) of the armhole and the height of the hem
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


def neck_back(sketch: Sketch, neck: float, depth: float = 0.16) -> None:
    hole = symmetric((0, -0.015), (neck + 0.004, -0.028, -0.1), (neck, 0.03), (0, depth, 0.1))
    sketch.panel(hole, "inner")


def upper_body(sketch: Sketch, body: Torso) -> None:
    neck_back(sketch, body.neck)
    sleeves(sketch, body)
    _, depth, bulge = NECKLINES[sketch.garment.trait("neckline")]
    bare = 0.05 if sketch.garment.trait("sleeve") == "none" else 0.0  # its armholes cut in
    round_hem = sketch.garment.shape == "shirt"
    high, low, curve = (0.03, 0.03, 0.06) if round_hem else (0.0, 0.004, 0.02)
    outline = symmetric(
        (0, depth), (body.neck, -0.028, bulge), (body.shoulder[0] - bare, 0.035 - 0.4 * bare, 0.04),
        (*body.armpit, -0.12 - 2.0 * bare), (body.waist, 0.37, -0.03),
        (body.hem, body.end - high, -0.02), (0, body.end + low, curve),
    )  # fmt: skip
    front_panel(sketch, outline, body.end)


def front_panel(sketch: Sketch, outline: np.ndarray, end: float) -> None:
    shift = sketch.pose.sway * np.clip(outline[:, 1] / end, 0, 1) ** 2
    sketch.panel(outline + shift[:, None] * (1.0, 0.0), "front")


def sleeves(sketch: Sketch, body: Torso) -> None:
    sketch.bone((0.0, -0.02), (0.0, -0.1), 0.052)  # neck and head
    sketch.bone((0.0, -0.2), (0.0, -0.24), 0.085)
    length, pose = SLEEVE_LENGTHS[sketch.garment.trait("sleeve")], sketch.pose
    start = (body.shoulder + body.armpit) / 2 - (0.02, 0.03)
    for side, arm, elbow in zip(sketch.sides(), pose.arms, pose.elbows, strict=True):
        down, fore = toward(arm)[::-1], toward(arm - elbow)[::-1]  # angles from the vertical
        bend = start + 0.27 * down
        side.bone(start, bend, 0.036)
        side.bone(bend, bend + 0.3 * fore, 0.03)
        if length:
            sleeve(side, body, arm, np.stack([down, fore]), length)


def sleeve(sketch: Sketch, body: Torso, arm: float, ways: np.ndarray, length: float) -> None:
    """``ways`` ``(2, 2)``: directions of upper arm and forearm."""
    top, pit, (down, fore) = body.shoulder, body.armpit, ways
    across, across_end = ways[:, ::-1] * (1, -1)
    wide = SLEEVE_WIDTHS.get(sketch.garment.shape, 0.05) + 0.016 * sketch.garment.traits.fit
    start, upper = (top + pit) / 2, min(0.25, length)
    bend = start + down * upper
    end, half = bend + fore * (length - upper), wide * (1.05 if length < 0.3 else 0.8)
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
            sketch.fold(low, (*high, 0.1), 0.014, depth)
    sketch.fold(pit, (*(start + down * 0.12 + across * 0.02), 0.1), 0.016, -0.7)


def cuff(sketch: Sketch, ends: np.ndarray, along: np.ndarray, length: float) -> None:
    """A sleeve's end; ``ends (2, 2)``: its corners, ``along``: direction of the forearm."""
    shape, is_long, material = sketch.garment.shape, length > 0.3, sketch.edge("cuffs")
    ribbed = shape in ("sweater", "hoodie")
    ribbed |= shape == "jacket" and sketch.garment.trait("collar") != "lapel"  # a bomber jacket
    deep = (0.05 if ribbed else 0.042) if is_long else 0.026
    narrow = (ends[0] - ends[1]) * (0.08 if ribbed else 0.0)
    a, b = seam = ends - along * deep
    hem = ends + np.stack([-narrow, narrow])
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


def neckband(sketch: Sketch, neck: float) -> None:
    material = sketch.edge("neck")
    if sketch.garment.trait("neckline") == "turtle":
        high, low = (neck - 0.006, -0.09, 0.03), (neck + 0.006, -0.01, 0.05)
        sketch.panel(symmetric((0, -0.085), high, low, (0, 0.03, 0.12)), material, lift=0.5)
        for x, y in path((-neck, 0.0), (neck, 0.0, -0.1))[1:-1]:
            sketch.line([(x, y), (x * 0.95, -0.085)], 0.005, "rib")
        return
    _, depth, bulge = NECKLINES[sketch.garment.trait("neckline")]
    wide = 0.024 if sketch.garment.shape == "sweater" else 0.016
    inner = path((0, depth), (neck, -0.03, bulge))
    outer = path((0, depth + 1.25 * wide), (neck + wide, -0.024, bulge))
    for side in sketch.sides():
        side.panel(np.concatenate([inner, outer[::-1]]), material)
        for edge in (outer, inner):
            side.line(edge, 0.005)


def collar(sketch: Sketch, neck: float, gap: float = 0.0) -> None:
    """A collar with leaves, a shirt's band, or a bomber jacket's knitted band."""
    stand, jacket = sketch.garment.trait("collar") == "stand", sketch.garment.shape == "jacket"
    back = symmetric((0, -0.05), (neck - 0.004, -0.042, 0.05), (neck + 0.004, -0.01), (0, -0.012))
    if stand and jacket:
        back = symmetric((0, -0.06), (neck, -0.05), (neck, -0.01), (0, 0.0))
    sketch.panel(back, "inner")
    if stand:
        outer, inner = (neck + 0.006, -0.03, -0.1), (neck - 0.012, -0.045)
        band = path((0.004, 0.07), outer, inner, (0.004, 0.03, 0.12))
        if jacket:
            outer, inner = (neck + 0.014, -0.025, -0.12), (neck - 0.006, -0.06)
            band = path((0.03, 0.09), outer, inner, (0.02, 0.035, 0.14))
        for side in sketch.sides():
            side.panel(band, sketch.edge("neck"), lift=0.5 if jacket else 0.4)
            for i in range(1, 8, 2) if jacket else ():
                side.line(band[[i, -1 - i]], 0.004, "rib")
            if not jacket:
                side.line(band[:9])
        return
    low, grow = (0.06, 1.0) if sketch.garment.shape == "shirt" else (0.055, 1.35)
    leaf = path(
        (0.004 + gap, low), (neck - 0.01, -0.052, -0.06), (neck + 0.022 * grow, -0.022, 0.08),
        (neck + 0.028 * grow, 0.055 * grow), (0.045 * grow + gap, 0.1 * grow), (0.004 + gap, low),
    )  # fmt: skip
    for side in sketch.sides():
        side.panel(leaf, sketch.edge("neck"), lift=0.6, seam=0.006)


def lapels(sketch: Sketch, neck: float, bottom: float, gap: float, wide: float) -> None:
    """Notched lapels down to height ``bottom``, and their collar."""
    material = "trim" if sketch.edge("neck") == "trim" else "ground"
    lapel = path(
        (gap, bottom), (neck - 0.012, -0.01, 0.02), (neck + 0.04 * wide, 0.055),
        (neck + 0.022 * wide, 0.075), (neck + 0.058 * wide, 0.095), (gap, bottom, 0.09),
    )  # fmt: skip
    fall, start = (neck + 0.045 * wide, 0.05, 0.05), (neck - 0.03, 0.03)
    collar = path(start, (neck - 0.02, -0.055), (neck + 0.014, -0.04), fall, start)
    for side in sketch.sides():
        side.panel(lapel, material, lift=0.7, seam=0.006, turn=(-0.35, neck, 0.1))
        side.panel(collar, material, lift=0.5, seam=0.006, turn=(0.5, neck, 0.0))


def hoodie_front(sketch: Sketch, end: float) -> None:
    y, side_line = end - 0.075, (0.13, end - 0.12, -0.08)
    pocket = symmetric((0, y - 0.14), (0.075, y - 0.14), side_line, (0.13, y), (0, y))
    sketch.panel(pocket, lift=0.6, seam=0.007)
    outer, inner = ((0.1, -0.11), (0.148, 0.03, 0.08)), ((-0.012, 0.135, 0.12), (-0.006, 0.095))
    edge = path((0.076, -0.09), *outer, *inner, (0.076, -0.09, -0.16))
    for side in sketch.sides():
        side.panel(edge, sketch.edge("neck"), lift=0.6, seam=0.006)
    for side in sketch.sides():
        low = 0.26 + 0.03 * side.flip * (sketch.garment.traits.cut - 0.5)
        side.disc((0.028, 0.105), 0.009, "metal")
        side.line(path((0.028, 0.105), (0.036, low, 0.04)), 0.011, "cord")
        side.disc((0.036, low), 0.01, "cord")


def hem_stitch(sketch: Sketch, half: float, end: float, bulge: float) -> None:
    sway, y = sketch.pose.sway, end - 0.022
    sketch.line(path((-half + sway, y), (half + sway, y, bulge)), 0.004)


def hem_band(sketch: Sketch, half: float, end: float) -> None:
    high, sway = end - 0.055, np.array([sketch.pose.sway, 0])
    corners = (half + 0.012, high), (half - 0.004, end + 0.006, 0.05)
    sketch.panel(symmetric((0, high), *corners, (0, end + 0.012)) + sway, sketch.edge("cuffs"))
    line = np.array([[-half, end - 0.053], [half, end - 0.053]]) + sway
    sketch.line(line)
    sketch.ribs(line, line + (0, 0.058), 16)


def hem_band_open(sketch: Sketch, body: Torso, gap: float) -> None:
    high, low = body.end - 0.05, body.end + 0.005
    for side in sketch.sides():
        end = body.hem + side.flip * sketch.pose.sway
        band = path((gap, high), (end, high), (end - 0.008, low, 0.05), (gap, low))
        side.panel(band, sketch.edge("cuffs"))
        side.line(band[:2])
        side.ribs(band[:2], band[:2] + (0, 0.052), 7)


def waistband(sketch: Sketch, half: float) -> None:
    band = symmetric((0, -0.035), (half, -0.04, -0.02), (half + 0.003, 0.008), (0, 0.016, 0.02))
    sketch.panel(band, "plain", lift=0.3)
    sketch.line(path((-half, 0.008), (half, 0.008, -0.03)), 0.007)


def placket(sketch: Sketch, end: float) -> None:
    sway, low, count = sketch.pose.sway, end + 0.024, sketch.garment.traits.buttons
    strip = np.array([[-0.02, 0.06], [0.02, 0.06], [0.02 + sway, low], [-0.02 + sway, low]])
    if sketch.garment.trait("trim") == "both":
        sketch.panel(strip, "trim")
    for edge in (strip[[0, 3]], strip[[1, 2]]):
        sketch.line(edge, 0.0065)
    for i in range(count):
        y = 0.1 + (end - 0.14) * i / (count - 1)
        sketch.disc((sway * (y / end) ** 2, y), 0.0115)


def coat_front(sketch: Sketch, body: Torso) -> None:
    garment, sway = sketch.garment, sketch.pose.sway
    x, top, low, columns = 0.0, 0.09, 0.72, [-0.03]
    if garment.trait("collar") == "lapel":
        x, top, low, columns = 0.06, 0.26, 0.5, [-0.045, 0.042]
    overlap = path((0.0, top), (x, top + 0.03), (x + 0.5 * sway, 0.6), (x + sway, body.end + 0.008))
    sketch.line(overlap, 0.009)
    rows = garment.traits.buttons // 2
    for i in range(rows):
        y = top + 0.07 + (low - top - 0.07) * i / max(1, rows - 1)
        for column in columns:
            sketch.disc((column, y), 0.0165)
    if garment.traits.fit < 0.35:
        half = body.waist + 0.004
        belt = symmetric((0, 0.39), (half, 0.388), (half, 0.428), (0, 0.432))
        sketch.panel(belt, sketch.edge("cuffs"), lift=0.5)
        for edge in (belt[:4], belt[4:]):
            sketch.line(edge, 0.005)
        sketch.line(rectangle(-0.026, 0.384, 0.026, 0.438)[[0, 1, 2, 3, 0]], 0.01, "metal")


def outer_pockets(sketch: Sketch) -> None:
    kind, coat = sketch.garment.trait("pockets"), sketch.garment.shape == "coat"
    if kind == "chest":
        flaps(sketch, 0.11, 0.19, 0.05)
    if kind == "flap":
        flaps(sketch, 0.125, *((0.54, 0.048) if coat else (0.36, 0.045)))
    elif kind != "none":
        slit = [(0.11, 0.56), (0.14, 0.46)] if coat else [(0.095, 0.41), (0.135, 0.31)]
        for side in sketch.sides():
            side.line(slit, 0.013)


def flaps(sketch: Sketch, x: float, y: float, half: float) -> None:
    for at in (-x, x):
        corners = rectangle(at - half, y - 0.018, at + half, y + 0.012)
        sketch.panel(np.insert(corners, 3, (at, y + 0.026), axis=0), lift=0.6, seam=0.006)
        sketch.disc((at, y + 0.01), 0.008)


def leg_pockets(sketch: Sketch, hip: float, y: float) -> None:
    """Pockets at the hip, and cargo pockets at height ``y``."""
    kind, x = sketch.garment.trait("pockets"), hip - 0.045
    if kind != "none":
        for side in sketch.sides():
            side.line(path((0.08, 0.01), (hip - 0.008, 0.13, -0.1)), 0.008)
    if kind == "flap":
        corners = rectangle(x - 0.045, y, x + 0.03, y + 0.08)
        for side in sketch.sides():
            side.panel(corners, lift=0.4, seam=0.006)
        flaps(sketch, x - 0.007, y + 0.005, 0.04)


def skirt_folds(sketch: Sketch, top: float, start: float, hem: float, end: float) -> None:
    """Folds from half width ``top`` at height ``start`` to half width ``hem`` at height ``end``."""
    cut = sketch.garment.traits.cut
    count, depth = 3 + round(4 * cut), 0.5 + 0.6 * cut
    for i in range(count):
        t = (i + 0.5) / count * 2 - 1
        x, y, foot = t * top * 0.9, start + 0.02, t * hem * 0.92 + sketch.pose.sway
        sketch.fold((x, y), (foot, end, 0.03 * t), 0.022, depth)
        sketch.fold((x + 0.02, y + 0.08), (foot + hem / count, end, 0.03 * t), 0.022, -depth)


# logo -> the half width, start and end height, and line width of each of its lines
LOGO_LINES = {
    "bar": ((0.03, 0.0, 0.0, 0.016),),
    "square": ((0.0, -0.016, 0.016, 0.034),),
    "triangle": tuple((x, y, y, 0.013) for x, y in ((0.0, -0.012), (0.009, 0.0), (0.018, 0.012))),
}


def finish(sketch: Sketch, body: Torso) -> None:
    kind, (x, y) = sketch.garment.trait("logo"), (-0.09, 0.16)
    if kind == "disc":
        sketch.disc((x, y), 0.02, "trim")
    for half, top, bottom, width in LOGO_LINES.get(kind, ()):
        sketch.line([(x - half, y + top), (x + half, y + bottom)], width, "trim")
    (chest, _), waist = body.armpit, body.waist
    for side in sketch.sides():
        side.fold((chest - 0.01, 0.2), (chest * 0.45, 0.28, 0.12), 0.02, -0.6)
        side.fold((chest - 0.02, 0.24), (chest * 0.5, 0.34, 0.1), 0.018, 0.55)
        side.fold((waist - 0.01, 0.37), (waist * 0.4, 0.42, 0.1), 0.018, -0.5)
