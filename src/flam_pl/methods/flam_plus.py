"""FLAM+: our recipe of stages 2 and 3, ``conf/{embedder,manipulator}/flam_plus.yaml``."""

from __future__ import annotations

from flam_pl.methods.generator import open_generator
from flam_pl.methods.registry import Method
from flam_pl.methods.two_stages import train_generator

METHODS = [
    Method(
        "flam_plus",
        "FLAM+",
        "#9467bd",
        51,
        open_generator,
        train_generator,
        ("embedder=flam_plus", "manipulator=flam_plus"),
        own_embedders=True,
        in_table_3=True,
    )
]
