"""ADDE-M (Hou et al., ICCV 2021), a rival: a learned memory of attribute prototypes."""

from __future__ import annotations

from flam_pl.methods.concat_training import train_classifiers
from flam_pl.methods.concatenation import open_classifiers
from flam_pl.methods.registry import Method

METHODS = [
    Method(
        "adde_m",
        "ADDE-M",
        "#e377c2",
        30,
        open_classifiers,
        train_classifiers,
        own_vectors=True,
    )
]
