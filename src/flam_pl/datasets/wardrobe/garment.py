"""A garment: labelled attributes, unlabelled traits, and how they are drawn at random."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator

from flam_pl.attributes import AttributeSchema

Tint = tuple[float, float, float]  # place in a region: lightness, chroma, hue, each in [0, 1]
Range = tuple[float, float]
# Lightness (0..100), chroma, hue in degrees (CIE LCh of D65), with gaps between the regions
REGIONS: dict[str, tuple[Range, Range, Range]] = {
    "black": ((9, 17), (0, 4), (0, 360)),
    "white": ((93, 97), (0, 3), (60, 300)),
    "grey": ((47, 66), (0, 4), (0, 360)),
    "red": ((38, 46), (62, 74), (24, 34)),
    "blue": ((30, 52), (42, 60), (268, 288)),
    "green": ((38, 55), (40, 55), (136, 152)),
    "yellow": ((82, 88), (68, 84), (90, 98)),
    "orange": ((63, 69), (74, 86), (57, 65)),
    "pink": ((68, 77), (34, 44), (348, 365)),
    "brown": ((26, 37), (24, 34), (52, 66)),
}
D65_WHITE = np.array([0.95047, 1.0, 1.08883])
XYZ_TO_RGB = [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]


def color_of(name: str, tint: Tint) -> np.ndarray:
    """sRGB ``(3,)`` in [0, 255] of place ``tint`` in a color's region, clipped into the gamut."""
    ranges = zip(REGIONS[name], tint, strict=True)
    lightness, chroma, hue = (low + (high - low) * t for (low, high), t in ranges)
    a, b = chroma * np.cos(np.radians(hue)), chroma * np.sin(np.radians(hue))
    y = (lightness + 16) / 116
    f = np.array([y + a / 500, y, y - b / 200])
    xyz = D65_WHITE * np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    linear = np.clip(np.array(XYZ_TO_RGB) @ xyz, 0, 1)
    encoded = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    return np.asarray(255 * encoded)


def luminance(rgb: np.ndarray) -> float:
    return float(rgb @ np.array([0.299, 0.587, 0.114]))


def is_visible(color: np.ndarray, ground: np.ndarray) -> bool:
    """Whether the "redmean" distance of two sRGB colors (0 to 765) is at least 220."""
    red = (color[0] + ground[0]) / 2
    weights = np.array([2 + red / 256, 4, 2 + (255 - red) / 256])
    return bool(np.sqrt(weights @ (color - ground) ** 2) >= 220.0)


# Neighbours are alike: a value that a shape cannot have becomes the nearest that it can have.
ORDER: dict[str, tuple[str, ...]] = {
    "sleeve": ("none", "short", "half", "long"),
    "neckline": ("boat", "scoop", "crew", "v", "turtle"),
    "collar": ("none", "stand", "classic", "lapel"),
    "pockets": ("none", "chest", "side", "flap"),
    "trim": ("none", "neck", "cuffs", "both"),
    "logo": ("none", "disc", "bar", "square", "triangle"),
}
TRIM_LOGO = {"trim": ORDER["trim"], "logo": ORDER["logo"]}
BOTTOM = {"pockets": ("none", "side", "flap"), "trim": ("none", "cuffs")}
NECKLINES = ORDER["neckline"][:4]
# fmt: off
# The values of each trait that each shape can have
APPLIES: dict[str, dict[str, tuple[str, ...]]] = {
    "t-shirt": {"sleeve": ORDER["sleeve"][:3], "neckline": NECKLINES, "pockets": ("none", "chest"),
                **TRIM_LOGO},
    "shirt": {"sleeve": ("short", "long"), "collar": ("stand", "classic"),
              "pockets": ("none", "chest"), **TRIM_LOGO},
    "sweater": {"sleeve": ("long",), "neckline": ("crew", "v", "turtle"), **TRIM_LOGO},
    "hoodie": {"sleeve": ("long",), **TRIM_LOGO},
    "jacket": {"sleeve": ("long",), "collar": ("stand", "classic", "lapel"),
               "pockets": ("chest", "side", "flap"), **TRIM_LOGO},
    "coat": {"sleeve": ("long",), "collar": ("classic", "lapel"),
             "pockets": ("none", "side", "flap"), "trim": ORDER["trim"]},
    "dress": {"sleeve": ORDER["sleeve"], "neckline": NECKLINES, "trim": ORDER["trim"]},
    "skirt": {"pockets": ("none", "side"), "trim": ("none", "cuffs")},
    "trousers": BOTTOM, "shorts": BOTTOM,
}
PATTERNS = ("solid", "horizontal-stripes", "vertical-stripes", "check", "dots",
            "floral", "camouflage", "leopard", "zigzag", "graphic-print")
