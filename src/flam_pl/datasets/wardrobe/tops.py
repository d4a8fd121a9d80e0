"""T-shirts, shirts, sweaters, hoodies, jackets, coats and dresses, from the shoulders down."""

from __future__ import annotations

from flam_pl.datasets.wardrobe import collars, details
from flam_pl.datasets.wardrobe.bottoms import wearer_legs
from flam_pl.datasets.wardrobe.sketch import Sketch, path, symmetric
from flam_pl.datasets.wardrobe.sleeves import sleeves, wearer
from flam_pl.datasets.wardrobe.torso import front, hanging_panel, neck_back, torso, torso_folds


def draw_top(sketch: Sketch) -> None:
    """A t-shirt, shirt, sweater or hoodie: sleeves, a closed front, and what lies on it."""
    shape, body = sketch.garment.shape, torso(sketch.garment)
    wearer(sketch, body)
    if shape == "hoodie":
        collars.hood_back(sketch)
    neck_back(sketch, body)
    sleeves(sketch, body)
    front(sketch, body)
    sketch.motif(0.0, *((0.23, 0.17) if shape == "hoodie" else (0.25, 0.2)))
    if shape in ("sweater", "hoodie"):
        details.hem_band(sketch, body.hem, body.end)
    else:
        details.hem_stitch(sketch, body.hem, body.end, bulge=-0.06 if shape == "shirt" else 0.0)
    if shape == "shirt":
        details.placket(sketch, body.end)
        collars.shirt_collar(sketch, body)
    elif shape == "hoodie":
        details.kangaroo_pocket(sketch, body.end)
        collars.hood_front(sketch)
    else:
        collars.neckband(sketch, body)
    if sketch.garment.trait("pockets") == "chest":
        details.chest_pocket(sketch)
    details.logo(sketch)
    torso_folds(sketch, body)


def draw_jacket(sketch: Sketch) -> None:
    """A short open jacket: lining between its fronts; a stand, classic or lapel collar."""
    collar, body = sketch.garment.trait("collar"), torso(sketch.garment)
    neck, end, lapel = body.neck, body.end, collar == "lapel"
    wearer(sketch, body)
    lining = symmetric((0, -0.035), (neck + 0.01, -0.025), (0.09, end - 0.01), (0, end - 0.01))
    sketch.panel(lining, "lining")
    sleeves(sketch, body)
    gap = {"stand": 0.02, "classic": 0.03, "lapel": 0.025}[collar]
    for side in sketch.sides():
        half = path(
            (neck, -0.03),
            (*body.shoulder_point, 0.04),
            (*body.armpit, -0.12),
            (body.waist, 0.38, -0.03),
            (body.hem + side.flip * sketch.pose.sway, end),
            (gap + 0.035, end),
            (gap, 0.3, 0.03),
            (0.02 if lapel else gap, 0.2),
            (neck, -0.03, 0.0 if lapel else -0.08),
        )
        side.panel(half, front=True, lift=0.35)
    sketch.motif(0.105, 0.24, 0.13)
    if lapel:
        collars.lapels(sketch, body, bottom=0.3, gap=gap, wide=1.0)
        sketch.spot(0.045, 0.34, 0.011)
        sketch.spot(0.045, 0.4, 0.011)
    else:
        details.zip_fronts(sketch, end, gap)
        details.hem_band_open(sketch, body, gap + 0.035)
        if collar == "stand":
            collars.stand_collar(sketch, body)
        else:
            collars.shirt_collar(sketch, body, gap)
    details.jacket_pockets(sketch)
    details.logo(sketch)
    torso_folds(sketch, body)


def draw_coat(sketch: Sketch) -> None:
    """A long coat: wide lapels over two columns of buttons, or a collar over one."""
    body, lapel = torso(sketch.garment), sketch.garment.trait("collar") == "lapel"
    wearer(sketch, body)
    neck_back(sketch, body, depth=0.24)
    sleeves(sketch, body)
    outline = symmetric(
        (0, 0.25 if lapel else 0.07),
        (body.neck, -0.03),
        (*body.shoulder_point, 0.04),
        (*body.armpit, -0.12),
        (body.waist, 0.4, -0.04),
        (body.hem, body.end, -0.02),
        (0, body.end + 0.012, 0.02),
    )
    hanging_panel(sketch, outline, body.end)
    sketch.motif(0.0, 0.62, 0.22)
    details.coat_front(sketch, body)
    if lapel:
        collars.lapels(sketch, body, bottom=0.27, gap=0.0, wide=1.25)
    else:
        collars.shirt_collar(sketch, body)
    for side in sketch.sides():
        side.fold(path((0.1, 0.5), (0.14, body.end, 0.03)), 0.03, 0.7)
        side.fold(path((0.05, 0.55), (0.06, body.end, -0.03)), 0.03, -0.5)
    torso_folds(sketch, body)


def draw_dress(sketch: Sketch) -> None:
    """A bodice to the waist, a seam or sash, and a skirt that flares."""
    traits, body = sketch.garment.traits, torso(sketch.garment)
    waist, start = body.waist, body.end
    end, hem = 0.7 + 0.38 * traits.length, 0.2 + 0.17 * traits.cut
    wearer_legs(sketch, end)
    wearer(sketch, body)
    neck_back(sketch, body)
    sleeves(sketch, body)
    front(sketch, body)
    skirt = symmetric(
        (0, start - 0.01),
        (waist, start - 0.01),
        (hem, end, 0.04 - 0.08 * traits.cut),
        (0, end + 0.025, 0.05),
    )
    hanging_panel(sketch, skirt, end, anchor=(0.0, start))
    sketch.motif(0.0, 0.22, 0.17)
    details.sash(sketch, body)
    details.skirt_folds(sketch, waist, start, hem, end)
    details.hem_stitch(sketch, hem - 0.01, end, bulge=-0.03)
    collars.neckband(sketch, body)
    for side in sketch.sides():
        side.fold(path((0.13, 0.2), (0.06, 0.33, 0.05)), 0.018, 0.6)
