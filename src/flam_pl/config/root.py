"""Schema of all settings: which keys exist, their types, bounds and meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

from omegaconf import MISSING, OmegaConf

from flam_pl.config.bounds import number, numbers, one_of
from flam_pl.config.data import DataConfig
from flam_pl.config.methods import ConcatConfig, ScoringConfig
from flam_pl.config.outputs import FiguresConfig, ResultsConfig, TablesConfig
from flam_pl.config.stages import BackboneConfig, EmbedderConfig, ManipulatorConfig


@dataclass
class EvaluationConfig:
    """Measurement of retrieval and edits."""

    ks: list[int] = numbers(1, 5, 10, 20, 50, 100, least=1)  # Cut-offs k of the figures
    resamples: int = number(1000, least=1)  # Resamples of a bootstrap interval
    seed: int = number(0, least=0)
    examples: int = number(6, least=0)  # Edited searches in the report, per attribute type
    pairs: int = number(2000, least=0)  # Random edits of two types at once


@dataclass
class TrainerConfig:
    """The Lightning Trainer of every stage."""

    accelerator: str = "auto"
    devices: str = "auto"
    num_nodes: int = number(1, least=1)
    strategy: str = "auto"
    precision: str = one_of("32-true", "bf16-mixed", "16-mixed")
    max_epochs: int | None = number(None, least=1)  # Replaces every stage's own number
    progress: bool = True


@dataclass
class LoggerConfig:
    """Weights & Biases (W&B), beside the CSV files."""

    wandb: str = one_of("auto", "online", "offline", "off")  # auto: online if logged in, else off
    project: str = "flam-pl"
    artifacts: bool = True  # Upload the checkpoints too


@dataclass
class Config:
    """All settings."""

    run: str | None = None  # Name of the run; null: the data set's name
    runs_dir: str = "runs"
    seed: int = number(0, least=0, most=2**32 - 1)
    retrain: bool = False  # Train again what is up to date
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
    """Methods beside FLAM; the best one on the validation split searches."""
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
        """Folder of the run's outputs."""
        return Path(self.runs_dir) / self.name


def settings_of(
    data: type, schema: type = Config, section: str = ""
) -> dict[str, tuple[Any, Mapping[str, Any]]]:
    """Key -> type and bounds of every setting, with the schema ``data`` of the data set."""
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
    """A schema's values as nested dicts and lists, fit for JSON and checkpoints."""
    plain = OmegaConf.to_container(OmegaConf.structured(config))
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}
