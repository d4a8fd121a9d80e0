"""From ``conf/`` and a command line to a checked ``Config``, and back to the run's folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from operator import attrgetter
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from flam_pl.atomic_io import write_text
from flam_pl.config.checks import check
from flam_pl.config.data import DataConfig
from flam_pl.config.methods import OVERRIDES
from flam_pl.config.overrides import check_choice, check_form, set_value
from flam_pl.config.root import SCHEMAS, Config, to_plain
from flam_pl.errors import ConfigError

SETTINGS = "config.yaml"
WRITTEN = "overrides.json"
"""The command line that a run was trained with."""

OF_ONE_CALL = {
    *("run", "runs_dir", "retrain", "report", "image", "edits", "k"),
    *("tables", "figures", "results"),
}
"""Settings that say nothing of a training; a saved run does not give them back."""

DATA_PATHS = ("root", "unlabelled", "images", "splits")
"""Settings of data sets that are paths. A saved run has them as absolute paths."""


def config_folder() -> Path:
    """``$FLAM_PL_CONF``, else ``conf/`` of the installed package, else that of the clone.

    Raises:
        ConfigError: none of them holds a config.yaml.
    """
    named, package = os.environ.get("FLAM_PL_CONF"), Path(str(files("flam_pl")))
    places = [Path(named)] if named else [package / "conf", package.parents[1] / "conf"]
    for place in places:
        if (place / "config.yaml").is_file():
            return place.resolve()
    raise ConfigError(
        f"no config.yaml in {' or '.join(map(str, places))}. Install the package again, or set "
        "FLAM_PL_CONF to the folder conf of the repository."
    )


def load_config(overrides: Sequence[str] = ()) -> Config:
    """Compose ``conf/`` with overrides such as ``data=fashion_products trainer.max_epochs=3``.

    Raises:
        ConfigError: an unknown key, group or value, named.
    """
    folder, chosen, values = config_folder(), {}, []
    groups = {path.name for path in folder.iterdir() if path.is_dir()}
    for override in overrides:
        check_form(override)
        key, _, text = override.partition("=")
        if key == "overrides":
            raise ConfigError("overrides is no setting: it holds the settings as they were written")
        if key in groups:
            names = sorted(path.stem for path in (folder / key).glob("*.yaml"))
            check_choice(key, text, [*names, *(["null"] if key == "experiment" else [])])
            chosen[key] = text
        else:
            values.append((key, text))
    config = _compose(folder, chosen, values)
    config.overrides = list(overrides)
    check(config)
    return config


def _compose(folder: Path, chosen: Mapping[str, str], values: Sequence[tuple[str, str]]) -> Config:
    """The files that are chosen by group, under single values."""
    store = ConfigStore.instance()
    for (group, name), node in SCHEMAS.items():
        store.store(group=group, name=name, node=node)
    try:
        with initialize_config_dir(str(folder), version_base="1.3"):
            composed = compose("config", overrides=[f"{k}={v}" for k, v in chosen.items()])
        for key, text in values:
            set_value(composed, key, text)
        config = OmegaConf.to_object(composed)
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"the settings cannot be used ({folder}): {reason}") from error
    assert isinstance(config, Config)
    return config


def method_config(config: Config, method: str) -> Config:
    """The settings of a method of a run: the method's files of ``conf/``, under the values of the
    command line.

    Args:
        config: of the run, as ``load_config`` made it.
    """
    chosen = OVERRIDES.get(method, ())
    groups = {_key(choice) for choice in chosen}
    return load_config([*chosen, *(o for o in config.overrides if _key(o) not in groups)])


def load_run_config(overrides: Sequence[str]) -> tuple[Config, bool]:
    """As ``load_config``, for a run that is there: it starts from the run's own settings.

    Returns:
        The settings, and whether their data set is the one that the run was trained on.

    Raises:
        ConfigError: no such run, or an unknown setting.
    """
    here = load_config(overrides)
    own = _saved_overrides(here.folder)
    given = {_key(override) for override in overrides}
    groups = {key for key in given if "." not in key}  # data=... replaces all of data.*
    kept = [o for o in own if _key(o) not in given and _key(o).split(".")[0] not in groups]
    place = [f"run={_as_text(here.name)}", f"runs_dir={_as_text(here.runs_dir)}"]
    others = [o for o in overrides if _key(o) not in ("run", "runs_dir")]
    config, trained_on = load_config([*kept, *others, *place]), load_config(own).data
    # other data would bring its own default backbone, but the run's is trained
    backbone = [o for o in overrides if _key(o).split(".")[0] == "backbone"]
    config.backbone = load_config([*own, *backbone]).backbone
    same = replace(config.data, workers=trained_on.workers)
    return config, to_plain(_absolute(same)) == to_plain(_absolute(trained_on))


def save_config(config: Config) -> None:
    """Leave the settings in the run's folder: all of them, and the command line to start from.

    Paths become absolute, and an expression such as ``${oc.env:HOME}`` becomes its value, so that
    the run opens from any working directory.
    """
    saved = replace(config, data=_absolute(config.data), runs_dir=os.path.abspath(config.runs_dir))
    paths = [f"data.{name}" for name in DATA_PATHS if getattr(saved.data, name, None)]
    written = [
        f"{_key(o)}={_as_text(attrgetter(_key(o))(config))}" if "${" in o else o
        for o in _of_training(config.overrides)
        if _key(o) not in paths
    ]
    written += [f"{key}={_as_text(attrgetter(key)(saved))}" for key in paths]
    write_text(config.folder / SETTINGS, OmegaConf.to_yaml(OmegaConf.structured(saved)))
    write_text(config.folder / WRITTEN, json.dumps(written))


def saved_settings(folder: Path) -> dict[str, Any]:
    """All settings of a saved run, as they stand in its file: no expression is evaluated."""
    found = OmegaConf.to_container(OmegaConf.load(folder / SETTINGS), resolve=False)
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}


def _saved_overrides(folder: Path) -> list[str]:
    """The command line that a run was trained with, without the settings of one call."""
    path = folder / WRITTEN
    if not path.is_file():
        raise ConfigError(
            f"there is no run at {folder}: {path} is missing. Train it first, or name another "
            "one with run="
        )
    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise ConfigError(f"{path} cannot be read ({error}); train the run again") from error
    if not isinstance(found, list) or not all(isinstance(o, str) for o in found):
        raise ConfigError(f"{path} is no list of texts; train the run again")
    own = _of_training(found)
    for override in own:
        if "${" in override:
            raise ConfigError(
                f"{path} holds {override!r}. An expression of a saved file is not evaluated: write "
                "its value there, or train the run again."
            )
    return own


def _of_training(overrides: Sequence[str]) -> list[str]:
    return [o for o in overrides if _key(o).split(".")[0] not in OF_ONE_CALL]


def _absolute(data: DataConfig) -> DataConfig:
    paths = {name: getattr(data, name, None) for name in DATA_PATHS}
    return replace(
        data, **{n: os.path.abspath(os.path.expanduser(p)) for n, p in paths.items() if p}
    )


def _key(override: str) -> str:
    return override.partition("=")[0]


def _as_text(value: Any) -> str:
    """A value as the text of a setting that reads it back."""
    return json.dumps(value) if value is None or not isinstance(value, str) else value
