"""FLAM (Shin et al., BMVC 2019): x-tilde = G(x, d_{a,i}) searches among the stored features."""

from __future__ import annotations

from flam_pl.methods.generator import open_generator
from flam_pl.methods.registry import Method
from flam_pl.methods.two_stages import train_generator

METHODS = [Method("flam", "FLAM", "#d62728", 40, open_generator, train_generator)]
