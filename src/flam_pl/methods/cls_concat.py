"""Cls-Concat, a baseline of the paper: one classifier per attribute type."""

from __future__ import annotations

from flam_pl.methods.concat_training import train_classifiers
from flam_pl.methods.concatenation import open_classifiers
from flam_pl.methods.registry import Method

METHODS = [
    Method(
        "cls_concat",
        "Cls-Concat",
        "#1f77b4",
        10,
        open_classifiers,
        train_classifiers,
        own_vectors=True,
        in_table_3=True,
    )
]
