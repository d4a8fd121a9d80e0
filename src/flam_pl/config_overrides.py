"""Settings of a command line whose declared type is text reach the config as they were written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import get_type_hints


def with_quoted_texts(
    overrides: Sequence[str], schemas: Iterable[tuple[str | None, type]]
) -> list[str]:
    """The overrides with the values of text settings in quotes.

    Hydra reads a bare ``2024_11_24`` as the number 20241124, ``1e3`` as 1000.0 and ``[0,1]`` as a
    list, and refuses a path with a bracket in it. In quotes a value is what it says. ``null``, an
    empty value and one that is quoted already stay as they are.

    Args:
        overrides: ``key=value`` each.
        schemas: config group (None is the root) and a dataclass of it; a group may have several.
    """
    texts = {
        f"{group}.{name}" if group else name
        for group, schema in schemas
        for name, kind in get_type_hints(schema).items()
        if kind in (str, str | None)
    }
    split = (override.partition("=") for override in overrides)
    return [f"{key}={_quoted(v)}" if key in texts else f"{key}={v}" for key, _, v in split]


def _quoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    if quoted or value in ("", "null"):
        return value
    # Hydra's rule: backslashes count double before a quote, and only there
    escaped = re.sub(r"(\\*)('|$)", lambda end: end[1] * 2 + ("\\'" if end[2] else ""), value)
    return f"'{escaped}'"
