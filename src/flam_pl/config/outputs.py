"""Schemas of the commands ``tables``, ``figures`` and ``results``."""

from __future__ import annotations

from dataclasses import dataclass, field

from flam_pl.config.bounds import number, numbers, some_of


@dataclass
class TablesConfig:
    """The paper's tables, filled with the figures of one's own data."""

    which: list[int] = some_of(1, 2, 3, 4, 5)
    seeds: list[int] = numbers(empty=True, least=0)
    """Further seeds of every training; a table gives mean, deviation and interval over seeds."""
    backbones: list[str] = field(default_factory=lambda: ["imagenet_frozen", "scratch"])
    """Table 5: files of ``conf/backbone/``, trained for at most the epochs of the run's own."""
    note: str = ""  # A sentence below every table


@dataclass
class FiguresConfig:
    """The paper's figures, drawn from one's own run."""

    which: list[str] = some_of("2", "3", "convergence", "labels")
    """2: edited searches. 3: maps. The others: T@k against cosine(x, x-hat), or the label share."""
    examples: int = number(3, least=1)  # Figure 2: edited searches per attribute type
    features: int = number(3000, least=3)  # Figure 3: most evaluation images on a map
    manipulated: int = number(1000, least=2)  # Figure 3: most edited images, at most a third
    target_type: str = "color"  # Figure 3: edited attribute type, else the first of the data set
    target_class: str | None = None  # Figure 3: the wanted class; null: the most frequent
    shares: list[float] = numbers(0.01, 0.05, 0.2, 1.0, above=0, most=1)
    """Shares of the training labels; each but 1 trains all but the backbone again."""


@dataclass
class ResultsConfig:
    """The results page."""

    methods: list[str] = field(default_factory=list)  # Methods beside FLAM; empty: all of them
    seeds: list[int] = numbers(0, 1, 2, empty=True, least=0)  # Seeds beside the run's own
    labels: bool = True  # Train the main methods also on each of ``figures.shares``
    page: list[str] = field(default_factory=list)
    """Folders of runs to join into one page; nothing is trained or measured."""
    page_file: str = "docs/results.md"  # That page. It includes the file ``tried.md`` beside it
