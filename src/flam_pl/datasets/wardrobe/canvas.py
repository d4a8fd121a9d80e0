"""From a sketch to pixels."""

from __future__ import annotations

import cv2
import numpy as np

from flam_pl.datasets.wardrobe import ink, patterns
from flam_pl.datasets.wardrobe.colors import luminance
from flam_pl.datasets.wardrobe.garment import Garment
from flam_pl.datasets.wardrobe.sketch import Mark, Panel, Sketch


class Canvas:
    """A garment without surroundings; ``matrix`` ``(2, 3)`` maps body units to pixels."""

    def __init__(self, sketch: Sketch, matrix: np.ndarray, size: int) -> None:
        self.sketch, self.matrix, self.tones = sketch, matrix, tones_of(sketch.garment)
        self.scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))  # pixels per body unit
        self.color = np.zeros((size, size, 3), np.uint8)  # RGB, as under even light
        self.shade = np.zeros((size, size), np.uint8)  # 255 is fully lit; edges are darker
        self.mask = np.zeros((size, size), np.uint8)  # 255 where there is garment
        self.front = np.zeros((size, size), np.uint8)  # 255 where a graphic may lie
        for part in sketch.parts:
            if isinstance(part, Panel):
                self.panel(part)
            elif part.tone != "print":
                self.mark(part)
            elif self.sketch.garment.pattern == "graphic-print":
                self.print(part)

    def panel(self, panel: Panel) -> None:
        points, margin = to_pixels(self.matrix, panel.points), 6  # its shadow reaches 4 pixels
        low = np.maximum(np.floor(points.min(axis=0)).astype(int) - margin, 0)
        high = np.minimum(np.ceil(points.max(axis=0)).astype(int) + margin, len(self.mask))
        if (high - low).min() < 3:
            return
        where = (slice(low[1], high[1]), slice(low[0], high[0]))
        shade, covered, front = self.shade[where], self.mask[where], self.front[where]
        mask = np.zeros(covered.shape, np.uint8)
        ink.polygon(mask, points - low, (255,))
        soft = cv2.blur(mask, (9, 9))
        if panel.lift:
            shadow = 255 - (panel.lift * 0.5 * soft).astype(np.uint8)
            shade[:] = cv2.multiply(shade, shadow, scale=1 / 255)
        cv2.copyTo(rounded(soft), mask, shade)
        if panel.material in ("ground", "front"):
            color = self.cloth(panel, low, mask.shape)
        else:
            color = np.full((*mask.shape, 3), self.tones[panel.material], np.uint8)
        cv2.copyTo(color, mask, self.color[where])
        cv2.max(covered, mask, covered)
        if panel.material == "front":
            cv2.max(front, mask, front)
        else:
            front[mask > 0] = 0

    def cloth(self, panel: Panel, corner: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The panel's cloth from the pixel ``corner`` on, ``(*shape, 3)``."""
        to_body = np.linalg.inv(np.vstack([self.matrix, [0, 0, 1]]))[:2]
        angle, *center = panel.turn
        c, s = np.cos(angle), np.sin(angle)
        back = np.array([[c, s], [-s, c]])  # turned cloth: look up the point turned back
        start = back @ to_pixels(to_body, corner) + center - back @ center
        move = patterns.CLOTH_SCALE * start + np.array(patterns.CLOTH_ORIGIN)
        return cv2.warpAffine(
            patterns.cloth(self.sketch.garment),
            np.column_stack([patterns.CLOTH_SCALE * back @ to_body[:, :2], move]),
            shape[::-1],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101,
        )

    def mark(self, mark: Mark) -> None:
        points, width = to_pixels(self.matrix, mark.points), mark.width * self.scale
        if len(points) > 1:
            ink.line(self.color, points, self.tones[mark.tone], max(1, round(width)))
            return
        radius = max(1.6, width)
        if mark.tone in ("light", "dark", "gold", "metal"):  # a dark rim
            ink.disc(self.color, points[0], radius + 0.9, self.tones["seam"])
        ink.disc(self.color, points[0], radius, self.tones[mark.tone])

    def print(self, place: Mark) -> None:
        corner = to_pixels(self.matrix, place.points[0] - place.width / 2)
        scale = place.width / patterns.PRINT_PIXELS
        matrix = np.column_stack([scale * self.matrix[:, :2], corner])
        picture = cv2.warpAffine(patterns.graphic(self.sketch.garment), matrix, self.mask.shape)
        seen = cv2.bitwise_and(picture[..., 3], self.front) > 127
        self.color[seen] = picture[seen, :3]

    def relief(self) -> np.ndarray:
        """Height of the creases ``(S/2, S/2)``, about -1 to 1."""
        half, scale = len(self.mask) // 2, self.scale / 2
        height = np.zeros((half, half), np.float32)
        for points, width, depth in self.sketch.folds:
            line = np.round(to_pixels(self.matrix / 2, points)).astype(np.int32)
            cv2.polylines(height, [line], False, depth, max(1, round(width * scale)))
        return cv2.GaussianBlur(height, (0, 0), max(0.8, 0.012 * scale))


def to_pixels(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2])


def rounded(soft: np.ndarray) -> np.ndarray:
    """Shade of a piece by its softened mask: darker at the edge."""
    return cv2.addWeighted(soft, 0.75, soft, 0.0, 64.0)


def tones_of(garment: Garment) -> dict[str, np.ndarray]:
    """RGB ``(3,)`` of all that is not patterned cloth."""
    ground, second, _ = garment.palette()
    light = luminance(ground)
    colors = {
        "plain": ground,
        "trim": second,
        "inner": ground * 0.5 if light > 60 else ground + 28,
        "lining": (72, 70, 74) if light > 60 else (112, 110, 112),
        "seam": ground + 52 if light < 70 else ground * (0.55 if light < 200 else 0.68),
        "rib": ground + 30 if light < 70 else ground * 0.78,
        "cord": (235, 232, 225) if light < 150 else ground * 0.55,
        "metal": (190, 190, 196),
        "light": (240, 236, 226),
        "dark": (38, 34, 34),
        "gold": (196, 160, 84),
    }
    return {name: np.clip(np.round(color), 0, 255) for name, color in colors.items()}
