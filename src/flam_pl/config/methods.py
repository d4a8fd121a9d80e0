"""Schemas of the concatenation baselines and of the score."""

from __future__ import annotations

from dataclasses import dataclass

from flam_pl.config.bounds import number


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
