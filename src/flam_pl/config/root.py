"""Schemas of every config group. A key that is not declared is refused by name.

The files beside this one have a part each: the data sets, the stages, the methods beside FLAM, the
paper's tables and figures, the results page. The YAML files in ``conf/`` choose values; these say
which keys exist, of which type, and what they mean. ``loading.load_config`` is the one way from a
command line to a ``Config``, which ``checks`` has passed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import MISSING, OmegaConf

from flam_pl.config.data import DATA_SCHEMAS, DataConfig
from flam_pl.config.figures import FiguresConfig
from flam_pl.config.methods import ConcatConfig, ScoringConfig
from flam_pl.config.results import ResultsConfig
from flam_pl.config.stages import BackboneConfig, EmbedderConfig, ManipulatorConfig
from flam_pl.config.tables import TablesConfig


@dataclass
class EvaluationConfig:
    """How retrieval and edits are measured."""

    ks: list[int] = field(default_factory=lambda: [1, 5, 10, 20, 50, 100])
    resamples: int = 1000
    seed: int = 0
    examples: int = 6
    """Edited searches drawn for the report, for each attribute type."""
    pairs: int = 2000
    """Edits of two types at once that are measured, drawn at random; 0: none."""


@dataclass
class TrainerConfig:
    """Passed on to the Lightning Trainer of every stage."""

    accelerator: str = "auto"
    devices: str = "auto"
    num_nodes: int = 1
    strategy: str = "auto"
    precision: str = "32-true"
    max_epochs: int | None = None
    """Epochs of every stage, whatever the stage's own setting; for short trials."""
    progress: bool = True


@dataclass
class LoggerConfig:
    """CSV is always written; W&B beside it."""

    wandb: str = "auto"
    """auto: online if logged in, else none | online | offline | off."""
    project: str = "flam-pl"
    artifacts: bool = True
    """Give W&B the checkpoints too, each with the one that it was trained on."""


@dataclass
class Config:
    """The root."""

    run: str | None = None
    """Name of the run; null is the data set's name. Its outputs are ``runs_dir/<run>``."""
    runs_dir: str = "runs"
    seed: int = 0
    retrain: bool = False
    """Train again what is already trained with the same settings on the same data."""
    report: str | None = None
    """``evaluate`` only: write to ``report-<this>`` and evaluate all of ``data``."""
    image: str | None = None
    """``search`` only: a file, or the path of an image as the run's catalog has it."""
    edits: list[str] = field(default_factory=list)
    """``search`` only: what should be different, e.g. [color=red,pattern=striped:0.5]."""
    k: int = 10
    """``search`` only: how many results."""
    data: DataConfig = MISSING
    backbone: BackboneConfig = MISSING
    embedder: EmbedderConfig = MISSING
    manipulator: ManipulatorConfig = MISSING
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    scoring: ScoringConfig = MISSING
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    logger: LoggerConfig = field(default_factory=LoggerConfig)
    methods: list[str] = field(default_factory=lambda: ["flam_plus"])
    """What to train and measure beside the paper's FLAM: names of ``methods.METHODS``. What
    searches is the row of the tables that is best on validation."""
    concat: ConcatConfig = field(default_factory=ConcatConfig)
    overrides: list[str] = field(default_factory=list)
    """The command line that these settings come from; ``load_config`` sets it."""
    tables: TablesConfig = field(default_factory=TablesConfig)
    figures: FiguresConfig = field(default_factory=FiguresConfig)
    results: ResultsConfig = field(default_factory=ResultsConfig)

    @property
    def name(self) -> str:
        return self.run or self.data.name

    @property
    def folder(self) -> Path:
        """Where everything of the run lies."""
        return Path(self.runs_dir) / self.name


SCHEMAS: dict[tuple[str | None, str], type] = {
    (None, "schema"): Config,
    **{("data", f"schema_{name}"): schema for name, schema in DATA_SCHEMAS.items()},
    ("backbone", "schema_backbone"): BackboneConfig,
    ("embedder", "schema_embedder"): EmbedderConfig,
    ("manipulator", "schema_manipulator"): ManipulatorConfig,
    ("scoring", "schema_scoring"): ScoringConfig,
    ("trainer", "schema_trainer"): TrainerConfig,
    ("logger", "schema_logger"): LoggerConfig,
}


def to_plain(config: Any) -> dict[str, Any]:
    """Any config dataclass as nested dicts and lists, fit for JSON and checkpoints."""
    plain = OmegaConf.to_container(OmegaConf.structured(config))
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}
