"""Schemas of the concatenation baselines and of the score."""

from __future__ import annotations

from dataclasses import dataclass

from flam_pl.config.bounds import number


@dataclass
class ConcatConfig:
    """Cls-Concat, Emb-Concat and ADDE-M."""

    width: int = number(341, least=1)  # Dimensions per attribute type: 3 x 341 = 1023
    hidden: int | None = number(512, least=1)  # Cls-Concat: width of the hidden layer; null: none
    dropout: float = number(0.5, least=0, below=1)
    noise: float = number(0.5, least=0)  # As ``embedder.noise``
    working_dim: int | str | None = number("embedder", least=1, choices=("embedder",))
    """As ``embedder.working_dim``; "embedder": that number itself."""
    lr: float = number(1e-3, above=0)
    weight_decay: float = number(1e-4, least=0)
    batch_size: int = number(256, least=2)
    max_epochs: int = number(40, least=1)


@dataclass
class ScoringConfig:
    """Score of an edited search; a weight of null is chosen on the validation split."""

    posteriors: bool = True  # Add weighted log-posteriors to the cosine; false: the paper's
    target: float | None = number(None, least=0)  # Weight of the wanted class's log-posterior
    others: float | None = number(None, least=0)  # Weight of the log-posteriors of the other types
    moved: float | None = number(None, least=0)
    """Weight of the cosine to the query less its old class mean plus the new one."""
