"""What goes around a neck: bands, collars, lapels, hoods."""

from __future__ import annotations

import numpy as np

from flam_pl.datasets.wardrobe.sketch import Sketch, path, symmetric
from flam_pl.datasets.wardrobe.torso import NECKLINES, Torso


def neckband(sketch: Sketch, body: Torso) -> None:
    """The band around the neck of a t-shirt, sweater or dress."""
    if sketch.garment.trait("neckline") == "turtle":
        turtleneck(sketch, body.neck)
        return
    _, depth, bulge = NECKLINES[sketch.garment.trait("neckline")]
    wide = 0.024 if sketch.garment.shape == "sweater" else 0.016
    inner = path((0, depth), (body.neck, -0.03, bulge))
    outer = path((0, depth + 1.25 * wide), (body.neck + wide, -0.024, bulge))
    for side in sketch.sides():
        side.panel(np.concatenate([inner, outer[::-1]]), sketch.edge("neck"))
        side.stroke(outer, 0.005)
        side.stroke(inner, 0.005)


def turtleneck(sketch: Sketch, neck: float) -> None:
    """A high ribbed collar."""
    outline = symmetric(
        (0, -0.085), (neck - 0.006, -0.09, 0.03), (neck + 0.006, -0.01, 0.05), (0, 0.03, 0.12)
    )
    sketch.panel(outline, sketch.edge("neck"), lift=0.5)
    for x, y in path((-neck, 0.0), (neck, 0.0, -0.1))[1:-1]:
        sketch.stroke([(x, y), (x * 0.95, -0.085)], 0.005, "rib")


def shirt_collar(sketch: Sketch, body: Torso, gap: float = 0.0) -> None:
    """A collar of two leaves, larger on jackets and coats; a low band on shirts that have none."""
    neck = body.neck
    back = symmetric((0, -0.05), (neck - 0.004, -0.042, 0.05), (neck + 0.004, -0.01), (0, -0.012))
    sketch.panel(back, "inner")
    if sketch.garment.trait("collar") == "stand":
        band = path(
            (0.004, 0.07), (neck + 0.006, -0.03, -0.1), (neck - 0.012, -0.045), (0.004, 0.03, 0.12)
        )
        for side in sketch.sides():
            side.panel(band, sketch.edge("neck"), lift=0.4)
            side.stroke(band[:9])
        return
    low, grow = (0.06, 1.0) if sketch.garment.shape == "shirt" else (0.055, 1.35)
    leaf = path(
        (0.004 + gap, low),
        (neck - 0.01, -0.052, -0.06),
        (neck + 0.022 * grow, -0.022, 0.08),
        (neck + 0.028 * grow, 0.055 * grow),
        (0.045 * grow + gap, 0.1 * grow),
        (0.004 + gap, low),
    )
    for side in sketch.sides():
        side.panel(leaf, sketch.edge("neck"), lift=0.6, seam=0.006)


def stand_collar(sketch: Sketch, body: Torso) -> None:
    """The knitted collar of a bomber jacket."""
    neck = body.neck
    sketch.panel(symmetric((0, -0.06), (neck, -0.05), (neck, -0.01), (0, 0.0)), "inner")
    band = path(
        (0.03, 0.09), (neck + 0.014, -0.025, -0.12), (neck - 0.006, -0.06), (0.02, 0.035, 0.14)
    )
    for side in sketch.sides():
        side.panel(band, sketch.edge("neck"), lift=0.5)
        for i in range(1, 8, 2):
            side.stroke(band[[i, -1 - i]], 0.004, "rib")


def lapels(sketch: Sketch, body: Torso, bottom: float, gap: float, wide: float) -> None:
    """Notched lapels that meet at height ``bottom``, and the collar above them."""
    neck = body.neck
    material = "trim" if sketch.edge("neck") == "trim" else "ground"
    lapel = path(
        (gap, bottom),
        (neck - 0.012, -0.01, 0.02),
        (neck + 0.04 * wide, 0.055),
        (neck + 0.022 * wide, 0.075),
        (neck + 0.058 * wide, 0.095),
        (gap, bottom, 0.09),
    )
    collar = path(
        (neck - 0.03, 0.03),
        (neck - 0.02, -0.055),
        (neck + 0.014, -0.04),
        (neck + 0.045 * wide, 0.05, 0.05),
        (neck - 0.03, 0.03),
    )
    for side in sketch.sides():
        side.panel(lapel, material, turn=-0.35, anchor=(neck, 0.1), lift=0.7, seam=0.006)
        side.panel(collar, material, turn=0.5, anchor=(neck, 0.0), lift=0.5, seam=0.006)


def hood_back(sketch: Sketch) -> None:
    """The hood, lying up behind the neck, and its dark inside."""
    sketch.panel(symmetric((0, -0.215), (0.125, -0.1, 0.22), (0.14, 0.05, 0.06), (0, 0.06)))
    inside = symmetric((0, -0.165), (0.082, -0.075, 0.22), (0.08, 0.06, 0.05), (0, 0.12))
    sketch.panel(inside, "inner")


def hood_front(sketch: Sketch) -> None:
    """The edges of the hood, crossing under the chin, and the drawstrings."""
    fold = path(
        (0.076, -0.09),
        (0.1, -0.11),
        (0.148, 0.03, 0.08),
        (-0.012, 0.135, 0.12),
        (-0.006, 0.095),
        (0.076, -0.09, -0.16),
    )
    for side in sketch.sides():
        side.panel(fold, sketch.edge("neck"), lift=0.6, seam=0.006)
    for side in sketch.sides():
        end = 0.26 + 0.03 * side.flip * (sketch.garment.traits.cut - 0.5)
        side.spot(0.028, 0.105, 0.009, "metal")
        side.stroke(path((0.028, 0.105), (0.036, end, 0.04)), 0.011, "cord")
        side.spot(0.036, end, 0.01, "cord")
