"""What makes a person say "a shirt": cuffs, plackets, pockets, bands, belts, buttons."""

from __future__ import annotations

import numpy as np

from flam_pl.datasets.wardrobe.collars import Measures, edge
from flam_pl.datasets.wardrobe.garment import Garment
from flam_pl.datasets.wardrobe.outlines import (
    Point,
    Sketch,
    between,
    bow,
    closed,
    path,
    ribs,
    sided,
)


def hem_stitch(sketch: Sketch, half: float, end: float, sway: float, bulge: float) -> None:
    """The stitched line just above a hem."""
    sketch.stroke(
        bow((-half + sway, end - 0.022), (half + sway, end - 0.022), bulge), "seam", 0.004
    )


def hem_band(sketch: Sketch, garment: Garment, half: float, end: float, sway: float) -> None:
    """The ribbed band at the bottom of a sweater or hoodie."""
    top = half + 0.012
    band = closed(
        path(
            (0, end - 0.055),
            ((top, end - 0.055), 0),
            ((half - 0.004, end + 0.006), 0.05),
            ((0, end + 0.012), 0),
        )
    )
    sketch.panel(band + np.array([sway, 0]), edge(garment, "cuffs"))
    line = np.array([[-half + sway, end - 0.053], [half + sway, end - 0.053]])
    sketch.stroke(line, "seam", 0.006)
    ribs(sketch, line, line + np.array([0, 0.058]), 16)


def hem_band_open(sketch: Sketch, garment: Garment, t: Measures, gap: float, sway: float) -> None:
    """The ribbed band of an open jacket, in two halves."""
    for side in (-1, 1):
        start, end = gap, t.hem + side * sway
        band = path(
            (start, t.end - 0.05),
            ((end, t.end - 0.05), 0),
            ((end - 0.008, t.end + 0.005), 0.05),
            ((start, t.end + 0.005), 0),
        )
        sketch.panel(sided(band, side), edge(garment, "cuffs"))
        line = sided(np.array([[start, t.end - 0.05], [end, t.end - 0.05]]), side)
        sketch.stroke(line, "seam")
        ribs(sketch, line, line + np.array([0, 0.052]), 7)


def cuff(
    sketch: Sketch,
    garment: Garment,
    side: int,
    outer: np.ndarray,
    inner: np.ndarray,
    along: np.ndarray,
    length: float,
) -> None:
    """The end of a sleeve: a stitched line, a buttoned cuff, or a ribbed band.

    Args:
        sketch: drawn into.
        garment: decides which.
        side: -1 or 1; points are those of the right side.
        outer: corner of the sleeve's end ``(2,)``.
        inner: the other corner ``(2,)``.
        along: direction of the forearm ``(2,)``.
        length: of the sleeve.
    """
    ribbed = garment.shape in ("sweater", "hoodie") or (
        garment.shape == "jacket" and garment.trait("collar") != "lapel"
    )
    deep = 0.05 if ribbed else 0.042
    if length < 0.3:
        deep = 0.026
    narrow = (outer - inner) * (0.08 if ribbed else 0.0)
    a, b = outer - along * deep, inner - along * deep
    if edge(garment, "cuffs") == "trim" or (
        length > 0.3 and garment.shape in ("shirt", "sweater", "hoodie", "jacket")
    ):
        band = np.stack([a + 0.3 * narrow, outer - narrow, inner + narrow, b - 0.3 * narrow])
        sketch.panel(sided(band, side), edge(garment, "cuffs"))
    sketch.stroke(sided(np.stack([a, b]), side), "seam", 0.006)
    if ribbed:
        ribs(
            sketch,
            sided(np.stack([a, b]), side),
            sided(np.stack([outer - narrow, inner + narrow]), side),
            6,
        )
    elif garment.shape == "shirt" and length > 0.3:
        spot = between(a, inner, 0.5)
        sketch.spot((side * spot[0], spot[1]), 0.009, garment.traits.button_tone)
    elif garment.shape in ("coat", "jacket"):
        for i in range(2):
            spot = between(a - along * 0.02 * i, b - along * 0.02 * i, 0.25)
            sketch.spot((side * spot[0], spot[1]), 0.008, garment.traits.button_tone)


