"""Schema of ``make tables``: which of the paper's tables, with which seeds and backbones."""

from __future__ import annotations

from dataclasses import dataclass, field

PAPER_TABLES = (1, 2, 3, 4, 5)


@dataclass
class TablesConfig:
    """The paper's tables, filled with one's own figures."""

    which: list[int] = field(default_factory=lambda: list(PAPER_TABLES))
    seeds: list[int] = field(default_factory=list)
    """Further seeds of every stage that is trained, beside the run's own: the tables then give
    mean, standard deviation and an interval that covers the seeds."""
    backbones: list[str] = field(default_factory=lambda: ["imagenet_frozen", "scratch"])
    """Table 5: choices of ``conf/backbone/``, each trained as a run of its own, beside the run's
    own backbone and for at most as many epochs. The paper's: resnet50, seresnet50,
    seresnext50_32x4d, inception_resnet_v2, densenet121."""
    note: str = ""
    """Confidence below every table."""
