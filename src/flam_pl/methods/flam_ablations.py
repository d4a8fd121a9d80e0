"""Rows of the paper's Table 3 beside FLAM itself (M + OS + adv): stage 3 with parts left out."""

from __future__ import annotations

from flam_pl.config.loading import method_config
from flam_pl.methods.registry import Method
from flam_pl.methods.two_stages import open_generator, train_manipulator
from flam_pl.training.records import StageRecord, require
from flam_pl.training.run import Run


def train_ablation(run: Run, method: Method) -> StageRecord:
    """Stage 3 by the settings of the ablation, on the run's own embedders."""
    settings = method_config(run.config, method.overrides).manipulator
    embedder = require(run.folder / "embedder", "embedder")
    return train_manipulator(run, embedder, method.place, settings)


def ablation(name: str, title: str, row: int) -> Method:
    """An ablation whose settings are ``conf/manipulator/<name>.yaml``."""
    return Method(
        name,
        title,
        "#333333",
        row,
        open_generator,
        train_ablation,
        (f"manipulator={name}",),
        in_table_3=True,
        by_candidates=False,
    )


METHODS = [
    ablation("flam_s_adv", "FLAM (S, adv)", 20),
    ablation("flam_m", "FLAM (M)", 21),
    ablation("flam_m_adv", "FLAM (M, adv)", 22),
]
