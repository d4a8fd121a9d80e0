"""T-shirts, shirts, sweaters, hoodies, jackets, coats and dresses, from the shoulders down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flam_pl.datasets.wardrobe import collars, details
from flam_pl.datasets.wardrobe.garment import Garment
from flam_pl.datasets.wardrobe.outlines import (
    Point,
    Pose,
    Sketch,
    between,
    bow,
    closed,
    path,
    sided,
)


@dataclass(frozen=True)
class Torso:
    """Half widths and heights of a body panel, in body units."""

    neck: float
    shoulder: float
    chest: float
    waist: float
    hem: float
    end: float
    """Height of the hem."""

    @property
    def shoulder_point(self) -> Point:
        """Where the sleeve begins."""
        return self.shoulder, 0.035

    @property
    def armpit(self) -> Point:
        """Where the sleeve ends below."""
        return self.chest, 0.2


NECK_WIDTH = {"boat": 0.115, "scoop": 0.1, "crew": 0.075, "v": 0.08, "turtle": 0.065}
SLEEVE_LENGTH = {"none": 0.0, "short": 0.17, "half": 0.24, "long": 0.51}


def torso(garment: Garment) -> Torso:
    """Measures of the upper body of this garment."""
    fit, length = garment.traits.fit, garment.traits.length
    neck = NECK_WIDTH.get(garment.trait("neckline"), 0.075)
    loose = 0.03 * fit
    if garment.shape == "t-shirt":
        return Torso(
            neck, 0.17 + 0.5 * loose, 0.155 + loose, 0.15 + loose, 0.16 + loose, 0.5 + 0.09 * length
        )
    if garment.shape == "shirt":
        return Torso(
            neck, 0.17, 0.16 + loose, 0.145 + 1.3 * loose, 0.16 + loose, 0.57 + 0.09 * length
        )
    if garment.shape == "sweater":
        return Torso(
            neck, 0.18 + loose, 0.172 + loose, 0.17 + loose, 0.155 + loose, 0.5 + 0.08 * length
        )
    if garment.shape == "hoodie":
        return Torso(
            neck, 0.185 + loose, 0.18 + loose, 0.18 + loose, 0.16 + loose, 0.53 + 0.07 * length
        )
    if garment.shape == "jacket":
        return Torso(
            neck,
            0.185 + 0.5 * loose,
            0.18 + loose,
            0.172 + loose,
            0.172 + loose,
            0.48 + 0.08 * length,
        )
    if garment.shape == "coat":
        flare = 0.2 + 0.045 * garment.traits.cut
        return Torso(
            neck,
            0.18 + 0.5 * loose,
            0.175 + loose,
            0.16 + loose,
            flare + loose,
            0.95 + 0.2 * length,
        )
    return Torso(neck, 0.16, 0.148 + 0.4 * loose, 0.118 + 0.6 * loose, 0.118 + 0.6 * loose, 0.36)


def draw_top(sketch: Sketch, garment: Garment, pose: Pose) -> None:
    """A t-shirt, shirt, sweater or hoodie: sleeves, a closed front, and what lies on it."""
    t, shape = torso(garment), garment.shape
    wearer(sketch, garment, t, pose)
    if shape == "hoodie":
        collars.hood_back(sketch)
    neck_back(sketch, t)
    sleeves(sketch, garment, t, pose)
    front(sketch, garment, t, pose)
    sketch.motif((0.0, 0.25 if shape != "hoodie" else 0.23), 0.2 if shape != "hoodie" else 0.17)
    if shape in ("sweater", "hoodie"):
        details.hem_band(sketch, garment, t.hem, t.end, pose.sway)
    else:
        details.hem_stitch(
            sketch, t.hem, t.end, pose.sway, bulge=-0.06 if shape == "shirt" else 0.0
        )
    if shape == "shirt":
        details.placket(sketch, garment, t, pose.sway)
        collars.shirt_collar(sketch, garment, t)
    elif shape == "hoodie":
        details.kangaroo_pocket(sketch, t.end)
        collars.hood_front(sketch, garment)
    else:
        collars.neckband(sketch, garment, t)
    if garment.trait("pockets") == "chest":
        details.chest_pocket(sketch, side=1)
    details.logo(sketch, garment)
    torso_folds(sketch, t)


def draw_jacket(sketch: Sketch, garment: Garment, pose: Pose) -> None:
    """A short jacket, worn open: lining between its fronts, then stand, classic or lapel collar."""
    t, collar = torso(garment), garment.trait("collar")
    wearer(sketch, garment, t, pose)
    lining = closed(
        path(
            (0, -0.035),
            ((t.neck + 0.01, -0.025), 0),
            ((0.09, t.end - 0.01), 0),
            ((0, t.end - 0.01), 0),
        )
    )
    sketch.panel(lining, "lining")
    sleeves(sketch, garment, t, pose)
    gap = {"stand": 0.02, "classic": 0.03, "lapel": 0.025}[collar]
    for side in (-1, 1):
        half = path(
            (t.neck, -0.03),
            (t.shoulder_point, 0.04),
            (t.armpit, -0.12),
            ((t.waist, 0.38), -0.03),
            ((t.hem + side * pose.sway, t.end), 0.0),
            ((gap + 0.035, t.end), 0.0),
            ((gap, 0.3), 0.03),
            ((gap if collar != "lapel" else 0.02, 0.2), 0.0),
            ((t.neck, -0.03), 0.0 if collar == "lapel" else -0.08),
        )
        sketch.panel(sided(half, side), "ground", front=True, lift=0.35)
    sketch.motif((0.105, 0.24), 0.13)
    if collar == "lapel":
        collars.lapels(sketch, garment, t, bottom=0.3, gap=gap)
        for i in range(2):
            sketch.spot((0.045, 0.34 + 0.06 * i), 0.011, garment.traits.button_tone)
    else:
        details.zip_fronts(sketch, t, gap)
        details.hem_band_open(sketch, garment, t, gap + 0.035, pose.sway)
        if collar == "stand":
            collars.stand_collar(sketch, garment, t)
        else:
            collars.shirt_collar(sketch, garment, t, large=True, gap=gap)
    details.jacket_pockets(sketch, garment, t)
    details.logo(sketch, garment)
    torso_folds(sketch, t)


def draw_coat(sketch: Sketch, garment: Garment, pose: Pose) -> None:
    """A long coat: wide lapels over two columns of buttons, or a collar over one."""
    t, collar = torso(garment), garment.trait("collar")
    wearer(sketch, garment, t, pose)
    neck_back(sketch, t, depth=0.24)
    sleeves(sketch, garment, t, pose)
    half = path(
        (0, 0.25 if collar == "lapel" else 0.07),
        ((t.neck, -0.03), 0.0),
        (t.shoulder_point, 0.04),
        (t.armpit, -0.12),
        ((t.waist, 0.4), -0.04),
        ((t.hem, t.end), -0.02),
        ((0, t.end + 0.012), 0.02),
    )
    sketch.panel(swayed(closed(half), pose.sway, t.end), "ground", front=True)
    sketch.motif((0.0, 0.62), 0.22)
    details.coat_front(sketch, garment, t, pose.sway)
    if collar == "lapel":
        collars.lapels(sketch, garment, t, bottom=0.27, gap=0.0, wide=1.25)
    else:
        collars.shirt_collar(sketch, garment, t, large=True)
    for side in (-1, 1):
        sketch.fold(sided(bow((0.1, 0.5), (0.14, t.end), 0.03), side), 0.03, 0.7)
        sketch.fold(sided(bow((0.05, 0.55), (0.06, t.end), -0.03), side), 0.03, -0.5)
    torso_folds(sketch, t)


def draw_dress(sketch: Sketch, garment: Garment, pose: Pose) -> None:
    """A bodice to the waist, a seam or belt, and a skirt that flares."""
    t, traits = torso(garment), garment.traits
    end = 0.7 + 0.38 * traits.length
    hem = 0.2 + 0.17 * traits.cut
    legs(sketch, end, pose)
    wearer(sketch, garment, t, pose)
    neck_back(sketch, t)
    sleeves(sketch, garment, t, pose)
    skirt = closed(
        path(
            (0, t.end - 0.01),
            ((t.waist, t.end - 0.01), 0),
            ((hem, end), 0.04 - 0.08 * traits.cut),
            ((0, end + 0.025), 0.05),
        )
    )
    front(sketch, garment, t, pose)
    sketch.panel(swayed(skirt, pose.sway, end), "ground", anchor=(0.0, t.end), front=True)
    sketch.motif((0.0, 0.22), 0.17)
    details.waist(sketch, garment, t)
    details.skirt_folds(sketch, garment, t.waist, t.end, hem, end, pose.sway)
    details.hem_stitch(sketch, hem - 0.01, end, pose.sway, bulge=-0.03)
    collars.neckband(sketch, garment, t)
    for side in (-1, 1):
        sketch.fold(sided(bow((0.13, 0.2), (0.06, 0.33), 0.05), side), 0.018, 0.6)


def swayed(outline: np.ndarray, sway: float, end: float) -> np.ndarray:
    """The outline ``(N, 2)`` with its hem shifted sideways, the more the lower."""
    shift = sway * np.clip(outline[:, 1] / end, 0, 1) ** 2
    return outline + np.stack([shift, np.zeros_like(shift)], axis=-1)


def neck_back(sketch: Sketch, t: Torso, depth: float = 0.16) -> None:
    """The inside of the back, seen through the neck hole."""
    hole = closed(
        path((0, -0.015), ((t.neck + 0.004, -0.028), -0.1), ((t.neck, 0.03), 0), ((0, depth), 0.1))
    )
    sketch.panel(hole, "inner")


def front(sketch: Sketch, garment: Garment, t: Torso, pose: Pose) -> None:
    """The front of the body, from the neckline to the hem."""
    neckline = garment.trait("neckline")
    depth = collars.NECK_DEPTH.get(neckline, 0.1)
    round_neck = collars.NECK_ARC.get(neckline, 0.0)
    bare = 0.05 if garment.trait("sleeve") == "none" else 0.0  # armholes of a sleeveless top cut in
    tail = 0.03 if garment.shape == "shirt" else 0.004
    half = path(
        (0, depth),
        ((t.neck, -0.028), round_neck),
        ((t.shoulder - bare, 0.035 - 0.4 * bare), 0.04),
        (t.armpit, -0.12 - 2.0 * bare),
        ((t.waist, 0.37), -0.03),
        ((t.hem, t.end - (0.03 if garment.shape == "shirt" else 0)), -0.02),
        ((0, t.end + tail), 0.06 if garment.shape == "shirt" else 0.02),
    )
    sketch.panel(swayed(closed(half), pose.sway, t.end), "ground", front=True)


def sleeves(sketch: Sketch, garment: Garment, t: Torso, pose: Pose) -> None:
    """Both sleeves and their cuffs; the body is drawn over their upper ends."""
    length = SLEEVE_LENGTH[garment.trait("sleeve")]
    if length == 0.0:
        return
    for k, side in enumerate((-1, 1)):
        sleeve(sketch, garment, t, side, pose.arms[k], pose.elbows[k], length)


def sleeve(
    sketch: Sketch, garment: Garment, t: Torso, side: int, arm: float, elbow: float, length: float
) -> None:
    """One sleeve. It is built on the right side and mirrored."""
    top, pit = np.array(t.shoulder_point), np.array(t.armpit)
    start = (top + pit) / 2
    down = np.array([np.sin(arm), np.cos(arm)])
    fore = np.array([np.sin(arm - elbow), np.cos(arm - elbow)])
    wide = {"coat": 0.062, "jacket": 0.058, "hoodie": 0.06, "sweater": 0.055}.get(
        garment.shape, 0.05
    )
    wide += 0.016 * garment.traits.fit
    upper = min(0.25, length)
    bend = start + down * upper
    end = bend + fore * (length - upper)
    across, across_end = np.array([down[1], -down[0]]), np.array([fore[1], -fore[0]])
    half = wide * (1.05 if length < 0.3 else 0.8)
    outer, inner = end + across_end * half, end - across_end * half
    outline = path(
        point(top - np.array([0.05, -0.01])),
        (point(top + across * 0.012), 0.0),
        (point(bend + across * wide), 0.06),
        (point(outer), 0.0),
        (point(inner), 0.04),
        (point(bend - across * wide), 0.0),
        (point(pit + np.array([-0.012, 0.0])), 0.0),
        (point(pit - np.array([0.06, 0.03])), 0.0),
    )
    turn = -side * arm
    anchor = point(start * np.array([side, 1]))
    sketch.panel(sided(outline, side), "ground", turn=turn, anchor=anchor)
    details.cuff(sketch, garment, side, outer, inner, fore, length)
    for depth, at in ((-0.7, 0.82), (0.6, 1.0), (-0.6, 1.16)):
        if length > 0.3:
            crease = bow(
                point(start + down * upper * at - across * wide * 0.9),
                point(start + down * upper * (at - 0.12) + across * wide * 0.5),
                0.1,
            )
            sketch.fold(sided(crease, side), 0.014, depth)
    sketch.fold(
        sided(bow(point(pit), point(start + down * 0.12 + across * 0.02), 0.1), side), 0.016, -0.7
    )


def point(array: np.ndarray) -> Point:
    """``(2,)`` as a pair."""
    return float(array[0]), float(array[1])


def torso_folds(sketch: Sketch, t: Torso) -> None:
    """Creases that every upper body has: from the armpits inwards, and at the waist."""
    for side in (-1, 1):
        sketch.fold(
            sided(bow((t.chest - 0.01, 0.2), (t.chest * 0.45, 0.28), 0.12), side), 0.02, -0.6
        )
        sketch.fold(
            sided(bow((t.chest - 0.02, 0.24), (t.chest * 0.5, 0.34), 0.1), side), 0.018, 0.55
        )
        sketch.fold(
            sided(bow((t.waist - 0.01, 0.37), between((0, 0.42), (t.waist, 0.42), 0.4), 0.1), side),
            0.018,
            -0.5,
        )


def wearer(sketch: Sketch, garment: Garment, t: Torso, pose: Pose) -> None:
    """Neck, head and arms of whoever wears it."""
    sketch.bone((0.0, -0.02), (0.0, -0.1), 0.052)
    sketch.bone((0.0, -0.2), (0.0, -0.24), 0.085)
    for k, side in enumerate((-1, 1)):
        arm, fore = pose.arms[k], pose.arms[k] - pose.elbows[k]
        start = (np.array(t.shoulder_point) + np.array(t.armpit)) / 2 - np.array([0.02, 0.03])
        bend = start + 0.27 * np.array([np.sin(arm), np.cos(arm)])
        end = bend + 0.3 * np.array([np.sin(fore), np.cos(fore)])
        a, b, c = (point(p * np.array([side, 1])) for p in (start, bend, end))
        sketch.bone(a, b, 0.036)
        sketch.bone(b, c, 0.03)


def legs(sketch: Sketch, hem: float, pose: Pose) -> None:
    """Legs that come out of a dress or skirt whose hem is at height ``hem``."""
    for k, side in enumerate((-1, 1)):
        foot = (side * (0.07 + np.sin(pose.legs[k]) * 0.3), hem + 0.35)
        sketch.bone((side * 0.07, hem - 0.2), foot, 0.045)
