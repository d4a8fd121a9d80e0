"""Schemas of the methods that FLAM is compared with, and the names of all that can be trained."""

from __future__ import annotations

from dataclasses import dataclass

ABLATIONS = ("flam_s_adv", "flam_m", "flam_m_adv")
"""Rows of the paper's Table 3, each a file of ``conf/manipulator/``; M + OS + adv is FLAM."""

PLUS_ABLATIONS = (
    "flam_plus_one_member",
    "flam_plus_triplet",
    "flam_plus_labels_alone",
    "flam_plus_less_noise",
    "flam_plus_working_dim",
    "flam_plus_adversarial",
    "flam_plus_both",
)
"""FLAM+ with one step of its recipe taken back, each a file of ``conf/embedder/`` or of
``conf/manipulator/``; what has no file there is as in ``flam_plus``."""

PLUS_FAMILY = (*PLUS_ABLATIONS, "flam_plus")
"""Methods that have embedders of their own, or share those of ``flam_plus``."""

BEST_CONCAT = {"cls_concat_best": "cls_concat", "emb_concat_best": "emb_concat"}
"""The concatenations by the setting of ``results.concat_settings`` that is best on validation."""

TRIED = "tried"
"""Begins the names of the figures of their stages that the setting was chosen by."""

METHODS = (
    "cls_concat",
    "cls_concat_best",
    "emb_concat",
    "emb_concat_best",
    "memory",
    *ABLATIONS,
    *PLUS_FAMILY,
)
"""What ``methods=[...]`` can name."""

IN_TABLE_3 = ("cls_concat", "emb_concat", "memory", *ABLATIONS, "flam_plus")
"""Rows of Table 3, and the better recipe beside them."""


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
    working_dim: int | str | None = "embedder"
    """As for the embedders; "embedder": the run's own embedders' number."""
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
