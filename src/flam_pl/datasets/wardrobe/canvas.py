"""From a sketch to pixels: cloth on panels, seams, buttons, prints, and the relief of creases."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from flam_pl.datasets.wardrobe import bottoms, ink, tops
from flam_pl.datasets.wardrobe.colors import luminance
from flam_pl.datasets.wardrobe.garment import Garment
from flam_pl.datasets.wardrobe.patterns import CLOTH_ORIGIN, CLOTH_SCALE, cloth
from flam_pl.datasets.wardrobe.prints import MOTIF_PIXELS, motif
from flam_pl.datasets.wardrobe.sketch import Fold, Motif, Panel, Pose, Sketch, Spot, Stroke

DRAWERS = {
    "t-shirt": tops.draw_top,
    "shirt": tops.draw_top,
    "sweater": tops.draw_top,
    "hoodie": tops.draw_top,
    "jacket": tops.draw_jacket,
    "coat": tops.draw_coat,
    "dress": tops.draw_dress,
    "skirt": bottoms.draw_skirt,
    "trousers": bottoms.draw_trousers,
    "shorts": bottoms.draw_shorts,
}
MARGIN = 6
"""Pixels around a panel that its shadow may reach."""
BUTTONS = ("light", "dark", "gold", "metal")
"""Tones of spots that have a dark rim."""


def sketch_of(garment: Garment, pose: Pose) -> Sketch:
    """The garment's parts in body units."""
    sketch = Sketch(garment, pose)
    DRAWERS[garment.shape](sketch)
    return sketch


@dataclass
class Layer:
    """A garment without surroundings: uint8 arrays of ``(S, S)``."""

    color: np.ndarray
    """``(S, S, 3)`` RGB, as under even light."""
    shade: np.ndarray
    """255 is fully lit. Edges of panels and cloth under a collar are darker."""
    mask: np.ndarray
    """255 where there is garment."""
    front: np.ndarray
    """255 on the front panels, where a graphic may lie."""


class Painter:
    """Paints the parts of one sketch, first to last, into a ``Layer``.

    Args:
        garment: whose colors and cloth are used.
        matrix: body units -> pixels, ``(2, 3)``.
        size: pixels of a side.
    """

    def __init__(self, garment: Garment, matrix: np.ndarray, size: int) -> None:
        self.garment, self.matrix, self.size = garment, matrix, size
        self.scale = scale_of(matrix)
        self.tones = tones(garment)
        self.layer = Layer(
            np.zeros((size, size, 3), np.uint8),
            *(np.zeros((size, size), np.uint8) for _ in range(3)),
        )

    def paint(self, sketch: Sketch) -> Layer:
        """Every part of the sketch, in its order."""
        for part in sketch.parts:
            if isinstance(part, Panel):
                self.panel(part)
            elif isinstance(part, Stroke):
                points, width = to_pixels(self.matrix, part.points), round(part.width * self.scale)
                ink.line(self.layer.color, points, self.tones[part.tone], max(1, width))
            elif isinstance(part, Spot):
                self.spot(part)
            elif self.garment.pattern == "graphic-print":
                self.motif(part)
        return self.layer

    def panel(self, panel: Panel) -> None:
        """A piece of cloth, darker at its edge, and its shadow on what lies beneath."""
        points = to_pixels(self.matrix, panel.outline)
        left, top = np.maximum(np.floor(points.min(axis=0)).astype(int) - MARGIN, 0)
        right, bottom = np.minimum(np.ceil(points.max(axis=0)).astype(int) + MARGIN, self.size)
        if right - left < 3 or bottom - top < 3:
            return
        where = (slice(top, bottom), slice(left, right))
        color, shade, covered, front = (
            array[where]
            for array in (self.layer.color, self.layer.shade, self.layer.mask, self.layer.front)
        )
        mask = np.zeros(covered.shape, np.uint8)
        ink.polygon(mask, points - (left, top), (255,))
        soft = cv2.blur(mask, (9, 9))
        if panel.lift:
            shadow = 255 - (panel.lift * 0.5 * soft).astype(np.uint8)
            shade[:] = cv2.multiply(shade, shadow, scale=1 / 255)
        cv2.copyTo(rounded(soft), mask, shade)
        cv2.copyTo(self.material(panel, left, top, mask.shape), mask, color)
        cv2.max(covered, mask, covered)
        if panel.front:
            cv2.max(front, mask, front)
        else:
            front[mask > 0] = 0

    def material(self, panel: Panel, left: int, top: int, shape: tuple[int, ...]) -> np.ndarray:
        """Cloth of a panel, ``(*shape, 3)`` uint8, for the rectangle at ``left``, ``top``."""
        if panel.material != "ground":
            return np.full((*shape, 3), self.tones[panel.material], np.uint8)
        to_body = np.linalg.inv(np.vstack([self.matrix, [0, 0, 1]]))[:2]
        c, s = np.cos(panel.turn), np.sin(panel.turn)
        back = np.array([[c, s], [-s, c]])  # turned cloth: look up the point turned back
        anchor = np.array(panel.anchor)
        linear = CLOTH_SCALE * back @ to_body[:, :2]
        start = to_pixels(to_body, np.array([left, top]))
        move = CLOTH_SCALE * (back @ start + anchor - back @ anchor) + np.array(CLOTH_ORIGIN)
        return cv2.warpAffine(
            cloth(self.garment),
            np.column_stack([linear, move]),
            shape[::-1],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101,
        )

    def spot(self, spot: Spot) -> None:
        """A disc, such as a button."""
        (center,) = to_pixels(self.matrix, spot.center)
        radius = max(1.6, spot.radius * self.scale)
        if spot.tone in BUTTONS:
            ink.disc(self.layer.color, center, radius + 0.9, self.tones["seam"])
        ink.disc(self.layer.color, center, radius, self.tones[spot.tone])

    def motif(self, place: Motif) -> None:
        """The graphic, cut to the front panels seen so far."""
        scale, corner = place.size / MOTIF_PIXELS, np.array(place.center) - place.size / 2
        linear = self.matrix[:, :2] * scale
        matrix = np.column_stack([linear, to_pixels(self.matrix, corner)])
        graphic = cv2.warpAffine(motif(self.garment), matrix, (self.size, self.size))
        mask = cv2.bitwise_and(graphic[..., 3], self.layer.front)
        self.layer.color[mask > 127] = graphic[mask > 127, :3]


