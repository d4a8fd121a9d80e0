"""Checks settings: each against the bounds in its schema, and those that must fit each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

from flam_pl.config.bounds import expected, within
from flam_pl.config.methods import OWN_EMBEDDERS
from flam_pl.config.pooling import combined_descriptors, require_whitening
from flam_pl.config.root import Config
from flam_pl.errors import ConfigError


def check(config: Config) -> None:
    """Refuse a value outside its bounds, and settings that contradict each other.

    Raises:
        ConfigError: naming the settings.
    """
    for key, value, kind, bounds in _settings(config):
        if not within(value, bounds):
            raise ConfigError(f"{key} is {value!r}; expected {expected(kind, bounds)}")
    if not getattr(config.data, "types", ["any"]):
        raise ConfigError("data.types is empty; name at least one attribute type")
    _check_weights(config)
    _check_backbone(config)
    softmax = config.embedder.loss == "softmax" or {*config.methods} & {*OWN_EMBEDDERS}
    if config.embedder.self_training and not softmax:
        raise ConfigError(
            f"embedder.self_training is {config.embedder.self_training}, but nothing is trained "
            "that can use it: it needs the probabilities of embedder.loss=softmax. Add "
            "methods=[flam_plus]."
        )


def _settings(config: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any, Any]]:
    """Key, value, type and bounds of every setting."""
    kinds = get_type_hints(type(config))
    for each in fields(config):
        key, value = prefix + each.name, getattr(config, each.name)
        if is_dataclass(value):
            yield from _settings(value, f"{key}.")
        else:
            yield key, value, kinds[each.name], each.metadata


def _check_weights(config: Config) -> None:
    for stage in ("backbone", "manipulator"):
        settings = getattr(config, stage)
        names = [f.name for f in fields(settings) if f.metadata.get("loss")]
        if not any(getattr(settings, name) for name in names):
            keys = ", ".join(f"{stage}.{name}" for name in names)
            raise ConfigError(f"{keys} are all 0: the {stage} has no loss; expected one above 0")


def _check_backbone(config: Config) -> None:
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
