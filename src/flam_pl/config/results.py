"""Schema of ``make results``: every method, several seeds, several shares of the labels."""

from __future__ import annotations

from dataclasses import dataclass, field

from flam_pl.errors import ConfigError


@dataclass
class ResultsConfig:
    """What the results of a run are made of."""

    methods: list[str] = field(default_factory=list)
    """Methods to train and measure beside FLAM; empty: all of them."""
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    """Of every stage that is trained and of all methods; the run's own seed is always among
    them."""
    labels: bool = True
    """Whether stages 2 and 3 and the main methods are also trained on ``figures.shares``, by
    each seed on labels of its own."""
    page: list[str] = field(default_factory=list)
    """Folders of runs whose results are joined into one page; nothing is trained or measured."""
    page_file: str = "docs/results.md"
    """That page. ``tried.md`` beside it, what did not help, is written by hand and included."""


def check_results(settings: ResultsConfig) -> None:
    """Raises: ConfigError: a word or a number that is not allowed, by the name of its setting."""
    if min(settings.seeds, default=0) < 0:
        raise ConfigError(f"results.seeds is {settings.seeds}; expected 0 or more")
