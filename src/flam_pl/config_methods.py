"""Schemas of the methods that FLAM is compared with, and the names of all that can be trained."""

from __future__ import annotations

from dataclasses import dataclass

ABLATIONS = ("flam_s_adv", "flam_m", "flam_m_adv")
"""Rows of the paper's Table 3, each a file of ``conf/manipulator/``; M + OS + adv is FLAM."""

METHODS = ("cls_concat", "emb_concat", "memory", *ABLATIONS, "flam_plus")
"""What ``methods=[...]`` can name."""


@dataclass
class ConcatConfig:
    """Cls-Concat and Emb-Concat: 341 x 3 = 1023 dimensions."""

    width: int = 341
    """Dimensions of each type's part."""
    hidden: int | None = 512
    """Cls-Concat's layer before that one; null: none, the other reading of the paper's text, which
    makes a far weaker baseline."""
    dropout: float = 0.5
    noise: float = 0.5
    """As for the embedders."""
    lr: float = 1e-3
    weight_decay: float = 1e-4
    batch_size: int = 256
    max_epochs: int = 40


@dataclass
class MemoryConfig:
    """The linear memory."""

    margin: float = 0.2
    lr: float = 1e-3
    batch_size: int = 256
    steps_per_epoch: int = 50
    max_epochs: int = 6
