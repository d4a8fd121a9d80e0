"""The ten colors as regions of LCh space."""

from __future__ import annotations

import numpy as np

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
