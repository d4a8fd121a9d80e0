"""Schemas of the concatenation baselines and of the score."""

from __future__ import annotations

from dataclasses import dataclass


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
