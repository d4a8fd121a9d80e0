"""What lies on the cloth of an upper body or a skirt: hems, fronts, pockets, belts, logos, folds."""

from __future__ import annotations

import numpy as np

from flam_pl.datasets.wardrobe.sketch import Point, Sketch, path, rectangle, symmetric
from flam_pl.datasets.wardrobe.torso import Torso


def hem_stitch(sketch: Sketch, half: float, end: float, bulge: float) -> None:
    """The stitched line just above a hem."""
    sway, y = sketch.pose.sway, end - 0.022
    sketch.stroke(path((-half + sway, y), (half + sway, y, bulge)), 0.004)


def hem_band(sketch: Sketch, half: float, end: float) -> None:
    """The ribbed band at the bottom of a sweater or hoodie."""
    high, sway = end - 0.055, np.array([sketch.pose.sway, 0])
    band = symmetric(
        (0, high), (half + 0.012, high), (half - 0.004, end + 0.006, 0.05), (0, end + 0.012)
    )
    sketch.panel(band + sway, sketch.edge("cuffs"))
    line = np.array([[-half, end - 0.053], [half, end - 0.053]]) + sway
    sketch.stroke(line)
    sketch.ribs(line, line + np.array([0, 0.058]), 16)


def hem_band_open(sketch: Sketch, body: Torso, gap: float) -> None:
    """The ribbed band of an open jacket, in two halves."""
    high, low = body.end - 0.05, body.end + 0.005
    for side in sketch.sides():
        end = body.hem + side.flip * sketch.pose.sway
        band = path((gap, high), (end, high), (end - 0.008, low, 0.05), (gap, low))
        side.panel(band, sketch.edge("cuffs"))
        line = np.array([[gap, high], [end, high]])
        side.stroke(line)
        side.ribs(line, line + np.array([0, 0.052]), 7)


def placket(sketch: Sketch, end: float) -> None:
    """The buttoned front of a shirt."""
    sway, low, count = sketch.pose.sway, end + 0.024, sketch.garment.traits.buttons
    strip = np.array([[-0.02, 0.06], [0.02, 0.06], [0.02 + sway, low], [-0.02 + sway, low]])
    if sketch.garment.trait("trim") == "both":
        sketch.panel(strip, "trim")
    for edge in (strip[[0, 3]], strip[[1, 2]]):
        sketch.stroke(edge, 0.0065)
    for i in range(count):
        y = 0.1 + (end - 0.14) * i / (count - 1)
        sketch.spot(sway * (y / end) ** 2, y, 0.0115)


def zip_fronts(sketch: Sketch, end: float, gap: float) -> None:
    """The two halves of an open zip."""
    line = path((gap + 0.004, 0.06), (gap + 0.004, 0.3), (gap + 0.036, end, -0.03))
    for side in sketch.sides():
        side.stroke(line, 0.013, "metal")
        side.stroke(line + np.array([0.016, 0]), 0.005)


def coat_front(sketch: Sketch, body: Torso) -> None:
    """The overlap of a coat, its buttons, belt and pockets."""
    garment, sway = sketch.garment, sketch.pose.sway
    x, top, low, columns = 0.0, 0.09, 0.72, (-0.03,)
    if garment.trait("collar") == "lapel":
        x, top, low, columns = 0.06, 0.26, 0.5, (-0.045, 0.042)
    overlap = path((0.0, top), (x, top + 0.03), (x + 0.5 * sway, 0.6), (x + sway, body.end + 0.008))
    sketch.stroke(overlap, 0.009)
    rows = garment.traits.buttons // 2
    for i in range(rows):
        y = top + 0.07 + (low - top - 0.07) * i / max(1, rows - 1)
        for column in columns:
            sketch.spot(column, y, 0.0165)
    if garment.traits.fit < 0.35:
        belt(sketch, body.waist + 0.004)
    if garment.trait("pockets") == "flap":
        flaps(sketch, 0.125, 0.54, 0.048)
    elif garment.trait("pockets") == "side":
        slits(sketch, (0.11, 0.56), (0.14, 0.46))