def placket(sketch: Sketch, garment: Garment, t: Measures, sway: float) -> None:
    """The buttoned front of a shirt."""
    strip = np.array(
        [[-0.02, 0.06], [0.02, 0.06], [0.02 + sway, t.end + 0.024], [-0.02 + sway, t.end + 0.024]]
    )
    if garment.trait("trim") == "both":
        sketch.panel(strip, "trim")
    for i in (0, 1):
        sketch.stroke(strip[[i, 3 - i]], "seam", 0.0065)
    count = garment.traits.buttons
    for i in range(count):
        y = 0.1 + (t.end - 0.14) * i / (count - 1)
        sketch.spot((sway * (y / t.end) ** 2, y), 0.0115, garment.traits.button_tone)


def zip_fronts(sketch: Sketch, t: Measures, gap: float) -> None:
    """The two halves of an open zip."""
    for side in (-1, 1):
        line = path((gap + 0.004, 0.06), ((gap + 0.004, 0.3), 0), ((gap + 0.036, t.end), -0.03))
        sketch.stroke(sided(line, side), "metal", 0.013)
        sketch.stroke(sided(line + np.array([0.016, 0]), side), "seam", 0.005)


def jacket_pockets(sketch: Sketch, garment: Garment, t: Measures) -> None:
    """Chest flaps, slanted side pockets, or flaps below the waist."""
    kind = garment.trait("pockets")
    for side in (-1, 1):
        if kind == "chest":
            flap(sketch, garment, (side * 0.11, 0.19), 0.05)
        if kind in ("chest", "side"):
            sketch.stroke(sided(np.array([[0.095, 0.41], [0.135, 0.31]]), side), "seam", 0.013)
        else:
            flap(sketch, garment, (side * 0.125, 0.36), 0.045)


def flap(sketch: Sketch, garment: Garment, center: Point, half: float) -> None:
    """A pocket flap with a button."""
    x, y = center
    outline = np.array(
        [
            [x - half, y - 0.018],
            [x + half, y - 0.018],
            [x + half, y + 0.012],
            [x, y + 0.026],
            [x - half, y + 0.012],
        ]
    )
    sketch.panel(outline, "ground", lift=0.6)
    sketch.stroke(np.concatenate([outline, outline[:1]]), "seam", 0.006)
    sketch.spot((x, y + 0.01), 0.008, garment.traits.button_tone)


def coat_front(sketch: Sketch, garment: Garment, t: Measures, sway: float) -> None:
    """The overlap of a coat, its buttons, belt and pockets."""
    lapel = garment.trait("collar") == "lapel"
    x = 0.06 if lapel else 0.0
    top = 0.26 if lapel else 0.09
    overlap = path(
        (0.0 if lapel else 0.0, top),
        ((x, top + 0.03), 0),
        ((x + 0.5 * sway, 0.6), 0),
        ((x + sway, t.end + 0.008), 0),
    )
    sketch.stroke(overlap, "seam", 0.009)
    rows = garment.traits.buttons // 2
    low = 0.5 if lapel else 0.72
    for i in range(rows):
        y = top + 0.07 + (low - top - 0.07) * i / max(1, rows - 1)
        for column in (-0.045, x - 0.018) if lapel else (-0.03,):
            sketch.spot((column, y), 0.0165, garment.traits.button_tone)
    if garment.traits.fit < 0.35:
        belt(sketch, garment, t.waist + 0.004, 0.41)
    for side in (-1, 1):
        if garment.trait("pockets") == "flap":
            flap(sketch, garment, (side * 0.125, 0.54), 0.048)
        elif garment.trait("pockets") == "side":
            sketch.stroke(sided(np.array([[0.11, 0.56], [0.14, 0.46]]), side), "seam", 0.013)


