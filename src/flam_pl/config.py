"""Schemas of every config group. A key that is not declared here is refused by name.

The data sets have theirs in ``config_data.py``. The YAML files in ``conf/`` choose values; these
two say which keys exist, of which type, and what they mean. ``load_config`` is the one way from a
command line to a checked ``Config``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from flam_pl.config_data import DATA_SCHEMAS, DataConfig
from flam_pl.config_data import TableData as TableData
from flam_pl.config_data import WardrobeData as WardrobeData
from flam_pl.config_methods import METHODS, ConcatConfig, MemoryConfig
from flam_pl.config_tables import PAPER_TABLES, TablesConfig
from flam_pl.errors import FlamError


@dataclass
class BackboneConfig:
    """Stage 1: images -> features."""

    model: str = MISSING
    """Any name of timm."""
    weights: str = "none"
    """none | timm (downloaded) | imagenet-package (tf_efficientnet_lite0 only) | a local file."""
    image_size: int = 224
    fit: str = "pad"
    """How an image becomes square: pad | crop | stretch."""
    feature_dim: int | None = 1024
    """Dimension of the projection after pooling (paper: 1024); null stores the pooled maps."""
    max_epochs: int = 10
    """0 keeps the weights as they are: a frozen backbone."""
    items: int = 32
    """P: items in a batch."""
    images: int = 4
    """K: images of each item in a batch."""
    classified_items: int = 1000
    """Cross-entropy runs over this many items, those with the most images."""
    lr: float = 3e-4
    weight_decay: float = 1e-4
    margin: float = 0.1
    triplet_weight: float = 1.0
    classification_weight: float = 1.0
    flip: bool = True
    scale_min: float = 0.7
    brightness: float = 0.2
    erase: float = 0.2
    extract_batch: int = 64
    dtype: str = "float16"
    """Of the stored features: float16 | float32."""


@dataclass
class EmbedderConfig:
    """Stage 2: equation (2) on sparse labels."""

    embedding_dim: int = 32
    working_dim: int | None = 256
    """Stages 2 and 3 work in so many principal directions of the features; null in all."""
    hidden: int = 512
    dropout: float = 0.3
    margin: float = 0.5
    noise: float = 0.5
    """Gaussian noise on the training features, in units of their root mean square."""
    lr: float = 1e-3
    weight_decay: float = 1e-4
    batch_size: int = 256
    max_epochs: int = 40


@dataclass
class ManipulatorConfig:
    """Stage 3: equations (3) to (5)."""

    hidden: int = 1024
    depth: int = 2
    residual: bool = True
    shared: bool = True
    """One generator for all target types; false: one a type."""
    discriminator_hidden: int = 1024
    discriminator_depth: int = 2
    noise: float = 0.5
    """Standard deviation of the noise on D's input at the start; without it G fools D by tiny
    changes, and with much of it D cannot teach yet and G stays at the identity."""
    noise_end: float = 2.0
    """The same at the end; it rises in a straight line."""
    adversarial_weight: float = 0.5
    matching_weight: float = 1.0
    cycle_weight: float = 0.3
    with_remaining: bool = True
    """"M" of Table 3; false is "S": only the target type is matched."""
    online_sampling: bool = True
    """"OS" of Table 3: x^- is like x in the remaining attributes; false: any other class."""
    lr: float = 1e-3
    discriminator_lr: float = 5e-4
    beta1: float = 0.5
    beta2: float = 0.99
    clip: float = 0.0
    """Largest gradient norm of G and of D; 0 does not clip."""
    batch_size: int = 256
    steps_per_epoch: int = 250
    max_epochs: int = 8


@dataclass
class EvaluationConfig:
    """How retrieval and edits are measured."""

    ks: list[int] = field(default_factory=lambda: [1, 5, 10, 20, 50, 100])
    resamples: int = 1000
    seed: int = 0
    examples: int = 6
    """Edited searches drawn for the report, for each attribute type."""


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
    data: DataConfig = MISSING
    backbone: BackboneConfig = MISSING
    embedder: EmbedderConfig = MISSING
    manipulator: ManipulatorConfig = MISSING
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    logger: LoggerConfig = field(default_factory=LoggerConfig)
    methods: list[str] = field(default_factory=list)
    """What to train and measure beside FLAM: cls_concat, emb_concat, memory, or a row of the
    ablation: flam_s_adv, flam_m, flam_m_adv."""
    concat: ConcatConfig = field(default_factory=ConcatConfig)
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    tables: TablesConfig = field(default_factory=TablesConfig)

    @property
    def name(self) -> str:
        return self.run or self.data.name

    @property
    def folder(self) -> Path:
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


class ConfigError(FlamError):
    """A setting that does not exist, has the wrong type, or contradicts another."""


def config_folder() -> Path:
    """``$FLAM_PL_CONF``, else ``conf/`` of the repository, else that of the installed package.

    Raises:
        ConfigError: none of them holds a config.yaml.
    """
    repository = Path(__file__).resolve().parents[2] / "conf"
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
    try:
        with initialize_config_dir(str(config_folder()), version_base="1.3"):
            composed = compose("config", overrides=list(overrides))
        config = OmegaConf.to_object(composed)
    except (HydraException, OmegaConfBaseException) as error:
        cause = error.__cause__ or error
        text = str(error) if str(cause) in str(error) else f"{error}: {cause}"
        given = " ".join(overrides)
        raise ConfigError(f"the settings are not usable ({given}): {text}") from error
    assert isinstance(config, Config)
    check(config)
    return config


def check(config: Config) -> None:
    """Fields that must fit each other or a fixed list of words.

    Raises:
        ConfigError: naming the field (or both fields).
    """
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
    shares = {
        "embedder.dropout": config.embedder.dropout,
        "manipulator.beta1": config.manipulator.beta1,
        "manipulator.beta2": config.manipulator.beta2,
    }
    for name, share in shares.items():
        if not 0 <= share < 1:
            raise ConfigError(f"{name} is {share}; expected a number from 0 up to, but not, 1")
    positive = {
        "backbone.max_epochs": config.backbone.max_epochs + 1,
        "backbone.feature_dim": 1 if (d := config.backbone.feature_dim) is None else d,
        "embedder.working_dim": 1 if (w := config.embedder.working_dim) is None else w,
        "embedder.max_epochs": config.embedder.max_epochs,
        "manipulator.max_epochs": config.manipulator.max_epochs,
        "trainer.max_epochs": 1 if (e := config.trainer.max_epochs) is None else e,
        "backbone.items": config.backbone.items - 1,  # a triplet needs two items ...
        "backbone.images": config.backbone.images - 1,  # ... and two images of one
        "backbone.image_size": config.backbone.image_size,
        "embedder.batch_size": config.embedder.batch_size - 1,
        "manipulator.batch_size": config.manipulator.batch_size - 1,
        "manipulator.steps_per_epoch": config.manipulator.steps_per_epoch,
        "evaluation.resamples": config.evaluation.resamples,
        "evaluation.examples": config.evaluation.examples + 1,
        "backbone.extract_batch": config.backbone.extract_batch,
        "embedder.embedding_dim": config.embedder.embedding_dim,
        "embedder.hidden": config.embedder.hidden,
        "manipulator.hidden": config.manipulator.hidden,
        "manipulator.depth": config.manipulator.depth,
        "manipulator.discriminator_hidden": config.manipulator.discriminator_hidden,
        "manipulator.discriminator_depth": config.manipulator.discriminator_depth,
        "seed": config.seed + 1,
        "tables.seeds": min(config.tables.seeds, default=0) + 1,
    }
    for name, value in positive.items():
        if value < 1:
            raise ConfigError(f"{name} is too small to train or measure with; raise it")
    not_negative = {
        "backbone.lr": config.backbone.lr,
        "embedder.lr": config.embedder.lr,
        "embedder.noise": config.embedder.noise,
        "manipulator.lr": config.manipulator.lr,
        "manipulator.discriminator_lr": config.manipulator.discriminator_lr,
        "manipulator.noise": config.manipulator.noise,
        "manipulator.noise_end": config.manipulator.noise_end,
    }
    for name, number in not_negative.items():
        if number < 0:
            raise ConfigError(f"{name} is {number}; expected 0 or more")
    if not getattr(config.data, "types", ["any"]):
        raise ConfigError("data.types is empty; name at least one attribute type")
    if not config.evaluation.ks or min(config.evaluation.ks) < 1:
        raise ConfigError(f"evaluation.ks is {config.evaluation.ks}; expected cut-offs from 1 up")
    if config.backbone.weights == "imagenet-package" and (
        config.backbone.model != "tf_efficientnet_lite0"
    ):
        raise ConfigError(
            f"backbone.weights=imagenet-package holds tf_efficientnet_lite0, but backbone.model is "
            f"{config.backbone.model!r}. Use that model, or other weights."
        )


def ablation(name: str) -> dict[str, Any]:
    """What ``conf/manipulator/<name>.yaml`` changes of the manipulator's settings."""
    changes = OmegaConf.to_container(OmegaConf.load(config_folder() / f"manipulator/{name}.yaml"))
    assert isinstance(changes, dict)
    return {str(key): value for key, value in changes.items() if key != "defaults"}


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
    config.folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "config.yaml": OmegaConf.to_yaml(OmegaConf.structured(config)),
        OVERRIDES: json.dumps(list(overrides)),
    }
    for name, text in texts.items():
        temporary = config.folder / f".{name}.new"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(config.folder / name)


OVERRIDES = "overrides.json"
"""The command-line settings that a run was trained with."""
