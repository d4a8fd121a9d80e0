"""Filters over columns, in the language of Milvus."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from flam_pl.galleries.items import Range, Value, Where, either_form, wanted_values


def condition(where: Where | None) -> str:
    return " and ".join(f"({part(name, wanted)})" for name, wanted in (where or {}).items())


def key_of(id: str) -> str:
    return hashlib.sha256(id.encode()).hexdigest()


def plain(value: Value) -> Value:
    return int(value) if isinstance(value, bool) else value


def part(name: str, wanted: Value | Sequence[Value] | Range) -> str:
    """One condition in the language of Milvus.

    >>> part("color", ["red", None]), part("price", Range(most=5))
    ('columns["color"] == "red" or not exists columns["color"]', 'columns["price"] <= 5')
    """
    cell = f"columns[{json.dumps(name, ensure_ascii=False)}]"
    if isinstance(wanted, Range):
        least, most = wanted.least, wanted.most
        if least is None and most is None:
            least = -1e300
        ends = [f"{cell} >= {least}"] if least is not None else []
        return " and ".join(ends + ([f"{cell} <= {most}"] if most is not None else []))
    values = either_form(wanted_values(wanted))
    equal = [
        f"not exists {cell}"
        if value is None
        else f"{cell} == {json.dumps(plain(value), ensure_ascii=False)}"
        for value in values
    ]
    return " or ".join(equal) or 'key == ""'
