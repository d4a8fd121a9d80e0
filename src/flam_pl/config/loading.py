"""``conf/`` and a command line -> a checked ``Config`` -> the run's folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from operator import attrgetter
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from flam_pl.atomic_io import write_text
from flam_pl.config.bounds import expected, within
from flam_pl.config.data import DATA_SCHEMAS, DataConfig
from flam_pl.config.overrides import divided, set_values
from flam_pl.config.pooling import combined_descriptors, require_whitening
from flam_pl.config.root import Config, settings_of, to_plain
from flam_pl.errors import ConfigError, FlamError, not_a_name

OF_FOLDER = ("run", "runs_dir", "data")  # settings that name a run's folder
FIXED = ("seed", "backbone", "embedder", "manipulator", "concat", "scoring")  # of a trained run
SETTINGS, SPLIT = "config.yaml", "split.csv"  # files of a saved run
SPLIT_HASH = "split_sha256"  # key of SETTINGS with the SHA-256 of SPLIT
EXPRESSION = re.compile(r"\$\\*\{")  # ``${``, also as ``$\{``, from which Hydra takes the backslash
LITERAL = re.compile(r"(?<!\\)\\\$\{")  # ``\${``: a dollar sign and a brace, no expression
OF_TRAINING = {
    *("seed", "experiment", "data", "backbone", "embedder", "manipulator", "methods", "concat"),
    *("scoring", "evaluation", "trainer"),
}
"""Keys that are read back from a saved run. The run may be somebody else's: it sets no name, no
output folder and no upload."""
DATA_PATHS = ("root", "unlabelled", "images", "splits")
"""Settings of data sets that are paths; a saved run stores absolute ones."""


def config_folder() -> Path:
    """``$FLAM_PL_CONF``, else ``conf/`` of the installed package, else that of the clone."""
    named, package = os.environ.get("FLAM_PL_CONF"), Path(str(files("flam_pl")))
    places = [Path(named)] if named else [package / "conf", package.parents[1] / "conf"]
    for place in places:
        if (place / "config.yaml").is_file():
            return place.resolve()
    remedy = "Install the package again, or set FLAM_PL_CONF to the folder conf of the repository."
    raise ConfigError(f"no config.yaml in {' or '.join(map(str, places))}. {remedy}")


def load_config(overrides: Sequence[str] = ()) -> Config:
    """Compose ``conf/`` with overrides such as ``data=table trainer.max_epochs=3``. Raises
    ConfigError for an unknown key, group or value."""
    folder = config_folder()
    of_group = (group for group in folder.iterdir() if group.is_dir())
    groups = {group.name: sorted(file.stem for file in group.glob("*.yaml")) for group in of_group}
    groups["experiment"] = [*groups.get("experiment", []), "null"]
    config = _compose(folder, *divided(overrides, groups))
    config.overrides = list(overrides)
    check(config)
    return config


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


def _compose(folder: Path, chosen: Mapping[str, str], values: Mapping[str, str]) -> Config:
    store = ConfigStore.instance()
    store.store(name="schema", node=Config)
    for name, schema in DATA_SCHEMAS.items():
        store.store(group="data", name=f"schema_{name}", node=schema)
    try:
        with initialize_config_dir(str(folder), version_base="1.3"):
            composed = compose("config", overrides=_joined(chosen))
        set_values(composed, values)
        config = OmegaConf.to_object(composed)
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"the settings cannot be used ({folder}): {reason}") from error
    assert isinstance(config, Config)
    return config


def method_config(config: Config, chosen: Sequence[str]) -> Config:
    """A run's settings with a method's groups, e.g. ``["manipulator=tirg"]``; single values of the
    user win."""
    return load_config(_joined(_pairs(config.overrides) | _pairs(chosen)))


def load_run_config(overrides: Sequence[str]) -> tuple[Config, bool]:
    """Settings of a saved run with overrides, and whether its own data set is used. Raises
    ConfigError for an unknown run or setting, or another value of a training's setting."""
    given = _pairs(overrides)  # settings of the run's own data set are checked below
    here = load_config(_joined({key: text for key, text in given.items() if key in OF_FOLDER}))
    own, trained = _saved_overrides(here.folder), trained_config(here.folder)
    # data=... replaces all of data.*
    still = {key: text for key, text in own.items() if _group(key) not in given}
    config = load_config(_joined(still | given | {"run": here.name, "runs_dir": here.runs_dir}))
    # other data would bring its own default backbone, but the run's is trained
    backbone = {key: text for key, text in given.items() if _group(key) == "backbone"}
    config.backbone = load_config(_joined(own | backbone)).backbone
    for key in (key for key in given if key != "backbone.extract_batch"):
        group = "manipulator" if key == "experiment" else _group(key)
        if group in FIXED and getattr(config, group) != getattr(trained, group):
            raise ConfigError(
                f"{key} is a setting of the training, and the run {here.folder} was trained with "
                "another value. Give it to train-flam, which trains only what it changes."
            )
    same = replace(config.data, workers=trained.data.workers)
    return config, to_plain(_absolute(same)) == to_plain(trained.data)


