"""How often shape, color and pattern go together."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.random import Generator

from flam_pl.datasets.wardrobe.garment import COLORS, PATTERNS, SCHEMA, SHAPES, Garment, draw_traits

SHAPE_WEIGHTS = (1.4, 1.1, 1.0, 1.0, 1.0, 0.8, 1.3, 0.8, 1.0, 0.8)
COLOR_WEIGHTS = (1.7, 1.4, 1.1, 0.9, 1.4, 0.8, 0.75, 0.8, 0.8, 0.7)
PATTERN_WEIGHTS = (2.2, 1.1, 0.9, 1.0, 0.8, 1.0, 0.7, 0.8, 0.65, 0.9)

Factors = dict[str, dict[str, float]]
# Factors on top of the weights above, 1 for other pairs
SHAPE_PATTERN: Factors = {
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
}
SHAPE_COLOR: Factors = {
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
COLOR_PATTERN: Factors = {
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
TASTE = 0.5  # standard deviation of the logarithm of each combination's own seeded factor


@lru_cache(maxsize=4)
def joint_distribution(seed: int) -> np.ndarray:
    """Probability of each (shape, color, pattern), ``(10, 10, 10)``."""
    table = np.einsum("s,c,p->scp", SHAPE_WEIGHTS, COLOR_WEIGHTS, PATTERN_WEIGHTS)
    table *= factors(SHAPES, PATTERNS, SHAPE_PATTERN)[:, None, :]
    table *= factors(SHAPES, COLORS, SHAPE_COLOR)[:, :, None]
    table *= factors(COLORS, PATTERNS, COLOR_PATTERN)
    table *= np.random.default_rng([seed, 101]).lognormal(0.0, TASTE, table.shape)
    table /= table.sum()
    table.setflags(write=False)  # it is cached
    return table


def factors(rows: tuple[str, ...], columns: tuple[str, ...], named: Factors) -> np.ndarray:
    return np.array([[named[row].get(column, 1.0) for column in columns] for row in rows])


def draw_garment(seed: int, rng: Generator) -> Garment:
    table = joint_distribution(seed)
    s, c, p = np.unravel_index(rng.choice(table.size, p=table.ravel()), table.shape)
    return Garment(SHAPES[s], COLORS[c], PATTERNS[p], draw_traits(SHAPES[s], COLORS[c], rng))


def draw_change(seed: int, garment: Garment, kind: str, rng: Generator) -> Garment:
    """Another class of type ``kind``, by its probability given the others."""
    own = [SCHEMA.index(name, garment.attribute(name)) for name in SCHEMA.types]
    axis = SCHEMA.types.index(kind)
    table = np.moveaxis(joint_distribution(seed), axis, -1)
    probability = table[tuple(own[:axis] + own[axis + 1 :])].copy()
    probability[own[axis]] = 0.0
    picked = int(rng.choice(probability.size, p=probability / probability.sum()))
    return garment.changed(kind, SCHEMA.of(kind)[picked])
