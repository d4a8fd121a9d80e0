"""From a sketch to pixels: cloth on panels, seams, creases, and the light that shows them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from flam_pl.datasets.wardrobe import bottoms, tops
from flam_pl.datasets.wardrobe.colors import luminance
from flam_pl.datasets.wardrobe.garment import Garment
from flam_pl.datasets.wardrobe.outlines import Fold, Motif, Panel, Pose, Sketch, Spot, Stroke
from flam_pl.datasets.wardrobe.patterns import (
    CLOTH_ORIGIN,
    CLOTH_SCALE,
    MOTIF_PIXELS,
    SHIFT,
    cloth,
    motif,
)

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


def sketch_of(garment: Garment, pose: Pose) -> Sketch:
    """The garment's parts in body units."""
    sketch = Sketch()
    DRAWERS[garment.shape](sketch, garment, pose)
    return sketch


@dataclass
class Layer:
    """A garment without surroundings; all arrays are ``size`` x ``size``."""

    color: np.ndarray
    """``(S, S, 3)`` uint8 RGB, as under even light."""
    shade: np.ndarray
    """``(S, S)`` uint8; 255 is fully lit. Edges of panels and cloth under a collar are darker."""
    mask: np.ndarray
    """``(S, S)`` uint8; 255 where there is garment."""
    front: np.ndarray
    """``(S, S)`` uint8; 255 on the front panels, where a graphic may lie."""


