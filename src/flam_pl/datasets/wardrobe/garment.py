"""A garment: three labelled attributes, the unlabelled traits of one item, and its changes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from flam_pl.attributes import AttributeSchema
from flam_pl.datasets.wardrobe.colors import Tint, color_of, distance, luminance

SHAPES = (
    "t-shirt",
    "shirt",
    "sweater",
    "hoodie",
    "jacket",
    "coat",
    "dress",
    "skirt",
    "trousers",
    "shorts",
)
COLORS = (
    "black",
    "white",
    "grey",
    "red",
    "blue",
    "green",
    "yellow",
    "orange",
    "pink",
    "brown",
)
PATTERNS = (
    "solid",
    "horizontal-stripes",
    "vertical-stripes",
    "check",
    "dots",
    "floral",
    "camouflage",
    "leopard",
    "zigzag",
    "graphic-print",
)
SCHEMA = AttributeSchema({"shape": SHAPES, "color": COLORS, "pattern": PATTERNS})

# What a garment can have, in an order in which neighbours are alike: after a change of shape a
# trait that the new shape does not know becomes the nearest one it knows; every other trait stays.
SLEEVES = ("none", "short", "half", "long")
NECKLINES = ("boat", "scoop", "crew", "v", "turtle")
COLLARS = ("none", "stand", "classic", "lapel")
POCKETS = ("none", "chest", "side", "flap")
TRIMS = ("none", "neck", "cuffs", "both")
LOGOS = ("none", "disc", "bar", "square", "triangle")

APPLIES: dict[str, dict[str, tuple[str, ...]]] = {
    "t-shirt": {
        "sleeve": ("none", "short", "half"),
        "neckline": ("boat", "scoop", "crew", "v"),
        "pockets": ("none", "chest"),
        "trim": TRIMS,
        "logo": LOGOS,
    },
    "shirt": {
        "sleeve": ("short", "long"),
        "collar": ("stand", "classic"),
        "pockets": ("none", "chest"),
        "trim": TRIMS,
        "logo": LOGOS,
    },
    "sweater": {
        "sleeve": ("long",),
        "neckline": ("crew", "v", "turtle"),
        "trim": TRIMS,
        "logo": LOGOS,
    },
    "hoodie": {"sleeve": ("long",), "trim": TRIMS, "logo": LOGOS},
    "jacket": {
        "sleeve": ("long",),
        "collar": ("stand", "classic", "lapel"),
        "pockets": ("chest", "side", "flap"),
        "trim": TRIMS,
        "logo": LOGOS,
    },
    "coat": {
        "sleeve": ("long",),
        "collar": ("classic", "lapel"),
        "pockets": ("none", "side", "flap"),
        "trim": TRIMS,
    },
    "dress": {
        "sleeve": ("none", "short", "half", "long"),
        "neckline": ("boat", "scoop", "crew", "v"),
        "trim": TRIMS,
    },
    "skirt": {"pockets": ("none", "side"), "trim": ("none", "cuffs")},
    "trousers": {"pockets": ("none", "side", "flap"), "trim": ("none", "cuffs")},
    "shorts": {"pockets": ("none", "side", "flap"), "trim": ("none", "cuffs")},
}
ORDER = {
    "sleeve": SLEEVES,
    "neckline": NECKLINES,
    "collar": COLLARS,
    "pockets": POCKETS,
    "trim": TRIMS,
    "logo": LOGOS,
}
BUTTONED = ("shirt", "jacket", "coat", "trousers", "shorts")

TRAIT_COLUMNS = (
    "sleeve",
    "neckline",
    "collar",
    "pockets",
    "trim",
    "logo",
    "buttons",
    "fit",
    "length",
    "cut",
    "second_color",
    "pattern_scale",
    "pattern_angle",
)
"""The traits a catalogue row tells, in this order."""

KEPT_TRAITS = (
    "sleeve",
    "neckline",
    "collar",
    "pockets",
    "trim",
    "logo",
    "fit",
    "length",
    "second_color",
)
"""What an edit should keep. The others are told of garments that show nothing of them: a T-shirt
has no cut, a solid one no scale and angle of a pattern, trousers show one button of the eight."""

CONTRAST = 220.0
"""Least ``colors.distance`` of a second color from the ground: with less a pattern hardly shows."""


@dataclass(frozen=True)
class Traits:
    """What nobody labels. Words are edits: ``Garment.trait`` says what the shape makes of them."""

    sleeve: str
    neckline: str
    collar: str
    pockets: str
    trim: str
    logo: str
    buttons: int
    """How many, 4 to 8 on a shirt; a coat wears them in two columns."""
    button_tone: str
    """light, dark or gold."""
    fit: float
    """0 slim .. 1 loose."""
    length: float
    """0 the shortest of its shape .. 1 the longest."""
    cut: float
    """Flare of skirts and dresses, width of legs: 0 narrow .. 1 wide."""
    second: str
    """Color class of the pattern's marks, of trim and of logo."""
    third: str
    """Color class of a pattern's few further marks."""
    tint: Tint
    second_tint: Tint
    pattern_scale: float
    """0 fine .. 1 coarse."""
    pattern_angle: float
    """-1 .. 1, in units of what its pattern allows."""
    pattern_seed: int
    """Places of flowers, blots and spots."""


