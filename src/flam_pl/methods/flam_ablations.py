"""Rows of the paper's Table 3 beside FLAM: stage 3 with parts left out."""

from __future__ import annotations

from flam_pl.methods.generator import open_generator
from flam_pl.methods.registry import Method
from flam_pl.methods.two_stages import train_generator


def ablation(name: str, title: str, color: str, row: int) -> Method:
    """Settings: ``conf/manipulator/<name>.yaml``."""
    return Method(
        name,
        title,
        color,
        row,
        open_generator,
        train_generator,
        (f"manipulator={name}",),
        in_table_3=True,
        by_candidates=False,
    )


METHODS = [
    ablation("flam_s_adv", "FLAM (S, adv)", "#fdbf6f", 20),
    ablation("flam_m", "FLAM (M)", "#ff7f0e", 21),
    ablation("flam_m_adv", "FLAM (M, adv)", "#fb9a99", 22),
]