class Painter:
    """Paints the parts of one sketch, first to last, into a ``Layer``.

    Args:
        garment: whose colors and cloth are used.
        matrix: body units -> pixels, ``(2, 3)``.
        size: pixels of a side.
    """

    def __init__(self, garment: Garment, matrix: np.ndarray, size: int) -> None:
        self.garment, self.matrix, self.size = garment, matrix, size
        self.scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
        self.tones = tones(garment)
        self.layer = Layer(
            np.zeros((size, size, 3), np.uint8),
            np.zeros((size, size), np.uint8),
            np.zeros((size, size), np.uint8),
            np.zeros((size, size), np.uint8),
        )

    def paint(self, sketch: Sketch) -> Layer:
        """Every part of the sketch, in its order."""
        for part in sketch.parts:
            if isinstance(part, Panel):
                self.panel(part)
            elif isinstance(part, Stroke):
                self.stroke(part)
            elif isinstance(part, Spot):
                self.spot(part)
            elif self.garment.pattern == "graphic-print":
                self.motif(part)
        return self.layer

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Body units ``(N, 2)`` -> pixels ``(N, 2)``."""
        return points @ self.matrix[:, :2].T + self.matrix[:, 2]

    def panel(self, panel: Panel) -> None:
        """A piece of cloth with its seams."""
        points = self.pixels(panel.outline)
        margin = 6
        left, top = np.maximum(np.floor(points.min(axis=0)).astype(int) - margin, 0)
        right, bottom = np.minimum(np.ceil(points.max(axis=0)).astype(int) + margin, self.size)
        if right - left < 3 or bottom - top < 3:
            return
        where = (slice(top, bottom), slice(left, right))
        mask = np.zeros((bottom - top, right - left), np.uint8)
        shifted = np.round((points - (left, top)) * 2**SHIFT).astype(np.int32)
        cv2.fillPoly(mask, [shifted], 255, cv2.LINE_AA, SHIFT)
        soft = cv2.blur(mask, (9, 9))
        if panel.lift:
            shadow = 255 - (panel.lift * 0.5 * soft).astype(np.uint8)
            self.layer.shade[where] = cv2.multiply(self.layer.shade[where], shadow, scale=1 / 255)
        # Softened it is 128 at the edge, 255 inside: cloth turns away from the light where it ends.
        cv2.copyTo(cv2.addWeighted(soft, 0.75, soft, 0.0, 64.0), mask, self.layer.shade[where])
        cv2.copyTo(self.material(panel, where), mask, self.layer.color[where])
        cv2.max(self.layer.mask[where], mask, self.layer.mask[where])
        front = self.layer.front[where]
        if panel.front:
            cv2.max(front, mask, front)
        else:
            front[mask > 0] = 0

    def material(self, panel: Panel, where: tuple[slice, slice]) -> np.ndarray:
        """Cloth of a panel on the rectangle ``where``, ``(h, w, 3)`` uint8."""
        height, width = where[0].stop - where[0].start, where[1].stop - where[1].start
        if panel.material != "ground":
            return np.full((height, width, 3), self.tones[panel.material], np.uint8)
        to_body = np.linalg.inv(np.vstack([self.matrix, [0, 0, 1]]))
        c, s = np.cos(panel.turn), np.sin(panel.turn)
        turn = np.array([[c, -s], [s, c]])
        anchor = np.array(panel.anchor)
        inverse = turn.T  # turned cloth: look up the point turned back
        offset = anchor - inverse @ anchor
        linear = CLOTH_SCALE * inverse @ to_body[:2, :2]
        start = to_body[:2, :2] @ np.array([where[1].start, where[0].start]) + to_body[:2, 2]
        move = CLOTH_SCALE * (inverse @ start + offset) + np.array(CLOTH_ORIGIN)
        return cv2.warpAffine(
            cloth(self.garment),
            np.column_stack([linear, move]),
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101,
        )

    def stroke(self, stroke: Stroke) -> None:
        """A line, such as a seam or a cord."""
        points = np.round(self.pixels(stroke.points) * 2**SHIFT).astype(np.int32)
        width = max(1, round(stroke.width * self.scale))
        cv2.polylines(
            self.layer.color, [points], False, self.tones[stroke.tone], width, cv2.LINE_AA, SHIFT
        )

    def spot(self, spot: Spot) -> None:
        """A disc, such as a button."""
        x, y = np.round(self.pixels(np.array([spot.center]))[0] * 2**SHIFT).astype(int)
        radius = max(1.6, spot.radius * self.scale)
        rim = round((radius + 0.9) * 2**SHIFT)
        if spot.tone in ("light", "dark", "gold", "metal"):
            cv2.circle(self.layer.color, (x, y), rim, self.tones["seam"], -1, cv2.LINE_AA, SHIFT)
        color = self.tones[spot.tone]
        cv2.circle(
            self.layer.color, (x, y), round(radius * 2**SHIFT), color, -1, cv2.LINE_AA, SHIFT
        )

    def motif(self, place: Motif) -> None:
        """The graphic, cut to the front panels seen so far."""
        scale = place.size / MOTIF_PIXELS
        local = np.array(
            [
                [scale, 0.0, place.center[0] - place.size / 2],
                [0.0, scale, place.center[1] - place.size / 2],
            ]
        )
        matrix = self.matrix[:, :2] @ local
        matrix[:, 2] += self.matrix[:, 2]
        graphic = cv2.warpAffine(
            motif(self.garment), matrix, (self.size, self.size), flags=cv2.INTER_LINEAR
        )
        mask = cv2.bitwise_and(graphic[..., 3], self.layer.front)
        cv2.copyTo(
            graphic[..., :3], cv2.threshold(mask, 127, 255, cv2.THRESH_BINARY)[1], self.layer.color
        )


def tones(garment: Garment) -> dict[str, tuple[float, float, float]]:
    """Colors of everything that is not patterned cloth, as RGB for OpenCV."""
    palette = garment.palette()
    ground, light = palette.ground, luminance(palette.ground)
    seam = ground + 52 if light < 70 else ground * (0.55 if light < 200 else 0.68)
    rib = ground + 30 if light < 70 else ground * 0.78
    cord = np.array([235.0, 232.0, 225.0]) if light < 150 else ground * 0.55
    colors = {
        "plain": ground,
        "trim": palette.second,
        "inner": ground * 0.5 if light > 60 else ground + 28,
        "lining": np.array([72.0, 70.0, 74.0]) if light > 60 else np.array([112.0, 110.0, 112.0]),
        "seam": seam,
        "rib": rib,
        "second": palette.second,
        "cord": cord,
        "metal": np.array([190.0, 190.0, 196.0]),
        "light": np.array([240.0, 236.0, 226.0]),
        "dark": np.array([38.0, 34.0, 34.0]),
        "gold": np.array([196.0, 160.0, 84.0]),
    }
    return {name: to_rgb(color) for name, color in colors.items()}


def to_rgb(color: np.ndarray) -> tuple[float, float, float]:
    """A color as three whole numbers from 0 to 255."""
    r, g, b = np.clip(np.round(color), 0, 255)
    return float(r), float(g), float(b)


def relief(folds: list[Fold], matrix: np.ndarray, size: int) -> np.ndarray:
    """Height of the creases, ``(size, size)`` float32 with values about -1 to 1."""
    height = np.zeros((size, size), np.float32)
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    for fold in folds:
        points = fold.points @ matrix[:, :2].T + matrix[:, 2]
        width = max(1, round(fold.width * scale))
        cv2.polylines(height, [np.round(points).astype(np.int32)], False, fold.depth, width)
    return cv2.GaussianBlur(height, (0, 0), max(0.8, 0.012 * scale))
