"""Settings of the serving commands: ``key=value`` words, typed by the fields of a dataclass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from flam_pl.attributes import did_you_mean
from flam_pl.errors import ConfigError

Settings = TypeVar("Settings")
YES, NO = ("true", "yes", "1", "on"), ("false", "no", "0", "off")


@dataclass(frozen=True)
class Export:
    """Settings of ``export`` beside those of the run."""

    bundle: str | None = None
    onnx: bool = False


def read_settings(words: Sequence[str], kind: type[Settings], command: str) -> Settings:
    """The settings of a command. ``[a,b]`` or ``a,b`` is a list.

    Raises ConfigError for an unknown or missing key, and for a value of another type.

    >>> from dataclasses import make_dataclass
    >>> read_settings(["k=3"], make_dataclass("Made", [("k", int)]), "made").k
    3
    """
    known: dict[str, Field[Any]] = {each.name: each for each in fields(kind)}  # type: ignore[arg-type]
    hints, found = get_type_hints(kind), dict[str, Any]()
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in known:
            raise ConfigError(
                f"{command} has no setting {word!r}{did_you_mean(name, known)}; its settings are "
                f"{', '.join(f'{other}=' for other in known)}"
            )
        found[name] = typed(hints[name], value, f"{command}: {name}")
    for name, each in known.items():
        needed = each.default is MISSING and each.default_factory is MISSING
        if name not in found and needed:
            raise ConfigError(
                f"{command}: {name}= is missing. flam-pl {command} --help explains it"
            )
    return kind(**found)


def typed(kind: Any, value: str, where: str) -> Any:
    if get_origin(kind) is tuple:
        parts = value.removeprefix("[").removesuffix("]").split(",")
        return tuple(part.strip() for part in parts if part.strip())
    options = [each for each in get_args(kind) if each is not type(None)]
    kind = options[0] if options else kind
    if kind is bool:
        if value.lower() in (*YES, *NO):
            return value.lower() in YES
    elif kind is str:
        return value
    else:
        try:
            return kind(value)
        except ValueError:
            pass
    expected = "true or false" if kind is bool else kind.__name__
    raise ConfigError(f"{where} is {value!r}; expected {expected}")
