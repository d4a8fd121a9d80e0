"""FLAM+: our recipe of stages 2 and 3, ``conf/{embedder,manipulator}/flam_plus.yaml``."""

from __future__ import annotations

from flam_pl.methods.flam import open_both_stages
from flam_pl.methods.registry import Method

METHODS = [
    Method(
        "flam_plus",
        "FLAM+",
        "#9467bd",
        51,
        open_both_stages,
        "two_stages:train_both_stages",
        ("embedder=flam_plus", "manipulator=flam_plus"),
        own_embedders=True,
        in_table_3=True,
    )
]
