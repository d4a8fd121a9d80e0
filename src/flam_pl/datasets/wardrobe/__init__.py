"""The wardrobe: an embedded data set of drawn garments, with everything known about each of them.

Real fashion sets tell neither the whole truth about an item nor how it would look with one
attribute changed. Here both are known, so that a search by edit can be judged exactly:
``Garment.changed`` is the counterfactual.
"""

from flam_pl.config.data import WardrobeSettings
from flam_pl.datasets.wardrobe.drawing import DRAWING_VERSION, draw_wardrobe
from flam_pl.datasets.wardrobe.garment import COLORS, PATTERNS, SCHEMA, SHAPES, Garment, Traits
from flam_pl.datasets.wardrobe.photo import Photo, draw_photo, photograph

__all__ = [
    "COLORS",
    "DRAWING_VERSION",
    "Garment",
    "PATTERNS",
    "Photo",
    "SCHEMA",
    "SHAPES",
    "Traits",
    "WardrobeSettings",
    "draw_photo",
    "draw_wardrobe",
    "photograph",
]
