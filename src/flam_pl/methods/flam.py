"""FLAM (Shin et al., BMVC 2019): x-tilde = G(x, d_{a,i}) searches among the stored features."""

from __future__ import annotations

from flam_pl.methods.registry import Method
from flam_pl.methods.two_stages import open_generator, train_embedders, train_manipulator
from flam_pl.training.records import StageRecord, require
from flam_pl.training.run import Run


def train_flam(run: Run, method: Method) -> StageRecord:
    """Stages 2 and 3, in the folders ``embedder`` and ``manipulator`` of the run."""
    backbone = require(run.backbone_folder, "backbone")
    return train_manipulator(run, train_embedders(run, backbone))


METHODS = [Method("flam", "FLAM", "#d62728", 40, open_generator, train_flam)]
