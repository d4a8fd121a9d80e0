"""Traits as codes: what of an item nobody trains on, fit to be compared between two images."""

from __future__ import annotations

import numpy as np
import pandas as pd

from flam_pl.datasets.catalog import Catalog

UNKNOWN = ("", "NA")
"""Words that say that nothing is known, beside an empty field."""

WORDS = 10
"""Numbers are words (a year, a count of buttons) unless a trait has more different ones."""


def extra_attribute_codes(catalog: Catalog) -> dict[str, np.ndarray]:
    """Of every trait the code of each row, ``(N,)`` int32: equal codes agree, -1 has no value.

    A trait of more than ``WORDS`` different values that are all numbers (a fit of 0.37, a price)
    agrees by thirds: both values lie in the same third of the training images, bounded by their
    quantiles 1/3 and 2/3. A catalogue without training images is cut by its own.
    """
    trained = (catalog.table["split"] == "train").to_numpy(bool)
    return {name: _codes(catalog.table[name], trained) for name in catalog.traits}


def _codes(column: pd.Series, trained: np.ndarray) -> np.ndarray:
    words = column.astype("string").str.strip()
    words = words.mask(words.isin(UNKNOWN).fillna(False))
    known = words.notna().to_numpy(bool)
    numbers = pd.to_numeric(words, errors="coerce").to_numpy(float, na_value=np.nan)
    if np.isfinite(numbers[known]).all() and len(np.unique(numbers[known])) > WORDS:
        counted = known & trained if (known & trained).any() else known
        bounds = np.quantile(numbers[counted], [1 / 3, 2 / 3])
        return np.where(known, np.searchsorted(bounds, numbers), -1).astype(np.int32)
    return pd.factorize(words, sort=True)[0].astype(np.int32)