# fmt: on
SHAPES, COLORS = tuple(APPLIES), tuple(REGIONS)
SCHEMA = AttributeSchema({"shape": SHAPES, "color": COLORS, "pattern": PATTERNS})

BUTTONED = ("shirt", "jacket", "coat", "trousers", "shorts")
PRESERVED_ATTRIBUTES = (*ORDER, "fit", "length", "second_color")  # by an edit
SECOND_COLORS = (0.22, 0.32, 0.06, 0.08, 0.10, 0.05, 0.06, 0.04, 0.05, 0.02)  # weights of COLORS


@dataclass(frozen=True)
class Traits:  # unlabelled properties; ``Garment.trait`` fits them to the shape
    sleeve: str
    neckline: str
    collar: str
    pockets: str
    trim: str
    logo: str
    buttons: int  # 4 to 8 on a shirt; a coat has them in two columns
    button_tone: str  # light, dark or gold
    fit: float  # 0 slim .. 1 loose
    length: float  # 0 the shortest of its shape .. 1 the longest
    cut: float  # flare of skirts and dresses, width of legs: 0 narrow .. 1 wide
    second: str  # color class of the pattern's marks, of trim and of logo
    third: str  # color class of a pattern's few further marks
    tint: Tint
    second_tint: Tint
    pattern_scale: float  # 0 fine .. 1 coarse
    pattern_angle: float  # -1 .. 1, in units of what its pattern allows
    pattern_seed: int  # of the places of flowers, blots and spots


class Palette(NamedTuple):
    ground: np.ndarray  # each sRGB (3,) in [0, 255]
    second: np.ndarray
    third: np.ndarray


@dataclass(frozen=True)
class Garment:
    """One item. Equal garments have equal pixels."""

    shape: str
    color: str
    pattern: str
    traits: Traits

    def changed(self, attribute_type: str, name: str) -> Garment:
        """The counterfactual: one class changed. Raises SchemaError for an unknown class."""
        SCHEMA.index(attribute_type, name)
        return replace(self, **{attribute_type: name})  # type: ignore[arg-type]

    def attribute(self, attribute_type: str) -> str:
        return str(getattr(self, attribute_type))

    def trait(self, name: str) -> str:
        """The trait's value, or the nearest that the shape can have; "" if it has no such trait."""
        if name not in APPLIES[self.shape]:
            return ""
        place = ORDER[name].index
        own = place(getattr(self.traits, name))
        return min(APPLIES[self.shape][name], key=lambda value: abs(place(value) - own))

    def palette(self) -> Palette:
        names = self._visible(self.traits.second), self._visible(self.traits.third)
        marks = (color_of(name, self.traits.second_tint) for name in names)
        return Palette(color_of(self.color, self.traits.tint), *marks)

    def _visible(self, name: str) -> str:
        """Color class ``name``; white or black if ``name`` would vanish on the garment's color."""
        ground = color_of(self.color, self.traits.tint)
        if is_visible(color_of(name, self.traits.second_tint), ground):
            return name
        return "white" if luminance(ground) < 125 else "black"

    def describe(self) -> dict[str, str | int | float]:
        traits = self.traits
        return {
            **{name: self.trait(name) for name in ORDER},
            "buttons": traits.buttons if self.shape in BUTTONED else "",
            **{name: round(getattr(traits, name), 2) for name in ("fit", "length", "cut")},
            "second_color": self._visible(traits.second),
            "pattern_scale": round(traits.pattern_scale, 2),
            "pattern_angle": round(traits.pattern_angle, 2),
        }


