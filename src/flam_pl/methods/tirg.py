"""TIRG (Vo et al., "Composing text and image for image retrieval", CVPR 2019), on our features.

Its embedders are trained as those of FLAM+. See ``models/manipulator.py`` for the gate and
``losses/composition.py`` for the loss.
"""

from __future__ import annotations

from flam_pl.methods.flam import both_stages

METHODS = [both_stages("tirg", "TIRG", "#2ca02c", 50)]
