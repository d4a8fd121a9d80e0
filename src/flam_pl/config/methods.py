"""Schemas of the methods beside FLAM, and the names and settings of all that can be trained."""

from __future__ import annotations

from dataclasses import dataclass

OVERRIDES: dict[str, tuple[str, ...]] = {
    "flam_plus": ("embedder=flam_plus", "manipulator=flam_plus"),
    "tirg": ("embedder=flam_plus", "manipulator=tirg"),
    "flam_s_adv": ("manipulator=flam_s_adv",),
    "flam_m": ("manipulator=flam_m",),
    "flam_m_adv": ("manipulator=flam_m_adv",),
}
"""Method -> the config groups that it chooses. A value that the user writes wins in each."""

ABLATIONS = ("flam_s_adv", "flam_m", "flam_m_adv")
"""Rows of the paper's Table 3, each a file of ``conf/manipulator/``; M + OS + adv is FLAM."""

CONCAT = ("cls_concat", "emb_concat")
"""The paper's baselines."""

OWN_EMBEDDERS = ("tirg", "flam_plus")
"""Methods that train stage 2 as well, by their own recipe."""

OWN_VECTORS = (*CONCAT, "adde_m")
"""Methods that need a second vector per photo, which does not serve the search for the very same
item."""

METHODS = (*CONCAT, *ABLATIONS, "flam_plus", "adde_m", "tirg")
"""What ``methods=[...]`` can name."""

IN_TABLE_3 = (*CONCAT, *ABLATIONS, "flam_plus")
"""Rows of Table 3, and the better recipe beside them."""


@dataclass
class ConcatConfig:
    """Cls-Concat, Emb-Concat and ADDE-M: 341 x 3 = 1023 dimensions."""

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
class ScoringConfig:
    """What a search counts beside the cosine; changing it trains nothing."""

    posteriors: bool = True
    """Whether gallery vectors carry the log-posteriors of their classes; false: the paper's search,
    by the cosine alone."""
    target: float | None = None
    """Weight of the log-posteriors of the wanted classes; null: chosen on validation."""
    others: float | None = None
    """Weight of the log-posteriors of the query's own classes in the types that no edit names;
    null: chosen on validation."""
    moved: float | None = None
    """Weight of the cosine to the query moved by the means of its classes; null: chosen on
    validation."""
