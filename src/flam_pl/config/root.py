"""Schemas of every config group. A key that is not declared here is refused by name.

The files beside this one have a part each: the data sets, the stages, the methods beside FLAM, the
paper's tables and figures, the results page. The YAML files in ``conf/`` choose values; these say
which keys exist, of which type, and what they mean. ``load_config`` is the one way from a command
line to a checked ``Config``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from flam_pl.config.data import DATA_SCHEMAS, DataConfig
from flam_pl.config.figures import FiguresConfig, check_figures
from flam_pl.config.methods import METHODS, ConcatConfig, MemoryConfig
from flam_pl.config.overrides import with_quoted_texts
from flam_pl.config.pooling import combined_descriptors
from flam_pl.config.results import ResultsConfig, check_results
from flam_pl.config.stages import BackboneConfig, EmbedderConfig, ManipulatorConfig
from flam_pl.config.tables import PAPER_TABLES, TablesConfig
from flam_pl.errors import ConfigError
from flam_pl.files import write_text


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
    wishes: list[str] = field(default_factory=list)
    """``search`` only: what should be different, e.g. [color=red,pattern=striped:0.5]."""
    k: int = 10
    """``search`` only: how many results."""
    data: DataConfig = MISSING
    backbone: BackboneConfig = MISSING
    embedder: EmbedderConfig = MISSING
    manipulator: ManipulatorConfig = MISSING
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    logger: LoggerConfig = field(default_factory=LoggerConfig)
    methods: list[str] = field(default_factory=lambda: ["flam_plus"])
    """What to train and measure beside the paper's FLAM: names of ``methods.METHODS``. The
    last in the tables is what searches: FLAM+ where it is trained."""
    concat: ConcatConfig = field(default_factory=ConcatConfig)
    memory: MemoryConfig = field(default_factory=MemoryConfig)
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
    ("trainer", "schema_trainer"): TrainerConfig,
    ("logger", "schema_logger"): LoggerConfig,
}


def config_folder() -> Path:
    """``$FLAM_PL_CONF``, else ``conf/`` of the repository, else that of the installed package.

    Raises:
        ConfigError: none of them holds a config.yaml.
    """
    repository = Path(__file__).resolve().parents[3] / "conf"
    named = os.environ.get("FLAM_PL_CONF")
    places = [Path(named)] if named else [repository, Path(sys.prefix) / "share/flam_pl/conf"]
    for place in places:
        if (place / "config.yaml").is_file():
            return place.resolve()
    raise ConfigError(
        f"no config.yaml in {', '.join(map(str, places))}. Run from a clone of the repository, or "
        "set FLAM_PL_CONF to its conf folder."
    )


def load_config(overrides: Sequence[str] = ()) -> Config:
    """Compose ``conf/`` with overrides such as ``data=fashion_products trainer.max_epochs=3``.

    Raises:
        ConfigError: an unknown key, group or value, named.
    """
    for override in overrides:
        if override.startswith(("+", "~")):
            raise ConfigError(
                f"{override!r} would add or remove a setting; only settings that exist can be "
                f"changed. Write {override.lstrip('+~')!r}; python -m flam_pl config lists them."
            )
        if "=" not in override:
            raise ConfigError(f"{override!r} is not a setting; expected key=value")
    store = ConfigStore.instance()
    for (group, name), node in SCHEMAS.items():
        store.store(group=group, name=name, node=node)
    given = with_quoted_texts(overrides, [(group, s) for (group, _), s in SCHEMAS.items()])
    try:
        with initialize_config_dir(str(config_folder()), version_base="1.3"):
            composed = compose("config", overrides=given)
        config = OmegaConf.to_object(composed)
    except (HydraException, OmegaConfBaseException) as error:
        cause = error.__cause__ or error
        text = str(error) if str(cause) in str(error) else f"{error}: {cause}"
        raise ConfigError(f"the settings are not usable ({' '.join(overrides)}): {text}") from error
    assert isinstance(config, Config)
    check(config)
    return config


LEAST = {
    "seed": 0,
    "backbone.image_size": 1,
    "backbone.feature_dim": 1,
    "backbone.max_epochs": 0,
    "backbone.items": 2,  # a triplet needs two items ...
    "backbone.images": 2,  # ... and two images of one
    "backbone.classified_items": 1,
    "backbone.lr": 0,
    "backbone.whitening": 0,
    "backbone.extract_batch": 1,
    "embedder.embedding_dim": 1,
    "embedder.members": 1,
    "embedder.working_dim": 1,
    "embedder.hidden": 1,
    "embedder.noise": 0,
    "embedder.self_training": 0,
    "embedder.bank": 2,
    "embedder.lr": 0,
    "embedder.batch_size": 2,
    "embedder.max_epochs": 1,
    "manipulator.hidden": 1,
    "manipulator.depth": 1,
    "manipulator.discriminator_hidden": 1,
    "manipulator.discriminator_depth": 1,
    "manipulator.noise": 0,
    "manipulator.noise_end": 0,
    "manipulator.bank": 2,
    "manipulator.ranked": 2,
    "manipulator.lr": 0,
    "manipulator.discriminator_lr": 0,
    "manipulator.batch_size": 2,
    "manipulator.steps_per_epoch": 1,
    "manipulator.max_epochs": 1,
    "evaluation.resamples": 1,
    "evaluation.seed": 0,
    "evaluation.examples": 0,
    "evaluation.pairs": 0,
    "k": 1,
    "figures.examples": 1,
    "figures.features": 3,
    "figures.manipulated": 2,
    "trainer.max_epochs": 1,
    "concat.width": 1,
    "concat.hidden": 1,
    "concat.noise": 0,
    "concat.lr": 0,
    "concat.batch_size": 2,
    "concat.max_epochs": 1,
    "memory.lr": 0,
    "memory.batch_size": 2,
    "memory.steps_per_epoch": 1,
    "memory.max_epochs": 1,
}
"""The least value of settings that have one; null, where a setting allows it, is no value."""


def check(config: Config) -> None:
    """Fields that must fit each other, a range or a fixed list of words.

    Raises:
        ConfigError: naming the field (or both fields).
    """
    _check_words(config)
    _check_numbers(config)
    _check_pairs(config)
    check_figures(config.figures)
    check_results(config.results)


def _check_words(config: Config) -> None:
    words = {
        "backbone.fit": (config.backbone.fit, ("pad", "crop", "stretch")),
        "backbone.dtype": (config.backbone.dtype, ("float16", "float32")),
        "trainer.precision": (config.trainer.precision, ("32-true", "bf16-mixed", "16-mixed")),
        "logger.wandb": (config.logger.wandb, ("auto", "online", "offline", "off")),
    }
    for name, (got, known) in words.items():
        if got not in known:
            raise ConfigError(f"{name} is {got!r}; expected one of {', '.join(known)}")
    for method in config.methods:
        if method not in METHODS:
            raise ConfigError(f"methods has {method!r}; expected some of {', '.join(METHODS)}")
    if not config.tables.which or not {*config.tables.which} <= {*PAPER_TABLES}:
        raise ConfigError(
            f"tables.which is {config.tables.which}; expected some of {list(PAPER_TABLES)}"
        )
    if not getattr(config.data, "types", ["any"]):
        raise ConfigError("data.types is empty; name at least one attribute type")


def _check_numbers(config: Config) -> None:
    shares = {
        "backbone.label_smoothing": config.backbone.label_smoothing,
        "embedder.dropout": config.embedder.dropout,
        "concat.dropout": config.concat.dropout,
        "manipulator.beta1": config.manipulator.beta1,
        "manipulator.beta2": config.manipulator.beta2,
        "manipulator.likeness_cost": config.manipulator.likeness_cost,
    }
    for name, share in shares.items():
        if not 0 <= share < 1:
            raise ConfigError(f"{name} is {share}; expected a number from 0 up to, but not, 1")
    for name, least in LEAST.items():
        value = attrgetter(name)(config)
        if value is not None and value < least:
            raise ConfigError(f"{name} is {value}; expected {least} or more")
    for name in ("min_side", "validation", "validation_items", "split_seed", "label_seed"):
        if (number := getattr(config.data, name, 0)) < 0:
            raise ConfigError(f"data.{name} is {number}; expected 0 or more")
    if min(config.tables.seeds, default=0) < 0:
        raise ConfigError(f"tables.seeds is {config.tables.seeds}; expected 0 or more")
    if not 0 < config.data.label_share <= 1:
        raise ConfigError(
            f"data.label_share is {config.data.label_share}; expected a number above 0, up to 1"
        )
    working_dim = config.concat.working_dim
    if not (
        working_dim in ("embedder", None) or (isinstance(working_dim, int) and working_dim > 0)
    ):
        raise ConfigError(
            f"concat.working_dim is {working_dim!r}; expected embedder, null or 1 or more"
        )
    if config.backbone.temperature <= 0:
        raise ConfigError(
            f"backbone.temperature is {config.backbone.temperature}; expected a number above 0"
        )
    if not config.evaluation.ks or min(config.evaluation.ks) < 1:
        raise ConfigError(f"evaluation.ks is {config.evaluation.ks}; expected cut-offs from 1 up")


def _check_pairs(config: Config) -> None:
    backbone, embedder = config.backbone, config.embedder
    if embedder.self_training and embedder.loss != "softmax":
        raise ConfigError(
            f"embedder.self_training is {embedder.self_training} and embedder.loss "
            f"{embedder.loss!r}; self-training needs the probabilities of embedder.loss=softmax"
        )
    combined = combined_descriptors(backbone.pooling, backbone.feature_dim)
    if combined and backbone.whitening is not None:
        raise ConfigError(
            f"backbone.whitening does not go with backbone.pooling={backbone.pooling}, "
            "which projects each of its descriptors; set it to null"
        )
    if backbone.weights == "imagenet-package" and backbone.model != "tf_efficientnet_lite0":
        raise ConfigError(
            f"backbone.weights=imagenet-package holds tf_efficientnet_lite0, but backbone.model is "
            f"{backbone.model!r}. Use that model, or other weights."
        )


def changes_of(group: str, name: str) -> dict[str, Any]:
    """What ``conf/<group>/<name>.yaml`` changes of the group's settings, for a method of a run.

    The files that it starts from count too, but for ``paper``: in its place stands the run's own.
    """
    own = OmegaConf.to_container(OmegaConf.load(config_folder() / group / f"{name}.yaml"))
    assert isinstance(own, dict)
    changes: dict[str, Any] = {}
    for base in own.pop("defaults", ["_self_"]):
        if base == "_self_":
            changes |= {str(key): value for key, value in own.items()}
        elif base != "paper" and has_choice(group, base):
            changes |= changes_of(group, base)
    return changes


def has_choice(group: str, name: str) -> bool:
    """Whether there is a ``conf/<group>/<name>.yaml``."""
    return (config_folder() / group / f"{name}.yaml").is_file()


def to_plain(config: Any) -> dict[str, Any]:
    """Any config dataclass as nested dicts and lists, fit for JSON and checkpoints."""
    plain = OmegaConf.to_container(OmegaConf.structured(config))
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def load_run_config(overrides: Sequence[str]) -> tuple[Config, bool]:
    """As ``load_config``, for a run that is there: it starts from the run's own settings.

    Returns:
        The settings, and whether their data set is the one that the run was trained on.

    Raises:
        ConfigError: no such run, or an unknown setting.
    """
    folder = load_config(overrides).folder
    path = folder / OVERRIDES
    if not path.is_file():
        raise ConfigError(
            f"there is no run at {folder}: {path} is missing. Train it first, or name another "
            "one with run="
        )
    try:
        own = json.loads(path.read_text())
    except ValueError as error:
        raise ConfigError(f"{path} cannot be read ({error}); train the run again") from error
    given = {override.split("=")[0] for override in overrides}
    groups = {key for key in given if "." not in key}  # data=... replaces all of data.*
    kept = [o for o in own if o.split("=")[0] not in given and o.split(".")[0] not in groups]
    config, trained_on = load_config([*kept, *overrides]), load_config(own).data
    # other data would bring its own default backbone, but the run's is trained
    backbone = [o for o in overrides if o.startswith(("backbone=", "backbone."))]
    config.backbone = load_config([*own, *backbone]).backbone
    same = replace(config.data, workers=trained_on.workers)
    return config, to_plain(same) == to_plain(trained_on)


def save_config(config: Config, overrides: Sequence[str]) -> None:
    """Leave the settings in the run's folder, to be read (config.yaml) and to start from."""
    write_text(config.folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.structured(config)))
    write_text(config.folder / OVERRIDES, json.dumps(list(overrides)))


OVERRIDES = "overrides.json"
"""The command-line settings that a run was trained with."""
