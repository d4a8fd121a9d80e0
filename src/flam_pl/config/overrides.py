"""Settings of a command line, ``key=value`` each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_type_hints

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from flam_pl.config.bounds import expected
from flam_pl.config.data import DATA_SCHEMAS
from flam_pl.config.root import settings_of
from flam_pl.errors import ConfigError

LISTING = "all settings: python -m flam_pl config"

QUOTED = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\""""
ELEMENT = re.compile(rf"\s*({QUOTED}|[^,]+?)\s*(?:,|$)")
"""One element of a list: in quotes, or up to the next comma."""
PAIR = re.compile(rf"\s*({QUOTED}|[^,:\[\]]+?)\s*:\s*(\[[^\[\]]*\]|[^,\[\]]+)\s*(?:,|$)")
"""The classes of a type: ``color:[Red,Blue]`` or ``shape:8``."""
CLASSES = re.compile(rf"(?:{PAIR.pattern})+")


def divided(
    overrides: Iterable[str], groups: Mapping[str, Sequence[str]]
) -> tuple[dict[str, str], dict[str, str]]:
    """Config group -> chosen file, and key -> text of single settings; the last of equal keys wins.
    Raises ConfigError for an unknown file or anything but ``key=value``."""
    chosen, values = dict[str, str](), dict[str, str]()
    for override in overrides:
        key, equals, text = override.partition("=")
        if any("\ud800" <= sign <= "\udfff" for sign in override):  # bytes of a file name
            raise ConfigError(f"{key} is {text!a}; expected text in UTF-8. Rename the file.")
        if override.startswith(("+", "~")):
            right = f"only settings that exist can be changed. Write {override.lstrip('+~')!r}"
            raise ConfigError(f"{override!r} would add or remove a setting; {right} ({LISTING})")
        if not equals:
            raise ConfigError(f"{override!r} is not a setting; expected key=value")
        if key == "overrides":
            raise ConfigError("overrides is no setting: it holds the settings as they were written")
        known = groups.get(key, [text])
        if text not in known:
            near = "".join(f" (did you mean {n}?)" for n in get_close_matches(text, known, 1))
            raise ConfigError(f"{key} is {text!r}{near}; expected one of {', '.join(known)}")
        (chosen if key in groups else values)[key] = text
    return chosen, values


def set_values(config: DictConfig, values: Mapping[str, str]) -> None:
    """Set each setting to the value of its text; raises ConfigError for an unknown key or wrong
    value.

    A text setting takes its text as written: ``2024_11_24`` is no number, a path may hold brackets.
    Only ``null`` is null.
    """
    known = settings_of(OmegaConf.get_type(config.data) or type(None))
    for key, text in values.items():
        if key not in known:
            raise ConfigError(_unknown(key, list(known), config.data.name))
        kind, bounds = known[key]
        try:
            OmegaConf.update(config, key, _read(kind, text), merge=False)
            value = OmegaConf.select(config, key, throw_on_missing=True)  # evaluates ${...}
            if OmegaConf.is_config(value):
                OmegaConf.to_container(value, resolve=True)
        except (HydraException, OmegaConfBaseException) as error:
            wanted = expected(kind, bounds)
            if "${" in text:
                wanted += r"; ${...} names another setting, and \${...} is that text"
            raise ConfigError(f"{key} is {text!r}; expected {wanted}") from error


def _unknown(key: str, known: list[str], data: str) -> str:
    section, _, name = key.rpartition(".")
    if section == "data" and any(name in get_type_hints(of) for of in DATA_SCHEMAS.values()):
        return f"{key} is no setting of data={data}, but of another data set"
    beside = {k.rpartition(".")[2]: k for k in known if k.rpartition(".")[0] == section}
    likely = (
        [beside[other] for other in get_close_matches(name, beside, 1)]
        or get_close_matches(key, known, 1, 0.9)
        or [k for k in known if k.rpartition(".")[2] == name or k.startswith(f"{key}.")]
    )
    guess = f"; did you mean {' or '.join(likely)}?" if likely else ""
    return f"{key} is no setting{guess} ({LISTING})"


def _read(kind: Any, text: str) -> Any:
    if kind in (str, str | None):
        return None if text == "null" else _unquoted(text)
    if kind in (list[str], Any) and text[:1] + text[-1:] == "[]":
        return [_unquoted(element) for element in ELEMENT.findall(text[1:-1]) if element.strip()]
    if kind is Any and text[:1] + text[-1:] == "{}" and CLASSES.fullmatch(text[1:-1]):
        return {_unquoted(key): _read(Any, value) for key, value in PAIR.findall(text[1:-1])}
    return _parse(text)


def _unquoted(text: str) -> Any:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return _parse(text) if quoted else text


def _parse(text: str) -> Any:
    """Read a value by Hydra's grammar; a sweep such as ``1,2`` stays text."""
    override = OverridesParser.create().parse_override(f"value={text}")
    return text if override.is_sweep_override() else override.value()
