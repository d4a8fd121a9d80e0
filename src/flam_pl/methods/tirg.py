"""TIRG (Vo et al., "Composing text and image for image retrieval", CVPR 2019), on our features.

Its embedders are trained as those of FLAM+. See ``models/manipulator.py`` for the gate and
``losses/composition.py`` for the loss.
"""

from __future__ import annotations

from flam_pl.methods.flam import open_both_stages
from flam_pl.methods.registry import Method

METHODS = [
    Method(
        "tirg",
        "TIRG",
        "#2ca02c",
        50,
        open_both_stages,
        "two_stages:train_both_stages",
        ("embedder=flam_plus", "manipulator=tirg"),
        own_embedders=True,
    )
]
