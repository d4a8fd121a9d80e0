"""Schema of all settings: keys, types, bounds and meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, cast, get_type_hints

from omegaconf import MISSING, OmegaConf

from flam_pl.config.bounds import number, numbers, one_of, some_of
from flam_pl.config.data import DataConfig
from flam_pl.config.stages import (
    BackboneConfig,
    ConcatConfig,
    EmbedderConfig,
    ManipulatorConfig,
    ScoringConfig,
)


@dataclass
class EvaluationConfig:  # Measurement of retrieval and edits
    ks: list[int] = numbers(1, 5, 10, 20, 50, 100, least=1)  # Cut-offs k of the figures
    resamples: int = number(1000, least=1)  # Resamples of a bootstrap interval
    seed: int = number(0, least=0)
    examples: int = number(6, least=0)  # Edited searches in the report, per attribute type
    pairs: int = number(2000, least=0)  # Random edits of two types at once


@dataclass
class TrainerConfig:  # The Lightning Trainer of every stage
    accelerator: str = "auto"
    devices: str = "auto"
    num_nodes: int = number(1, least=1)
    strategy: str = "auto"
    precision: str = one_of("32-true", "bf16-mixed", "16-mixed")
    max_epochs: int | None = number(None, least=1)  # Replaces every stage's own number
    progress: bool = True


@dataclass
class LoggerConfig:  # Weights & Biases (W&B), beside the CSV files
    wandb: str = one_of("auto", "online", "offline", "off")  # auto: online if logged in, else off
    project: str = "flam-pl"
    artifacts: bool = True  # Upload the checkpoints too


@dataclass
class TablesConfig:  # The paper's tables with one's own data
    which: list[int] = some_of(1, 2, 3, 4, 5)
    seeds: list[int] = numbers(empty=True, least=0)  # Further seeds of every training
    backbones: list[str] = field(default_factory=lambda: ["imagenet_frozen", "scratch"])
    """Table 5: files of ``conf/backbone/``, trained for at most the run's backbone epochs."""
    note: str = ""  # A sentence below every table


@dataclass
class FiguresConfig:  # The paper's figures of one's own run
    which: list[str] = some_of("2", "3", "convergence", "labels")
    """2: edited searches. 3: maps. The others: T@k against cosine(x, x-hat), or the label share."""
    examples: int = number(3, least=1)  # Figure 2: edited searches per attribute type
    features: int = number(3000, least=3)  # Figure 3: most evaluation images on a map
    manipulated: int = number(1000, least=2)  # Figure 3: most edited images, at most a third
    target_type: str = "color"  # Figure 3: edited attribute type, else the first of the data set
    target_class: str | None = None  # Figure 3: the wanted class; null: the most frequent
    shares: list[float] = numbers(0.01, 0.05, 0.2, 1.0, above=0, most=1)
    """Shares of the training labels; each share below 1 trains all but the backbone again."""


@dataclass
class ResultsConfig:  # The results page
    methods: list[str] = field(default_factory=list)  # Methods beside FLAM; empty: all of them
    seeds: list[int] = numbers(0, 1, 2, empty=True, least=0)  # Seeds beside the run's own
    labels: bool = True  # Train the main methods also on each of ``figures.shares``
    page: list[str] = field(default_factory=list)  # Folders of runs to join; nothing is trained
    page_file: str = "docs/results.md"  # The joined page, with the text of ``tried.md`` beside it


@dataclass
class Config:  # All settings
    run: str | None = None  # Name of the run; null: the data set's name
    runs_dir: str = "runs"
    seed: int = number(0, least=0, most=2**32 - 1)
    retrain: bool = False  # Also train stages again that are up to date
    report: str | None = None  # ``evaluate``: measure all of ``data``, write to ``report-<this>``
    image: str | None = None  # ``search``: a file, or an image path of the run's catalog
    edits: list[str] = field(default_factory=list)  # ``search``: [color=red,pattern=striped:0.5]
    k: int = number(10, least=1)  # ``search``: number of results
    data: DataConfig = MISSING
    backbone: BackboneConfig = MISSING
    embedder: EmbedderConfig = MISSING
    manipulator: ManipulatorConfig = MISSING
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    scoring: ScoringConfig = MISSING
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    logger: LoggerConfig = field(default_factory=LoggerConfig)
    methods: list[str] = field(default_factory=lambda: ["cls_concat", "flam_plus"])
    """Methods beside FLAM. Searches use the method that is best on the validation split."""
    concat: ConcatConfig = field(default_factory=ConcatConfig)
    overrides: list[str] = field(default_factory=list)  # The command line; ``load_config`` sets it
    tables: TablesConfig = field(default_factory=TablesConfig)
    figures: FiguresConfig = field(default_factory=FiguresConfig)
    results: ResultsConfig = field(default_factory=ResultsConfig)

    @property
    def name(self) -> str:
        return self.run or self.data.name

    @property
    def folder(self) -> Path:
        return Path(self.runs_dir) / self.name


def settings_of(
    data: type, schema: type = Config, section: str = ""
) -> dict[str, tuple[Any, Mapping[str, Any]]]:
    """Key -> type and bounds of every setting; ``data`` is the data set's schema."""
    found: dict[str, tuple[Any, Mapping[str, Any]]] = {}
    kinds = get_type_hints(schema)
    for each in fields(schema):
        kind = data if kinds[each.name] is DataConfig else kinds[each.name]
        if is_dataclass(kind) and isinstance(kind, type):
            found |= settings_of(data, kind, f"{each.name}.")
        else:
            found[section + each.name] = kind, each.metadata
    return found


def to_plain(config: Any) -> dict[str, Any]:
    """A schema's values as dicts and lists."""
    return cast(dict[str, Any], OmegaConf.to_container(OmegaConf.structured(config)))
