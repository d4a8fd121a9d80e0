"""Schemas of the commands ``tables``, ``figures`` and ``results``."""

from __future__ import annotations

from dataclasses import dataclass, field

from flam_pl.config.bounds import number, numbers, some_of


@dataclass
class TablesConfig:
    """The paper's tables, filled with the figures of one's own data."""

    which: list[int] = some_of(1, 2, 3, 4, 5)
    seeds: list[int] = numbers(empty=True, least=0)
    """Further seeds that everything is trained with. With them a table gives mean, standard
    deviation and an interval over the seeds."""
    backbones: list[str] = field(default_factory=lambda: ["imagenet_frozen", "scratch"])
    """Table 5: files of ``conf/backbone/``, each trained as a run of its own, for at most as many
    epochs as the run's own backbone."""
    note: str = ""
    """A sentence below every table."""


@dataclass
class FiguresConfig:
    """The paper's figures, drawn from one's own run."""

    which: list[str] = some_of("2", "3", "convergence", "labels")
    """2: edited searches. 3: maps of the embedding spaces. convergence: T@k against cosine(x,
    x-hat). labels: T@k against the share of the training labels."""
    examples: int = number(3, least=1)
    """Figure 2: edited searches per attribute type, drawn at random by ``evaluation.seed``."""
    features: int = number(3000, least=3)
    """Figure 3: evaluation images on the maps, at most."""
    manipulated: int = number(1000, least=2)
    """Figure 3: how many of them are also edited; at most a third is."""
    target_type: str = "color"
    """Figure 3: the edited attribute type; the first type where the data set has no such one."""
    target_class: str | None = None
    """Figure 3: the class that edits ask for; null: the most frequent one on the maps."""
    shares: list[float] = numbers(0.01, 0.05, 0.2, 1.0, above=0, most=1)
    """Shares of the training labels. Each but 1 trains stages 2 and 3 and the baselines again."""


@dataclass
class ResultsConfig:
    """The results page: every method, several seeds, several shares of the labels."""

    methods: list[str] = field(default_factory=list)
    """Methods to train and measure beside FLAM; empty: all of them."""
    seeds: list[int] = numbers(0, 1, 2, empty=True, least=0)
    """Seeds of every training; the run's own seed is always among them."""
    labels: bool = True
    """Train stages 2 and 3 and the main methods also on each of ``figures.shares``."""
    page: list[str] = field(default_factory=list)
    """Folders of runs whose results are joined into one page; nothing is trained or measured."""
    page_file: str = "docs/results.md"
    """That page. It includes ``tried.md``, which lies beside it and is written by hand."""