def belt(sketch: Sketch, half: float) -> None:
    """The belt of a coat, with a buckle."""
    outline = symmetric((0, 0.39), (half, 0.388), (half, 0.428), (0, 0.432))
    sketch.panel(outline, sketch.edge("cuffs"), lift=0.5)
    for line in (outline[:4], outline[4:]):
        sketch.stroke(line, 0.005)
    sketch.stroke(rectangle(-0.026, 0.384, 0.026, 0.438)[[0, 1, 2, 3, 0]], 0.01, "metal")


def sash(sketch: Sketch, body: Torso) -> None:
    """The waist of a dress: a seam, or a sash if it is trimmed."""
    waist, half, y = body.waist, body.waist + 0.003, body.end
    if sketch.edge("cuffs") == "trim":
        band = symmetric((0, y - 0.022), (half, y - 0.024), (half, y + 0.014), (0, y + 0.018))
        sketch.panel(band, "trim", lift=0.3)
    else:
        sketch.stroke(path((-waist, y - 0.01), (waist, y - 0.01, -0.02)), 0.009)


def jacket_pockets(sketch: Sketch) -> None:
    """Chest flaps, slanted side pockets, or flaps below the waist."""
    kind = sketch.garment.trait("pockets")
    if kind == "chest":
        flaps(sketch, 0.11, 0.19, 0.05)
    if kind == "flap":
        flaps(sketch, 0.125, 0.36, 0.045)
    else:
        slits(sketch, (0.095, 0.41), (0.135, 0.31))


def flaps(sketch: Sketch, x: float, y: float, half: float) -> None:
    """A buttoned pocket flap on each side, ``half`` its width to both sides of ``x``."""
    for at in (-x, x):
        left, right, low = at - half, at + half, y + 0.012
        corners = [
            [left, y - 0.018],
            [right, y - 0.018],
            [right, low],
            [at, y + 0.026],
            [left, low],
        ]
        sketch.panel(np.array(corners), lift=0.6, seam=0.006)
        sketch.spot(at, y + 0.01, 0.008)


def slits(sketch: Sketch, low: Point, high: Point) -> None:
    """A slanted pocket on each side."""
    for side in sketch.sides():
        side.stroke([low, high], 0.013)


def kangaroo_pocket(sketch: Sketch, end: float) -> None:
    """The wide pocket on the belly of a hoodie."""
    y = end - 0.075
    outline = symmetric(
        (0, y - 0.14), (0.075, y - 0.14), (0.13, y - 0.045, -0.08), (0.13, y), (0, y)
    )
    sketch.panel(outline, lift=0.6, seam=0.007)


def chest_pocket(sketch: Sketch) -> None:
    """A patch pocket on the chest."""
    corners = [[0.05, 0.165], [0.12, 0.165], [0.12, 0.23], [0.085, 0.245], [0.05, 0.23]]
    sketch.panel(np.array(corners), lift=0.3, seam=0.006)


def logo(sketch: Sketch) -> None:
    """A small mark on the left of the chest."""
    kind, (x, y) = sketch.garment.trait("logo"), (-0.09, 0.16)
    if kind == "disc":
        sketch.spot(x, y, 0.02, "second")
    elif kind == "bar":
        sketch.stroke([(x - 0.03, y), (x + 0.03, y)], 0.016, "second")
    elif kind == "square":
        sketch.stroke([(x, y - 0.016), (x, y + 0.016)], 0.034, "second")
    elif kind == "triangle":
        for half, down in ((0.0, -0.012), (0.009, 0.0), (0.018, 0.012)):
            sketch.stroke([(x - half, y + down), (x + half, y + down)], 0.013, "second")


def skirt_folds(sketch: Sketch, top: float, start: float, hem: float, end: float) -> None:
    """Folds from the waist to the hem; the more the skirt flares, the more and the deeper.

    ``top`` and ``hem`` are half widths, ``start`` and ``end`` heights.
    """
    cut = sketch.garment.traits.cut
    count, depth = 3 + round(4 * cut), 0.5 + 0.6 * cut
    for i in range(count):
        t = (i + 0.5) / count * 2 - 1
        x, y, foot = t * top * 0.9, start + 0.02, t * hem * 0.92 + sketch.pose.sway
        sketch.fold(path((x, y), (foot, end, 0.03 * t)), 0.022, depth)
        sketch.fold(path((x + 0.02, y + 0.08), (foot + hem / count, end, 0.03 * t)), 0.022, -depth)
