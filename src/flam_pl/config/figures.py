"""Schema of ``make figures``: which of the paper's figures, and how large."""

from __future__ import annotations

from dataclasses import dataclass, field

from flam_pl.errors import ConfigError

PAPER_FIGURES = ("2", "3", "convergence", "labels")


@dataclass
class FiguresConfig:
    """The paper's figures, drawn from one's own run."""

    which: list[str] = field(default_factory=lambda: list(PAPER_FIGURES))
    """2: edited searches | 3: maps of the embedding spaces | convergence: T@k against cosine(x,
    x-hat) | labels: T@k against the share of the training labels."""
    examples: int = 3
    """Figure 2: edited searches of each attribute type, drawn at random by ``evaluation.seed``."""
    features: int = 3000
    """Figure 3: evaluation images on the maps, at most."""
    manipulated: int = 1000
    """Figure 3: those of them that are edited as well, at most a third."""
    target_type: str = "color"
    """Figure 3: what is edited; where the data set has no such type, its first one."""
    target_class: str | None = None
    """Figure 3: what it becomes; null is the most frequent class on the maps."""
    shares: list[float] = field(default_factory=lambda: [0.01, 0.05, 0.2, 1.0])
    """Of the run's training labels; each but 1 trains stages 2 and 3 and the baselines again."""


def check_figures(settings: FiguresConfig) -> None:
    """Raises: ConfigError: a word or a share that is not allowed, by the name of its setting."""
    if not settings.which or not {*settings.which} <= {*PAPER_FIGURES}:
        raise ConfigError(
            f"figures.which is {settings.which}; expected some of {', '.join(PAPER_FIGURES)}"
        )
    if not settings.shares or not all(0 < share <= 1 for share in settings.shares):
        raise ConfigError(f"figures.shares is {settings.shares}; expected numbers above 0, up to 1")
