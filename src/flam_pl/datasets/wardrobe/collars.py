"""What goes around a neck: bands, collars, lapels, hoods."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from flam_pl.datasets.wardrobe.garment import Garment
from flam_pl.datasets.wardrobe.outlines import (
    Sketch,
    bow,
    closed,
    path,
    sided,
)

NECK_DEPTH = {"boat": 0.022, "scoop": 0.125, "crew": 0.06, "v": 0.155, "turtle": 0.03}
"""How far a neckline reaches down."""
NECK_ARC = {"boat": -0.05, "scoop": -0.24, "crew": -0.24, "v": 0.0, "turtle": -0.24}
"""Bulge of each of its halves."""


class Measures(Protocol):
    """The measures of an upper body that details hang on."""

    @property
    def neck(self) -> float: ...
    @property
    def chest(self) -> float: ...
    @property
    def waist(self) -> float: ...
    @property
    def hem(self) -> float: ...
    @property
    def end(self) -> float: ...


def edge(garment: Garment, where: str) -> str:
    """Material of collars ("neck") and bands ("cuffs"): contrasting where there is trim."""
    return "trim" if garment.trait("trim") in (where, "both") else "plain"


def neckband(sketch: Sketch, garment: Garment, t: Measures) -> None:
    """The band around the neck of a t-shirt, sweater or dress."""
    neckline = garment.trait("neckline")
    depth = NECK_DEPTH[neckline]
    if neckline == "turtle":
        right = path(
            (0, -0.085),
            ((t.neck - 0.006, -0.09), 0.03),
            ((t.neck + 0.006, -0.01), 0.05),
            ((0, 0.03), 0.12),
        )
        sketch.panel(closed(right), edge(garment, "neck"), lift=0.5)
        low, high = (
            path((-t.neck, 0.0), ((t.neck, 0.0), -0.1)),
            path((-t.neck, -0.085), ((t.neck, -0.085), 0.0)),
        )
        for i in range(1, len(low) - 1):
            sketch.stroke(
                [
                    (float(low[i, 0]), float(low[i, 1])),
                    (float(low[i, 0]) * 0.95, float(high[0, 1])),
                ],
                "rib",
                0.005,
            )
        return
    wide = 0.024 if garment.shape == "sweater" else 0.016
    bulge = NECK_ARC[neckline]
    inner = path((0, depth), ((t.neck, -0.03), bulge))
    outer = path((0, depth + 1.25 * wide), ((t.neck + wide, -0.024), bulge))
    right = np.concatenate([inner, outer[::-1]])
    material = edge(garment, "neck")
    for side in (-1, 1):
        sketch.panel(sided(right, side), material)
        sketch.stroke(sided(outer, side), "seam", 0.005)
        sketch.stroke(sided(inner, side), "seam", 0.005)


def shirt_collar(
    sketch: Sketch, garment: Garment, t: Measures, large: bool = False, gap: float = 0.0
) -> None:
    """A collar of two leaves; ``stand`` collars of shirts are a low band only."""
    material = edge(garment, "neck")
    back = closed(
        path(
            (0, -0.05),
            ((t.neck - 0.004, -0.042), 0.05),
            ((t.neck + 0.004, -0.01), 0),
            ((0, -0.012), 0),
        )
    )
    sketch.panel(back, "inner")
    if garment.trait("collar") == "stand":
        for side in (-1, 1):
            band = path(
                (0.004, 0.07),
                ((t.neck + 0.006, -0.03), -0.1),
                ((t.neck - 0.012, -0.045), 0),
                ((0.004, 0.03), 0.12),
            )
            sketch.panel(sided(band, side), material, lift=0.4)
            sketch.stroke(sided(band[:9], side), "seam")
        return
    grow = 1.35 if large else 1.0
    for side in (-1, 1):
        leaf = path(
            (0.004 + gap, 0.055 if large else 0.06),
            ((t.neck - 0.01, -0.052), -0.06),
            ((t.neck + 0.022 * grow, -0.022), 0.08),
            ((t.neck + 0.028 * grow, 0.055 * grow), 0.0),
            ((0.045 * grow + gap, 0.1 * grow), 0.0),
            ((0.004 + gap, 0.055 if large else 0.06), 0.0),
        )
        sketch.panel(sided(leaf, side), material, lift=0.6)
        sketch.stroke(sided(leaf, side), "seam", 0.006)


def stand_collar(sketch: Sketch, garment: Garment, t: Measures) -> None:
    """The knitted collar of a bomber jacket."""
    sketch.panel(
        closed(path((0, -0.06), ((t.neck, -0.05), 0), ((t.neck, -0.01), 0), ((0, 0.0), 0))), "inner"
    )
    for side in (-1, 1):
        band = path(
            (0.03, 0.09),
            ((t.neck + 0.014, -0.025), -0.12),
            ((t.neck - 0.006, -0.06), 0),
            ((0.02, 0.035), 0.14),
        )
        sketch.panel(sided(band, side), edge(garment, "neck"), lift=0.5)
        for i in range(1, 8, 2):
            sketch.stroke(sided(np.stack([band[i], band[-1 - i]]), side), "rib", 0.004)


def lapels(
    sketch: Sketch, garment: Garment, t: Measures, bottom: float, gap: float, wide: float = 1.0
) -> None:
    """Notched lapels that meet at height ``bottom``, and the collar above them."""
    material = "trim" if garment.trait("trim") in ("neck", "both") else "ground"
    for side in (-1, 1):
        lapel = path(
            (gap, bottom),
            ((t.neck - 0.012, -0.01), 0.02),
            ((t.neck + 0.04 * wide, 0.055), 0.0),
            ((t.neck + 0.022 * wide, 0.075), 0.0),
            ((t.neck + 0.058 * wide, 0.095), 0.0),
            ((gap, bottom), 0.09),
        )
        sketch.panel(
            sided(lapel, side), material, turn=-side * 0.35, anchor=(side * t.neck, 0.1), lift=0.7
        )
        sketch.stroke(sided(lapel, side), "seam", 0.006)
        collar = path(
            (t.neck - 0.03, 0.03),
            ((t.neck - 0.02, -0.055), 0.0),
            ((t.neck + 0.014, -0.04), 0.0),
            ((t.neck + 0.045 * wide, 0.05), 0.05),
            ((t.neck - 0.03, 0.03), 0.0),
        )
        sketch.panel(
            sided(collar, side), material, turn=side * 0.5, anchor=(side * t.neck, 0.0), lift=0.5
        )
        sketch.stroke(sided(collar, side), "seam", 0.006)


def hood_back(sketch: Sketch) -> None:
    """The hood, lying up behind the neck, and its dark inside."""
    sketch.panel(
        closed(path((0, -0.215), ((0.125, -0.1), 0.22), ((0.14, 0.05), 0.06), ((0, 0.06), 0))),
        "ground",
    )
    sketch.panel(
        closed(path((0, -0.165), ((0.082, -0.075), 0.22), ((0.08, 0.06), 0.05), ((0, 0.12), 0))),
        "inner",
    )


def hood_front(sketch: Sketch, garment: Garment) -> None:
    """The edges of the hood, crossing under the chin, and the drawstrings."""
    for side in (-1, 1):
        fold = path(
            (0.076, -0.09),
            ((0.1, -0.11), 0),
            ((0.148, 0.03), 0.08),
            ((-0.012, 0.135), 0.12),
            ((-0.006, 0.095), 0),
            ((0.076, -0.09), -0.16),
        )
        sketch.panel(sided(fold, side), edge(garment, "neck"), lift=0.6)
        sketch.stroke(sided(fold, side), "seam", 0.006)
    for side in (-1, 1):
        end = 0.26 + 0.03 * side * (garment.traits.cut - 0.5)
        sketch.spot((side * 0.028, 0.105), 0.009, "metal")
        sketch.stroke(bow((side * 0.028, 0.105), (side * 0.036, end), 0.04 * side), "cord", 0.011)
        sketch.spot((side * 0.036, end), 0.01, "cord")
