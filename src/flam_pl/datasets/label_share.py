"""A share of the training labels, for asking how many labels a method needs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from flam_pl.datasets.catalog import Catalog
from flam_pl.errors import FlamError


def keep_label_share(catalog: Catalog, share: float, seed: int = 0) -> Catalog:
    """The catalog with this share of its training labels; the others read as never written down.

    Each class of each attribute type keeps ``round(share * count)`` of its labels, but one at
    least, drawn for itself: an image may keep one label and lose another. Of one seed, a smaller
    share is part of every larger one. Labels of validation and evaluation are not touched.

    Args:
        share: above 0, up to 1, which keeps all.
        seed: of the draw.

    Raises:
        FlamError: a share outside that range.
    """
    if not 0 < share <= 1:
        raise FlamError(f"data.label_share is {share}; expected a number above 0, up to 1")
    if share == 1:
        return catalog
    table = catalog.table.copy()
    training = catalog.rows(split="train")
    for t, kind in enumerate(catalog.schema.types):
        for c in range(catalog.schema.sizes[t]):
            rows = training[catalog.labels[training, t] == c]
            kept = max(1, round(share * len(rows)))
            # the order depends on the class alone, so that shares are nested
            order = np.random.default_rng([seed, t, c]).permutation(rows)
            table.loc[order[kept:], kind] = pd.NA
    return replace(catalog, table=table)