def belt(sketch: Sketch, garment: Garment, half: float, y: float) -> None:
    """A belt with a buckle at height ``y``."""
    outline = closed(
        path((0, y - 0.02), ((half, y - 0.022), 0), ((half, y + 0.018), 0), ((0, y + 0.022), 0))
    )
    sketch.panel(outline, edge(garment, "cuffs"), lift=0.5)
    for line in (outline[:4], outline[4:]):
        sketch.stroke(line, "seam", 0.005)
    buckle = np.array(
        [
            [-0.026, y - 0.026],
            [0.026, y - 0.026],
            [0.026, y + 0.028],
            [-0.026, y + 0.028],
            [-0.026, y - 0.026],
        ]
    )
    sketch.stroke(buckle, "metal", 0.01)


def kangaroo_pocket(sketch: Sketch, end: float) -> None:
    """The wide pocket on the belly of a hoodie."""
    y = end - 0.075
    half = path(
        (0, y - 0.14),
        ((0.075, y - 0.14), 0),
        ((0.13, y - 0.045), -0.08),
        ((0.13, y), 0),
        ((0, y), 0),
    )
    sketch.panel(closed(half), "ground", lift=0.6)
    sketch.stroke(closed(half), "seam", 0.007)


def chest_pocket(sketch: Sketch, side: int) -> None:
    """A patch pocket on the chest."""
    x, y = side * 0.085, 0.2
    outline = np.array(
        [
            [x - 0.035, y - 0.035],
            [x + 0.035, y - 0.035],
            [x + 0.035, y + 0.03],
            [x, y + 0.045],
            [x - 0.035, y + 0.03],
        ]
    )
    sketch.panel(outline, "ground", lift=0.3)
    sketch.stroke(np.concatenate([outline, outline[:1]]), "seam", 0.006)


def logo(sketch: Sketch, garment: Garment) -> None:
    """A small mark on the left of the chest."""
    kind, (x, y) = garment.trait("logo"), (-0.09, 0.16)
    if kind == "disc":
        sketch.spot((x, y), 0.02, "second")
    elif kind == "bar":
        sketch.stroke([(x - 0.03, y), (x + 0.03, y)], "second", 0.016)
    elif kind == "square":
        sketch.stroke([(x, y - 0.016), (x, y + 0.016)], "second", 0.034)
    elif kind == "triangle":
        for i in range(3):
            sketch.stroke(
                [(x - 0.009 * i, y - 0.012 + 0.012 * i), (x + 0.009 * i, y - 0.012 + 0.012 * i)],
                "second",
                0.013,
            )


def waist(sketch: Sketch, garment: Garment, t: Measures) -> None:
    """The waist of a dress: a seam, or a sash if it is trimmed."""
    if garment.trait("trim") in ("cuffs", "both"):
        half = t.waist + 0.003
        sash = closed(
            path(
                (0, t.end - 0.022),
                ((half, t.end - 0.024), 0),
                ((half, t.end + 0.014), 0),
                ((0, t.end + 0.018), 0),
            )
        )
        sketch.panel(sash, "trim", lift=0.3)
    else:
        sketch.stroke(bow((-t.waist, t.end - 0.01), (t.waist, t.end - 0.01), -0.02), "seam", 0.009)


def skirt_folds(
    sketch: Sketch, garment: Garment, top: float, start: float, hem: float, end: float, sway: float
) -> None:
    """Folds that fall from the waist; the more the skirt flares, the more and the deeper."""
    count = 3 + round(4 * garment.traits.cut)
    for i in range(count):
        t = (i + 0.5) / count * 2 - 1
        high, low = (t * top * 0.9, start + 0.02), (t * hem * 0.92 + sway, end)
        strength = 0.5 + 0.6 * garment.traits.cut
        sketch.fold(bow(high, low, 0.03 * t), 0.022, strength)
        sketch.fold(
            bow((high[0] + 0.02, high[1] + 0.08), (low[0] + hem / count, low[1]), 0.03 * t),
            0.022,
            -strength,
        )
