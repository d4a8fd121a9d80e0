"""Settings of a command line whose declared type is text reach the config as they were written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import get_type_hints


def with_quoted_texts(
    overrides: Sequence[str], schemas: Iterable[tuple[str | None, type]]
) -> list[str]:
    """The overrides with the values of text settings, and of each text in a list, in quotes.

    Hydra reads a bare ``2024_11_24`` as the number 20241124, ``1e3`` as 1000.0 and ``[0,1]`` as a
    list, and refuses a path with a bracket in it. In quotes a value is what it says. ``null``, an
    empty value and one that is quoted already stay as they are. In a list a text ends at a comma;
    one that has a comma must be quoted.

    Args:
        overrides: ``key=value`` each.
        schemas: config group (None is the root) and a dataclass of it; a group may have several.
    """
    kinds = {
        f"{group}.{name}" if group else name: kind
        for group, schema in schemas
        for name, kind in get_type_hints(schema).items()
    }
    split = (override.partition("=") for override in overrides)
    return [f"{key}={_as_kind(kinds.get(key), value)}" for key, _, value in split]


def _as_kind(kind: object, value: str) -> str:
    if kind in (str, str | None):
        return _quoted(value)
    if kind == list[str] and re.fullmatch(r"\[[^\[\]]*\]", value):
        texts = (element.strip() for element in ELEMENT.findall(value[1:-1]))
        return f"[{','.join(_quoted(text) for text in texts if text)}]"
    return value


ELEMENT = re.compile(r"""\s*(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^,]+)\s*(?=,|$)""")
"""One text of a list: in quotes, or up to the next comma."""


def _quoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    if quoted or value in ("", "null"):
        return value
    # Hydra's rule: backslashes count double before a quote, and only there
    escaped = re.sub(r"(\\*)('|$)", lambda end: end[1] * 2 + ("\\'" if end[2] else ""), value)
    return f"'{escaped}'"
