"""TIRG (Vo et al., "Composing text and image for image retrieval", CVPR 2019), on our features.

TIRG has the embedders of FLAM+: the comparison is between the two generators. The gate is in
``models/manipulator.py``, the loss in ``losses/composition.py``.
"""

from __future__ import annotations

from flam_pl.methods.generator import open_generator
from flam_pl.methods.registry import Method
from flam_pl.methods.two_stages import train_generator

METHODS = [
    Method(
        "tirg",
        "TIRG",
        "#2ca02c",
        50,
        open_generator,
        train_generator,
        ("embedder=flam_plus", "manipulator=tirg"),
        own_embedders=True,
    )
]
