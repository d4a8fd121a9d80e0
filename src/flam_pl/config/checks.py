"""Checks of settings, each alone and together."""

from __future__ import annotations

from operator import attrgetter

from flam_pl.config.bounds import expected, within
from flam_pl.config.pooling import combined_descriptors, require_whitening
from flam_pl.config.root import Config, settings_of
from flam_pl.errors import ConfigError, not_a_name


def check(config: Config) -> None:
    """Raise ConfigError for a value outside its bounds or for contradictions."""
    loss_weights: dict[str, dict[str, float]] = {}
    for key, (kind, bounds) in settings_of(type(config.data)).items():
        value = attrgetter(key)(config)
        if not within(value, bounds):
            raise ConfigError(f"{key} is {value!r}; expected {expected(kind, bounds)}")
        if isinstance(value, str) and "\0" in value:
            raise ConfigError(f"{key} is {value!r}; expected a text without the character NUL")
        if "loss" in bounds:
            loss_weights.setdefault(key.split(".")[0], {})[key] = value
    for key in ("run", "report", "data.name"):
        name = attrgetter(key)(config)
        if name is not None and (wrong := not_a_name(name)):
            raise ConfigError(f"{key} is {name!r}: {wrong}. Expected a name, not a path.")
    for stage, weights in loss_weights.items():
        if not any(weights.values()):
            raise ConfigError(f"{', '.join(weights)} are all 0: the {stage} would learn nothing")
    backbone = config.backbone
    require_whitening(backbone.pooling, backbone.whitening)
    combined = combined_descriptors(backbone.pooling, backbone.feature_dim)
    if combined and backbone.whitening is not None:
        pooling = f"backbone.pooling={backbone.pooling}, which projects each of its descriptors"
        raise ConfigError(f"backbone.whitening does not go with {pooling}; set it to null")
    if backbone.weights == "imagenet-package" and backbone.model != "tf_efficientnet_lite0":
        holds = "backbone.weights=imagenet-package holds tf_efficientnet_lite0"
        raise ConfigError(f"{holds}: set backbone.model to it (now {backbone.model!r})")