def trained_config(folder: Path) -> Config:
    """The settings that a run was trained with; paths are absolute. Raises ConfigError for an
    unknown run or an unusable file."""
    own = _joined(_saved_overrides(folder))
    try:
        config = load_config(own)
    except FlamError as error:
        wrong = f"{folder / SETTINGS} holds settings that cannot be used: {error}"
        remedy = "Correct its line below 'overrides', or train the run again."
        raise ConfigError(f"{wrong} {remedy}") from error
    return replace(config, data=_absolute(config.data))


def save_config(config: Config) -> None:
    """Write the settings to the run's folder: paths absolute, ``${...}`` evaluated."""
    saved = replace(config, data=_absolute(config.data), runs_dir=os.path.abspath(config.runs_dir))
    paths = [f"data.{name}" for name in DATA_PATHS if getattr(saved.data, name, None)]
    own = _of_training(config.overrides)
    for key in [*paths, *(key for key, text in own.items() if "${" in text)]:
        value = attrgetter(key)(saved)
        text = value if isinstance(value, str) else json.dumps(value)
        own[key] = text.replace("${", r"\${")
    saved.overrides = _joined(own)
    text, split = OmegaConf.to_yaml(OmegaConf.structured(saved)), config.folder / SPLIT
    if split.is_file():
        text += f"{SPLIT_HASH}: {hashlib.sha256(split.read_bytes()).hexdigest()}\n"
    write_text(config.folder / SETTINGS, text)


def saved_settings(folder: Path) -> dict[str, Any]:
    """The settings in a saved run's file, without evaluating ``${...}``. Raises ConfigError for an
    unknown run or an unreadable file."""
    path = folder / SETTINGS
    if not path.is_file():
        remedy = "Train it first, or name another one with run="
        raise ConfigError(f"there is no run at {folder}: {path} is missing. {remedy}")
    try:
        found = yaml.safe_load(path.read_bytes())
        own = found.get("overrides") if isinstance(found, dict) else None
        if not isinstance(own, list) or not all(isinstance(s, str) and "=" in s for s in own):
            raise ValueError("it holds no settings of a run, expected key=value below 'overrides'")
    except (YAMLError, OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path} cannot be read ({reason}); train the run again") from error
    return {str(key): value for key, value in found.items()}


def _saved_overrides(folder: Path) -> dict[str, str]:
    own = _of_training(saved_settings(folder)["overrides"])
    for key, text in own.items():
        if EXPRESSION.search(LITERAL.sub("", text)):
            remedy = "write its value there, or train the run again"
            holds = f"{folder / SETTINGS} holds {key}={text}, an expression"
            raise ConfigError(f"{holds}. Those of a saved file are not evaluated: {remedy}.")
    return own


def _absolute(data: DataConfig) -> DataConfig:
    paths = {name: getattr(data, name, None) for name in DATA_PATHS}
    absolute: Any = {n: os.path.abspath(os.path.expanduser(p)) for n, p in paths.items() if p}
    return replace(data, **absolute)


def _of_training(overrides: Iterable[str]) -> dict[str, str]:
    return {key: t for key, t in _pairs(overrides).items() if _group(key) in OF_TRAINING}


def _group(key: str) -> str:
    return key.split(".")[0]


def _pairs(overrides: Iterable[str]) -> dict[str, str]:
    return {key: text for key, _, text in (override.partition("=") for override in overrides)}


def _joined(pairs: Mapping[str, str]) -> list[str]:
    return [f"{key}={text}" for key, text in pairs.items()]
