"""Schemas of the methods beside FLAM, and the names and settings of all that can be trained."""

from __future__ import annotations

from dataclasses import dataclass

from flam_pl.config.bounds import number

OVERRIDES: dict[str, tuple[str, ...]] = {
    "flam_plus": ("embedder=flam_plus", "manipulator=flam_plus"),
    "tirg": ("embedder=flam_plus", "manipulator=tirg"),
    "flam_s_adv": ("manipulator=flam_s_adv",),
    "flam_m": ("manipulator=flam_m",),
    "flam_m_adv": ("manipulator=flam_m_adv",),
}
"""Method -> its files of ``conf/``. A value on the command line wins over them."""

ABLATIONS = ("flam_s_adv", "flam_m", "flam_m_adv")
"""Rows of the paper's Table 3. Its last row (M, OS, adv) is FLAM."""

CONCAT = ("cls_concat", "emb_concat")
"""The paper's baselines."""

OWN_EMBEDDERS = ("tirg", "flam_plus")
"""Methods with embedders of their own."""

OWN_VECTORS = (*CONCAT, "adde_m")
"""Methods with a second vector per photo, which instance search does not use."""

METHODS = (*CONCAT, *ABLATIONS, "flam_plus", "adde_m", "tirg")
"""What ``methods=[...]`` can name."""

IN_TABLE_3 = (*CONCAT, *ABLATIONS, "flam_plus")
"""Rows of Table 3, and FLAM+."""


@dataclass
class ConcatConfig:
    """Cls-Concat, Emb-Concat and ADDE-M: 341 x 3 = 1023 dimensions."""

    width: int = number(341, least=1)
    """Dimensions per attribute type."""
    hidden: int | None = number(512, least=1)
    """Cls-Concat: dimensions of a hidden layer. null: none, another reading of the paper and a far
    weaker baseline."""
    dropout: float = number(0.5, least=0, below=1)
    noise: float = number(0.5, least=0)
    """As ``embedder.noise``."""
    working_dim: int | str | None = number("embedder", least=1, choices=("embedder",))
    """As ``embedder.working_dim``; "embedder": the same number as the run's embedders."""
    lr: float = number(1e-3, above=0)
    weight_decay: float = number(1e-4, least=0)
    batch_size: int = number(256, least=2)
    max_epochs: int = number(40, least=1)


@dataclass
class ScoringConfig:
    """The score of an edited search: the cosine of the features plus weighted log-posteriors.

    A weight of null is chosen on the validation split. Changing a weight trains nothing.
    """

    posteriors: bool = True
    """Gallery vectors carry the log-posteriors of the photo's classes. false: the paper's search,
    by the cosine alone."""
    target: float | None = number(None, least=0)
    """Weight of the log-posterior of the class that the edit asks for."""
    others: float | None = number(None, least=0)
    """Weight of the log-posteriors of the query's classes in the types that are not edited."""
    moved: float | None = number(None, least=0)
    """Weight of the cosine to the query moved by class means: less the mean feature of its old
    class, plus that of the new one."""
