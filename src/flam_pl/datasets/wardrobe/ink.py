"""Anti-aliased shapes, drawn in place; coordinates are pixels, exact to 1/16."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import ArrayLike

SHIFT = 4  # binary digits after the point of the coordinates that OpenCV gets
Color = Iterable[float]


def polygon(picture: np.ndarray, points: ArrayLike, color: Color) -> None:
    cv2.fillPoly(picture, [_fixed(points)], _scalar(color), cv2.LINE_AA, SHIFT)


def line(picture: np.ndarray, points: ArrayLike, color: Color, width: int) -> None:
    cv2.polylines(picture, [_fixed(points)], False, _scalar(color), width, cv2.LINE_AA, SHIFT)


def disc(picture: np.ndarray, center: ArrayLike, radius: float, color: Color) -> None:
    reach = max(1, round(radius * 2**SHIFT))
    cv2.circle(picture, _fixed(center).tolist(), reach, _scalar(color), -1, cv2.LINE_AA, SHIFT)


def box(picture: np.ndarray, low: ArrayLike, high: ArrayLike, color: Color) -> None:
    """A filled rectangle of whole pixels."""
    cv2.rectangle(picture, _whole(low), _whole(high), _scalar(color), -1)


def bar(picture: np.ndarray, start: ArrayLike, end: ArrayLike, color: Color, width: int) -> None:
    """A straight line between whole pixels."""
    cv2.line(picture, _whole(start), _whole(end), _scalar(color), width, cv2.LINE_AA)


def ellipse(
    picture: np.ndarray, center: ArrayLike, axes: ArrayLike, turn: float, color: Color, *arc: float
) -> None:
    """A filled ellipse, or an ``arc`` (start, end, line width); in degrees."""
    start, end, width = arc or (0, 360, -1)
    where = (_fixed(center).tolist(), _fixed(axes).tolist(), turn, start, end)
    cv2.ellipse(picture, *where, _scalar(color), int(width), cv2.LINE_AA, SHIFT)


def _fixed(points: ArrayLike) -> np.ndarray:
    return np.round(np.asarray(points) * 2**SHIFT).astype(np.int32)


def _whole(point: ArrayLike) -> list[int]:
    return list(np.round(np.asarray(point)).astype(int).tolist())


def _scalar(color: Color) -> list[float]:
    return [float(c) for c in color]
