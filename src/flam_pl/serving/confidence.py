"""The probability that results are what was wanted, from a gallery's stored posteriors.

The maths is that of ``retrieval.posteriors`` and ``retrieval.confidence``, in NumPy. The event
"answer" is estimated from the first results alone: no search reads the whole gallery.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

LEAST = 1e-6  # as retrieval.posteriors.LEAST
COMBINATIONS = 128


def calibrated(calibration: Mapping[str, Any] | None, kind: str, raw: np.ndarray) -> np.ndarray:
    """Platt scaling of raw probabilities; without a calibration, the raw ones.

    >>> calibrated({"answer": [1.0, 0.0]}, "answer", np.array([0.25])).round(6)
    array([0.25])
    """
    if calibration is None:
        return raw
    slope, intercept = calibration[kind]
    p = np.clip(np.asarray(raw, dtype=np.float64), LEAST, 1 - LEAST)
    found: np.ndarray = 1 / (1 + np.exp(-(slope * np.log(p / (1 - p)) + intercept)))
    return found


def has_wanted(
    wanted: Sequence[np.ndarray], photos: Sequence[np.ndarray], types: Sequence[int]
) -> np.ndarray:
    """The raw probability that each photo has the wanted class of all these types, ``(N,)``.

    Per type, ``wanted`` are probabilities ``(classes,)`` and ``photos`` ``(N, classes)``.
    """
    found = np.ones(len(photos[0]))
    for t in types:
        found = found * (photos[t] @ wanted[t])
    return found


def has_answer(wanted: Sequence[np.ndarray], photos: Sequence[np.ndarray]) -> float:
    """The raw probability that one of these photos fits in all types: the mean of
    1 - prod_n (1 - p_n) over the likeliest combinations of wanted classes."""
    shares = np.ones(1)
    fits = np.ones((len(photos[0]), 1))  # per photo and combination
    for of_type, of_photos in zip(wanted, photos, strict=True):
        longer = shares[:, None] * of_type
        best = np.argsort(-longer, axis=None, kind="stable")[:COMBINATIONS]
        before, classes = np.unravel_index(best, longer.shape)
        shares, fits = longer[before, classes], fits[:, before] * of_photos[:, classes]
    none = np.log1p(-np.minimum(fits, 1 - LEAST)).sum(axis=0)
    return float((shares / shares.sum() * -np.expm1(none)).sum().clip(0, 1))