def to_pixels(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points ``(..., 2)`` mapped by an affine matrix ``(2, 3)``."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2])


def scale_of(matrix: np.ndarray) -> float:
    """Pixels a body unit."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))


def rounded(soft: np.ndarray) -> np.ndarray:
    """Shade of a piece whose mask is softened: 160 at its edge, 255 inside, as if it were round."""
    return cv2.addWeighted(soft, 0.75, soft, 0.0, 64.0)


def tones(garment: Garment) -> dict[str, np.ndarray]:
    """RGB ``(3,)`` of everything that is not patterned cloth, as whole numbers from 0 to 255."""
    palette = garment.palette()
    ground, light = palette.ground, luminance(palette.ground)
    colors = {
        "plain": ground,
        "trim": palette.second,
        "inner": ground * 0.5 if light > 60 else ground + 28,
        "lining": (72, 70, 74) if light > 60 else (112, 110, 112),
        "seam": ground + 52 if light < 70 else ground * (0.55 if light < 200 else 0.68),
        "rib": ground + 30 if light < 70 else ground * 0.78,
        "second": palette.second,
        "cord": (235, 232, 225) if light < 150 else ground * 0.55,
        "metal": (190, 190, 196),
        "light": (240, 236, 226),
        "dark": (38, 34, 34),
        "gold": (196, 160, 84),
    }
    return {name: np.clip(np.round(color), 0, 255) for name, color in colors.items()}


def relief(folds: list[Fold], matrix: np.ndarray, size: int) -> np.ndarray:
    """Height of the creases, ``(size, size)`` float32 with values about -1 to 1."""
    height, scale = np.zeros((size, size), np.float32), scale_of(matrix)
    for fold in folds:
        points = np.round(to_pixels(matrix, fold.points)).astype(np.int32)
        cv2.polylines(height, [points], False, fold.depth, max(1, round(fold.width * scale)))
    return cv2.GaussianBlur(height, (0, 0), max(0.8, 0.012 * scale))
