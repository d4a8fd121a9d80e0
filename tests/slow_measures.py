"""What is measured of edited searches, counted one photo, one type and one result at a time.

Labels may be missing (-1). Every function here says in a loop what ``EvaluationSet`` says in words.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from flam_pl.editing.edits import Edit
from flam_pl.evaluation.searches import EvaluationSet


def is_hit(data: EvaluationSet, photo: int, wanted: Sequence[int]) -> bool:
    """Whether a photo has every label that is wanted."""
    have = data.labels[photo].tolist()
    return all(w == -1 or w == h for w, h in zip(wanted, have, strict=True))


def wanted_by(data: EvaluationSet, row: int, *changes: tuple[int, int]) -> list[int]:
    """The labels of a query after edits (type, class)."""
    wanted = data.labels[row].tolist()
    for t, c in changes:
        wanted[t] = c
    return wanted


def may_change(data: EvaluationSet, row: int, types: Sequence[int]) -> bool:
    """Whether a query has labels of these types and something else to preserve, if there can be."""
    own = data.labels[row].tolist()
    others = [t for t in range(len(own)) if t not in types]
    known = [t for t in others if own[t] >= 0]
    return all(own[t] >= 0 for t in types) and (len(known) > 0 or len(others) == 0)


def every_edit(data: EvaluationSet) -> Iterator[tuple[int, int, int, int]]:
    """Number and position of the query, type and class: all edits that have a hit."""
    for number, row in enumerate(data.queries.tolist()):
        for t, size in enumerate(data.schema.sizes):
            for c in range(size):
                if not may_change(data, row, [t]) or data.labels[row, t] == c:
                    continue
                wanted = wanted_by(data, row, (t, c))
                if any(is_hit(data, p, wanted) for p in range(len(data.labels))):
                    yield number, row, t, c


def edit_of(data: EvaluationSet, t: int, c: int, strength: float = 1.0) -> Edit:
    """For class ``c`` of type ``t``."""
    name = data.schema.types[t]
    return Edit(name, data.schema.of(name)[c], strength)


def gain_of(data: EvaluationSet, result: int, row: int, t: int, c: int) -> float:
    """The utility of a result for a query."""
    if data.labels[result, t] != c:
        return 0.0
    others = [other for other in range(len(data.schema.types)) if other != t]
    return 4.0 ** sum(
        int(data.labels[row, o] >= 0 and data.labels[result, o] == data.labels[row, o])
        for o in others
    )


def discounted(gains: Sequence[float], k: int) -> float:
    """Sum over the first k of gain / log2(rank + 1)."""
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains[:k], start=1))


def utility_at(
    data: EvaluationSet, found: Sequence[int], row: int, t: int, c: int, k: int
) -> float:
    """Of some results, divided by that of the best order of all other photos, by sorting them."""
    best = sorted(
        (gain_of(data, p, row, t, c) for p in range(len(data.labels)) if p != row), reverse=True
    )
    return discounted([gain_of(data, p, row, t, c) for p in found], k) / discounted(best, k)


def precision_at(data: EvaluationSet, found: Sequence[int], t: int, c: int, k: int) -> float:
    """Share of the first k that have the wanted class."""
    first = found[:k]
    return sum(int(data.labels[p, t] == c) for p in first) / len(first)


def as_it_was_at(data: EvaluationSet, found: Sequence[int], row: int, k: int) -> float:
    """Share of the first k that have all of the query's own labels."""
    first = found[:k]
    return sum(int(is_hit(data, p, data.labels[row].tolist())) for p in first) / len(first)


def interval_by_item(
    sums: Sequence[float], counts: Sequence[float], items: Sequence[int], resamples: int, seed: int
) -> tuple[float, float]:
    """95 % interval of a share over queries, whole items being drawn, with all their queries."""
    codes = sorted(set(items))
    of_item = {code: [n for n, item in enumerate(items) if item == code] for code in codes}
    even = np.full(len(codes), 1 / len(codes))
    shares = []
    for times in np.random.default_rng(seed).multinomial(len(codes), even, size=resamples):
        drawn = [q for n, code in zip(times, codes, strict=True) for q in n * of_item[code]]
        if below := sum(counts[q] for q in drawn):
            shares.append(sum(sums[q] for q in drawn) / below)
    low, high = np.quantile(shares, [0.025, 0.975])
    return float(low), float(high)
