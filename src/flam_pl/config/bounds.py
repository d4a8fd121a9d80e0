"""Fields of settings, with the bounds of their values as metadata."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import field
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

T = TypeVar("T")

LIMITS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "least": (operator.ge, "{} or more"),
    "above": (operator.gt, "more than {}"),
    "most": (operator.le, "at most {}"),
    "below": (operator.lt, "less than {}"),
}
"""Name of a limit -> the comparison that a value must pass, and its words."""

KINDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"} | {
    Any: "a whole number or names in brackets, also by type: {color:[Red,Blue],shape:8}"
}


def number(default: T, **bounds: Any) -> T:
    """A number within bounds (see ``LIMITS``) or of ``choices``; ``loss=True``: a loss weight."""
    return field(default=default, metadata=bounds)


def numbers(*default: T, empty: bool = False, **bounds: Any) -> list[T]:
    return field(default_factory=lambda: list(default), metadata=bounds | {"empty": empty})


def one_of(*choices: str) -> str:
    """One of the texts, by default the first."""
    return field(default=choices[0], metadata={"choices": choices})


def some_of(*choices: T) -> list[T]:
    """Some of the values, by default all."""
    return numbers(*choices, choices=choices)


def within(value: Any, bounds: Mapping[str, Any]) -> bool:
    """Whether a value meets the bounds or the choices of its setting. Null meets all bounds."""
    if isinstance(value, list):
        return bool(value or bounds.get("empty", True)) and all(within(v, bounds) for v in value)
    limits = [(passes, bounds[name]) for name, (passes, _) in LIMITS.items() if name in bounds]
    if "choices" in bounds and (isinstance(value, str) or not limits):
        return value in bounds["choices"]
    if isinstance(value, float) and not math.isfinite(value):
        return False
    return value is None or all(passes(value, limit) for passes, limit in limits)


def expected(kind: Any, bounds: Mapping[str, Any]) -> str:
    """The allowed values in words.

    >>> expected(float | None, {"above": 0, "most": 1})
    'a number, more than 0 and at most 1, or null'
    """
    if get_origin(kind) is list:
        filled = "" if bounds.get("empty", True) else ", not empty"
        return f"a list in square brackets{filled}, each {expected(get_args(kind)[0], bounds)}"
    limits = " and ".join(text.format(bounds[n]) for n, (_, text) in LIMITS.items() if n in bounds)
    choices = bounds.get("choices", ())
    words = ["one of " * (len(choices) > 1) + ", ".join(map(str, choices))] if choices else []
    for each in get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,):
        if each in (int, float) and limits:
            words.append(f"{KINDS[each]}, {limits}")
        elif each is NoneType or not choices:
            words.append("null" if each is NoneType else KINDS.get(each, "a value"))
    return ", or ".join(words)
