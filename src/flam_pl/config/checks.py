"""What the schemas alone cannot say of settings: ranges, words, and what must fit each other."""

from __future__ import annotations

from operator import attrgetter

from flam_pl.config.figures import check_figures
from flam_pl.config.pooling import combined_descriptors, require_whitening
from flam_pl.config.results import check_results
from flam_pl.config.root import Config
from flam_pl.config.tables import PAPER_TABLES
from flam_pl.errors import ConfigError

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
    "backbone.levels": 1,
    "backbone.levels_weight": 0,
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
    "manipulator.teacher_target": 0,
    "manipulator.teacher_others": 0,
    "manipulator.teacher_moved": 0,
    "scoring.target": 0,
    "scoring.others": 0,
    "scoring.moved": 0,
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
        "embedder.loss": (config.embedder.loss, ("triplet", "softmax")),
        "backbone.dtype": (config.backbone.dtype, ("float16", "float32")),
        "trainer.precision": (config.trainer.precision, ("32-true", "bf16-mixed", "16-mixed")),
        "logger.wandb": (config.logger.wandb, ("auto", "online", "offline", "off")),
    }
    for name, (got, known) in words.items():
        if got not in known:
            raise ConfigError(f"{name} is {got!r}; expected one of {', '.join(known)}")
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
    if not 0 < config.backbone.levels_window <= 1:
        raise ConfigError(
            f"backbone.levels_window is {config.backbone.levels_window}; expected a share of a "
            "side, above 0 and up to 1"
        )
    if config.backbone.temperature <= 0:
        raise ConfigError(
            f"backbone.temperature is {config.backbone.temperature}; expected a number above 0"
        )
    if not config.evaluation.ks or min(config.evaluation.ks) < 1:
        raise ConfigError(f"evaluation.ks is {config.evaluation.ks}; expected cut-offs from 1 up")


def _check_pairs(config: Config) -> None:
    backbone = config.backbone
    require_whitening(backbone.pooling, backbone.whitening)
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
