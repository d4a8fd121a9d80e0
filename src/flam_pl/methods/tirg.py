"""TIRG (Vo et al., "Composing text and image for image retrieval", CVPR 2019), on our features.

Its embedders are those of FLAM+, so that the two generators are compared on equal terms. The gate
is in ``models/manipulator.py``, the loss in ``losses/softmax.py``.
"""

from __future__ import annotations

from flam_pl.methods.generator import open_both_stages
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
