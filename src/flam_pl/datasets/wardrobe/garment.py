"""A garment: three labelled attributes and the unlabelled traits of one item."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from flam_pl.attributes import AttributeSchema
from flam_pl.datasets.wardrobe.colors import REGIONS, Tint, color_of, distance, luminance

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
