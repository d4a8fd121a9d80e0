"""A garment: three labelled attributes and the unlabelled traits of one item."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

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
XYZ_TO_RGB = np.array(
    [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
)


def color_of(name: str, tint: Tint) -> np.ndarray:
    """sRGB ``(3,)`` in [0, 255] of a place in a region."""
    lch = (low + (high - low) * t for (low, high), t in zip(REGIONS[name], tint, strict=True))
    return lch_to_rgb(*lch)


def lch_to_rgb(lightness: float, chroma: float, hue: float) -> np.ndarray:
    """CIE LCh -> sRGB ``(3,)`` in [0, 255], clipped into the gamut."""
    a, b = chroma * np.cos(np.radians(hue)), chroma * np.sin(np.radians(hue))
    y = (lightness + 16) / 116
    f = np.array([y + a / 500, y, y - b / 200])
    xyz = D65_WHITE * np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29))
    linear = np.clip(XYZ_TO_RGB @ xyz, 0, 1)
    encoded = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    return np.asarray(255 * encoded)


def luminance(rgb: np.ndarray) -> float:
    """Perceived brightness in [0, 255]."""
    return float(rgb @ np.array([0.299, 0.587, 0.114]))


def distance(first: np.ndarray, second: np.ndarray) -> float:
    """The "redmean" distance of two sRGB colors, 0..765."""
    red = (first[0] + second[0]) / 2
    weights = np.array([2 + red / 256, 4, 2 + (255 - red) / 256])
    return float(np.sqrt(weights @ (first - second) ** 2))


# Neighbours are alike: a value that a shape cannot have becomes the nearest that it can have.
ORDER: dict[str, tuple[str, ...]] = {
    "sleeve": ("none", "short", "half", "long"),
    "neckline": ("boat", "scoop", "crew", "v", "turtle"),
    "collar": ("none", "stand", "classic", "lapel"),
    "pockets": ("none", "chest", "side", "flap"),
    "trim": ("none", "neck", "cuffs", "both"),
    "logo": ("none", "disc", "bar", "square", "triangle"),
}
TRIM = {"trim": ORDER["trim"]}
TRIM_LOGO = {**TRIM, "logo": ORDER["logo"]}
BOTTOM = {"pockets": ("none", "side", "flap"), "trim": ("none", "cuffs")}
# fmt: off
# The values of each trait that each shape can have
APPLIES: dict[str, dict[str, tuple[str, ...]]] = {
    "t-shirt": {"sleeve": ("none", "short", "half"), "neckline": ("boat", "scoop", "crew", "v"),
                "pockets": ("none", "chest"), **TRIM_LOGO},
    "shirt": {"sleeve": ("short", "long"), "collar": ("stand", "classic"),
              "pockets": ("none", "chest"), **TRIM_LOGO},
    "sweater": {"sleeve": ("long",), "neckline": ("crew", "v", "turtle"), **TRIM_LOGO},
    "hoodie": {"sleeve": ("long",), **TRIM_LOGO},
    "jacket": {"sleeve": ("long",), "collar": ("stand", "classic", "lapel"),
               "pockets": ("chest", "side", "flap"), **TRIM_LOGO},
    "coat": {"sleeve": ("long",), "collar": ("classic", "lapel"),
             "pockets": ("none", "side", "flap"), **TRIM},
    "dress": {"sleeve": ORDER["sleeve"], "neckline": ("boat", "scoop", "crew", "v"), **TRIM},
    "skirt": {"pockets": ("none", "side"), "trim": ("none", "cuffs")},
    "trousers": BOTTOM,
    "shorts": BOTTOM,
}
PATTERNS = ("solid", "horizontal-stripes", "vertical-stripes", "check", "dots",
            "floral", "camouflage", "leopard", "zigzag", "graphic-print")
# fmt: on
SHAPES, COLORS = tuple(APPLIES), tuple(REGIONS)
SCHEMA = AttributeSchema({"shape": SHAPES, "color": COLORS, "pattern": PATTERNS})

BUTTONED = ("shirt", "jacket", "coat", "trousers", "shorts")
KEPT_TRAITS = (*ORDER, "fit", "length", "second_color")
"""The traits that an edit should preserve: the columns that are empty where nothing shows them."""

# Least ``colors.distance`` of a second color from the ground, and the weights of ``COLORS`` as such
CONTRAST = 220.0
SECOND_COLORS = (0.22, 0.32, 0.06, 0.08, 0.10, 0.05, 0.06, 0.04, 0.05, 0.02)


@dataclass(frozen=True)
class Traits:
    """What no label tells; ``Garment.trait`` fits it to the shape."""

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
    """Colors as sRGB ``(3,)`` in [0, 255]."""

    ground: np.ndarray
    second: np.ndarray
    third: np.ndarray


@dataclass(frozen=True)
class Garment:
    """One item. Equal garments are drawn alike to the last pixel."""

    shape: str
    color: str
    pattern: str
    traits: Traits

    def changed(self, attribute_type: str, name: str) -> Garment:
        """The counterfactual with another class; raises ``SchemaError``."""
        SCHEMA.index(attribute_type, name)
        change: dict[str, Any] = {attribute_type: name}
        return replace(self, **change)

    def attribute(self, attribute_type: str) -> str:
        return str(getattr(self, attribute_type))

    def trait(self, name: str) -> str:
        """The trait, or the nearest that the shape can have, or ""."""
        if name not in APPLIES[self.shape]:
            return ""
        place = ORDER[name].index
        own = place(getattr(self.traits, name))
        return min(APPLIES[self.shape][name], key=lambda value: abs(place(value) - own))

    def palette(self) -> Palette:
        names = (self._visible(name) for name in (self.traits.second, self.traits.third))
        second, third = (color_of(name, self.traits.second_tint) for name in names)
        return Palette(color_of(self.color, self.traits.tint), second, third)

    def _visible(self, name: str) -> str:
        """The color class ``name``, or white or black where it would vanish."""
        ground = color_of(self.color, self.traits.tint)
        if distance(color_of(name, self.traits.second_tint), ground) >= CONTRAST:
            return name
        return "white" if luminance(ground) < 125 else "black"

    def describe(self) -> dict[str, str | int | float]:
        """The traits as the catalog has them."""
        traits = self.traits
        return {
            **{name: self.trait(name) for name in ORDER},
            "buttons": traits.buttons if self.shape in BUTTONED else "",
            "fit": round(traits.fit, 2),
            "length": round(traits.length, 2),
            "cut": round(traits.cut, 2),
            "second_color": self._visible(traits.second),
            "pattern_scale": round(traits.pattern_scale, 2),
            "pattern_angle": round(traits.pattern_angle, 2),
        }


def draw_traits(shape: str, color: str, rng: np.random.Generator) -> Traits:
    """Random traits that ``shape`` can have and ``color`` shows."""

    def value(name: str) -> str:
        return str(rng.choice(APPLIES[shape].get(name, ORDER[name])))

    trim = value("trim") if rng.random() < 0.45 else "none"
    logo = value("logo") if rng.random() < 0.35 else "none"
    tint: Tint = tuple(rng.random(3).tolist())
    mark_tint: Tint = tuple(rng.random(3).tolist())
    ground = color_of(color, tint)
    visible = [distance(color_of(name, mark_tint), ground) >= CONTRAST for name in COLORS]
    weights = np.where(visible, SECOND_COLORS, 0.0)
    second, third = rng.choice(COLORS, size=2, replace=False, p=weights / sum(weights))
    return Traits(
        **{name: value(name) for name in ("sleeve", "neckline", "collar", "pockets")},
        trim=trim,
        logo=logo,
        buttons=int(rng.integers(4, 9)),
        button_tone=str(rng.choice(("light", "dark", "gold"))),
        fit=float(rng.random()),
        length=float(rng.random()),
        cut=float(rng.random()),
        second=str(second),
        third=str(third),
        tint=tint,
        second_tint=mark_tint,
        pattern_scale=float(rng.random()),
        pattern_angle=float(rng.uniform(-1, 1)),
        pattern_seed=int(rng.integers(2**31)),
    )
