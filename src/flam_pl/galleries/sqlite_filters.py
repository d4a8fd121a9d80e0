"""Filters over columns, as SQL."""

from __future__ import annotations

import json
from collections.abc import Mapping

from flam_pl.galleries.items import (
    Range,
    Value,
    Where,
    check_where,
    either_form,
    wanted_values,
)


def condition(where: Where | None, columns: Mapping[str, int]) -> tuple[str, list[Value]]:
    """A WHERE clause (empty without conditions), and the values of its question marks.

    ``columns``: name -> number; the SQL column is ``c<number>``.

    >>> condition({"price": Range(most=9), "color": "red"}, {"color": 1, "price": 2})
    (" WHERE typeof(c2) IN ('integer', 'real') AND c2 <= ? AND c1 IS ?", [9, 'red'])
    """
    if not where:
        return "", []
    check_where(where, list(columns))
    parts: list[str] = []
    values: list[Value] = []
    for name, wanted in where.items():
        cell = f"c{columns[name]}"
        if isinstance(wanted, Range):
            parts.append(f"typeof({cell}) IN ('integer', 'real')")
            for sign, end in ((">=", wanted.least), ("<=", wanted.most)):
                if end is not None:
                    parts.append(f"{cell} {sign} ?")
                    values.append(end)
            continue
        either = either_form(wanted_values(wanted))
        if len(either) == 1:
            parts.append(f"{cell} IS ?")
            values += either
        else:
            null = f"{cell} IS NULL OR " if None in either else ""
            parts.append(f"({null}{cell} IN (SELECT value FROM json_each(?)))")
            values.append(json.dumps([each for each in either if each is not None]))
    return " WHERE " + " AND ".join(parts), values