def draw_traits(shape: str, color: str, rng: Generator) -> Traits:
    def value(name: str) -> str:
        return str(rng.choice(APPLIES[shape].get(name, ORDER[name])))

    drawn: dict[str, Any] = {"trim": value("trim") if rng.random() < 0.45 else "none"}
    drawn["logo"] = value("logo") if rng.random() < 0.35 else "none"
    drawn |= {name: tuple(rng.random(3).tolist()) for name in ("tint", "second_tint")}
    ground, mark_tint = color_of(color, drawn["tint"]), drawn["second_tint"]
    visible = [is_visible(color_of(name, mark_tint), ground) for name in COLORS]
    weights = np.where(visible, SECOND_COLORS, 0.0)
    marks = rng.choice(COLORS, size=2, replace=False, p=weights / sum(weights)).tolist()
    drawn |= dict(zip(("second", "third"), marks, strict=True))
    drawn |= {name: value(name) for name in ("sleeve", "neckline", "collar", "pockets")}
    drawn["buttons"] = int(rng.integers(4, 9))
    drawn["button_tone"] = str(rng.choice(("light", "dark", "gold")))
    drawn |= {name: float(rng.random()) for name in ("fit", "length", "cut", "pattern_scale")}
    angle, seed = float(rng.uniform(-1, 1)), int(rng.integers(2**31))
    return Traits(**drawn, pattern_angle=angle, pattern_seed=seed)


# How often shape, color and pattern go together
SHAPE_WEIGHTS = (1.4, 1.1, 1.0, 1.0, 1.0, 0.8, 1.3, 0.8, 1.0, 0.8)
COLOR_WEIGHTS = (1.7, 1.4, 1.1, 0.9, 1.4, 0.8, 0.75, 0.8, 0.8, 0.7)
PATTERN_WEIGHTS = (2.2, 1.1, 0.9, 1.0, 0.8, 1.0, 0.7, 0.8, 0.65, 0.9)

