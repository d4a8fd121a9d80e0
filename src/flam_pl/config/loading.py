"""From ``conf/`` and a command line to a checked ``Config``, and back to the run's folder."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from flam_pl.atomic_io import write_text
from flam_pl.config.checks import check
from flam_pl.config.overrides import with_quoted_texts
from flam_pl.config.root import SCHEMAS, Config, to_plain
from flam_pl.errors import ConfigError

WRITTEN = "overrides.json"
"""The command-line settings that a run was trained with."""


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
        if override.split("=")[0] == "overrides":
            raise ConfigError("overrides is no setting: it holds the settings as they were written")
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
    config.overrides = list(overrides)
    check(config)
    return config


def method_config(config: Config, chosen: Sequence[str]) -> Config:
    """Settings of a method of a run. A value that the user wrote wins over those of the method.

    Args:
        config: of the run, as ``load_config`` made it.
        chosen: config groups of the method, e.g. ``["manipulator=tirg"]``.
    """
    groups = {choice.split("=")[0] for choice in chosen}
    kept = [o for o in config.overrides if o.split("=")[0] not in groups]
    return load_config([*chosen, *kept])


def load_run_config(overrides: Sequence[str]) -> tuple[Config, bool]:
    """As ``load_config``, for a run that is there: it starts from the run's own settings.

    Returns:
        The settings, and whether their data set is the one that the run was trained on.

    Raises:
        ConfigError: no such run, or an unknown setting.
    """
    folder = load_config(overrides).folder
    path = folder / WRITTEN
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


def save_config(config: Config) -> None:
    """Leave the settings in the run's folder, to be read (config.yaml) and to start from."""
    write_text(config.folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.structured(config)))
    write_text(config.folder / WRITTEN, json.dumps(config.overrides))