@dataclass(frozen=True)
class Palette:
    """Colors of one garment as sRGB ``(3,)`` floats in [0, 255]."""

    ground: np.ndarray
    second: np.ndarray
    third: np.ndarray


@dataclass(frozen=True)
class Garment:
    """One item. Two garments with equal fields are drawn alike to the last pixel."""

    shape: str
    color: str
    pattern: str
    traits: Traits

    def changed(self, attribute_type: str, name: str) -> Garment:
        """The counterfactual: this very garment with one attribute of another class.

        Args:
            attribute_type: "shape", "color" or "pattern".
            name: the new class.

        Raises:
            SchemaError: unknown type or class.
        """
        SCHEMA.index(attribute_type, name)
        if attribute_type == "shape":
            return replace(self, shape=name)
        if attribute_type == "color":
            return replace(self, color=name)
        return replace(self, pattern=name)

    def attribute(self, attribute_type: str) -> str:
        """Class of one attribute type."""
        SCHEMA.of(attribute_type)
        return {"shape": self.shape, "color": self.color, "pattern": self.pattern}[attribute_type]

    def trait(self, name: str) -> str:
        """The edit, or the nearest that the shape can have, or "" if it has no such thing."""
        possible = APPLIES[self.shape].get(name, ())
        if not possible:
            return ""
        order = ORDER[name]
        edit = order.index(str(getattr(self.traits, name)))
        return min(possible, key=lambda word: abs(order.index(word) - edit))

    def palette(self) -> Palette:
        """Its colors; marks keep theirs unless they would vanish on the ground."""
        ground = color_of(self.color, self.traits.tint)
        second = self._mark(self.traits.second, ground)
        third = self._mark(self.traits.third, ground)
        return Palette(ground, second, third)

    def second_color(self) -> str:
        """Class of the second color as drawn, after the rule of ``palette``."""
        return self._mark_name(self.traits.second, color_of(self.color, self.traits.tint))

    def _mark(self, edit: str, ground: np.ndarray) -> np.ndarray:
        return color_of(self._mark_name(edit, ground), self.traits.second_tint)

    def _mark_name(self, edit: str, ground: np.ndarray) -> str:
        if distance(color_of(edit, self.traits.second_tint), ground) >= CONTRAST:
            return edit
        return "white" if luminance(ground) < 125 else "black"

    def describe(self) -> dict[str, str | int | float]:
        """The traits as the catalogue tells them: short words, numbers, "" where none applies."""
        traits = self.traits
        told: dict[str, str | int | float] = {name: self.trait(name) for name in ORDER}
        told |= {
            "buttons": traits.buttons if self.shape in BUTTONED else "",
            "fit": round(traits.fit, 2),
            "length": round(traits.length, 2),
            "cut": round(traits.cut, 2),
            "second_color": self.second_color(),
            "pattern_scale": round(traits.pattern_scale, 2),
            "pattern_angle": round(traits.pattern_angle, 2),
        }
        return {name: told[name] for name in TRAIT_COLUMNS}


def draw_traits(shape: str, color: str, rng: np.random.Generator) -> Traits:
    """Traits at random, among those that ``shape`` can have and that are seen on ``color``."""

    def word(name: str) -> str:
        return str(rng.choice(APPLIES[shape].get(name, ORDER[name])))

    def tint() -> Tint:
        lightness, chroma, hue = rng.random(3)
        return float(lightness), float(chroma), float(hue)

    # Trim and logo are the exception: on every item they would compete with the pattern.
    trim = word("trim") if rng.random() < 0.45 else "none"
    logo = word("logo") if rng.random() < 0.35 else "none"
    ground_tint, mark_tint = tint(), tint()
    ground = color_of(color, ground_tint)
    seen = [
        weight if distance(color_of(name, mark_tint), ground) >= CONTRAST else 0.0
        for name, weight in zip(COLORS, SECOND_COLORS, strict=True)
    ]
    second, third = rng.choice(COLORS, size=2, replace=False, p=np.array(seen) / sum(seen))
    return Traits(
        sleeve=word("sleeve"),
        neckline=word("neckline"),
        collar=word("collar"),
        pockets=word("pockets"),
        trim=trim,
        logo=logo,
        buttons=int(rng.integers(4, 9)),
        button_tone=str(rng.choice(("light", "dark", "gold"))),
        fit=float(rng.random()),
        length=float(rng.random()),
        cut=float(rng.random()),
        second=str(second),
        third=str(third),
        tint=ground_tint,
        second_tint=mark_tint,
        pattern_scale=float(rng.random()),
        pattern_angle=float(rng.uniform(-1, 1)),
        pattern_seed=int(rng.integers(2**31)),
    )


# In the order of COLORS: white and black marks are the most frequent in shops.
SECOND_COLORS = (0.22, 0.32, 0.06, 0.08, 0.10, 0.05, 0.06, 0.04, 0.05, 0.02)