Factors = dict[str, dict[str, float]]  # on top of the weights above, 1 for other pairs
PATTERN_FACTORS: Factors = {  # of each shape, then of each color
    "t-shirt": {"horizontal-stripes": 2, "graphic-print": 4, "check": 0.05, "leopard": 0.3},
    "shirt": {"check": 4, "vertical-stripes": 4, "graphic-print": 0.02, "zigzag": 0.1},
    "sweater": {"zigzag": 5, "horizontal-stripes": 2.5, "floral": 0.1, "vertical-stripes": 0.1},
    "hoodie": {"graphic-print": 5, "camouflage": 3, "floral": 0.05, "check": 0.1, "dots": 0.1},
    "jacket": {"camouflage": 4, "check": 1.5, "dots": 0.05, "horizontal-stripes": 0.1},
    "coat": {"solid": 2, "check": 2.5, "graphic-print": 0.02, "camouflage": 0.1, "dots": 0.1},
    "dress": {"floral": 5, "dots": 4, "camouflage": 0.02, "graphic-print": 0.05, "leopard": 2},
    "skirt": {"check": 2, "dots": 2.5, "floral": 2.5, "camouflage": 0.05, "graphic-print": 0.05},
    "trousers": {"solid": 2, "vertical-stripes": 2, "camouflage": 2.5, "graphic-print": 0.02},
    "shorts": {"camouflage": 3, "floral": 1.5, "check": 1.5, "zigzag": 0.3, "leopard": 0.3},
    "black": {"floral": 0.5, "camouflage": 0.2},
    "white": {"camouflage": 0.05, "floral": 1.5, "leopard": 0.3},
    "grey": {"floral": 0.1, "leopard": 0.3, "camouflage": 0.7},
    "red": {"camouflage": 0.05, "check": 2.5, "leopard": 0.3},
    "blue": {"vertical-stripes": 2, "leopard": 0.05, "camouflage": 0.4},
    "green": {"camouflage": 8, "leopard": 0.05, "dots": 0.3, "horizontal-stripes": 0.4},
    "yellow": {"leopard": 2.5, "floral": 1.5, "check": 0.4, "camouflage": 0.05},
    "orange": {"leopard": 2, "zigzag": 2.5, "camouflage": 0.05, "vertical-stripes": 0.2},
    "pink": {"floral": 2.5, "dots": 2.5, "camouflage": 0.05, "vertical-stripes": 0.4},
    "brown": {"camouflage": 3, "leopard": 5, "floral": 0.3, "dots": 0.2},
}
COLOR_FACTORS: Factors = {
    "t-shirt": {"white": 2.5, "brown": 0.3, "black": 1.3},
    "shirt": {"white": 3, "blue": 2.5, "black": 0.5, "orange": 0.1, "brown": 0.3},
    "sweater": {"grey": 2, "brown": 1.5, "red": 1.5, "white": 0.5},
    "hoodie": {"grey": 3, "black": 2, "pink": 0.8, "brown": 0.2, "white": 0.4},
    "jacket": {"black": 2, "green": 2, "blue": 1.5, "pink": 0.05, "yellow": 0.6, "white": 0.2},
    "coat": {"brown": 4, "black": 2.5, "grey": 2, "pink": 0.1, "orange": 0.05, "yellow": 0.1},
    "dress": {"red": 2.5, "pink": 2.5, "yellow": 1.5, "brown": 0.2, "grey": 0.3},
    "skirt": {"black": 1.5, "pink": 2, "red": 1.5, "yellow": 1.2, "grey": 0.7},
    "trousers": {"blue": 3, "black": 2, "brown": 2, "pink": 0.1, "orange": 0.05, "yellow": 0.1},
    "shorts": {"blue": 2, "brown": 1.5, "green": 1.5, "pink": 0.5, "white": 0.6},
}
TASTE = 0.5  # standard deviation of the logarithm of each combination's own seeded factor


@lru_cache(maxsize=4)
def joint_distribution(seed: int) -> np.ndarray:
    """Probability ``(10, 10, 10)`` of shape, color and pattern."""

    def factors(named: Factors, rows: tuple[str, ...], columns: tuple[str, ...]) -> np.ndarray:
        return np.array([[named[row].get(column, 1.0) for column in columns] for row in rows])

    table = np.einsum("s,c,p->scp", SHAPE_WEIGHTS, COLOR_WEIGHTS, PATTERN_WEIGHTS)
    table *= factors(PATTERN_FACTORS, SHAPES, PATTERNS)[:, None, :]
    table *= factors(COLOR_FACTORS, SHAPES, COLORS)[:, :, None]
    table *= factors(PATTERN_FACTORS, COLORS, PATTERNS)
    table *= np.random.default_rng([seed, 101]).lognormal(0.0, TASTE, table.shape)
    table /= table.sum()
    table.setflags(write=False)  # it is cached
    return table


def draw_garment(seed: int, rng: Generator) -> Garment:
    table = joint_distribution(seed)
    s, c, p = np.unravel_index(rng.choice(table.size, p=table.ravel()), table.shape)
    return Garment(SHAPES[s], COLORS[c], PATTERNS[p], draw_traits(SHAPES[s], COLORS[c], rng))


def draw_change(seed: int, garment: Garment, kind: str, rng: Generator) -> Garment:
    """The garment with another class of type ``kind``, drawn by its probability given the other
    types."""
    axis = SCHEMA.types.index(kind)
    own = [SCHEMA.index(name, garment.attribute(name)) for name in SCHEMA.types]
    here: list[Any] = [*own[:axis], slice(None), *own[axis + 1 :]]
    probability = joint_distribution(seed)[tuple(here)].copy()
    probability[own[axis]] = 0.0
    picked = int(rng.choice(probability.size, p=probability / probability.sum()))
    return garment.changed(kind, SCHEMA.of(kind)[picked])
