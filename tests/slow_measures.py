"""What is measured of edited searches, counted one result at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from flam_pl.editing.edits import Edit
from flam_pl.evaluation.searches import EvaluationSet


def every_edit(data: EvaluationSet) -> Iterator[tuple[int, int, int, int]]:
    """Number and position of the query, type and class: all edits that a photo answers."""
    have = {tuple(row) for row in data.labels.tolist()}
    for number, row in enumerate(data.queries.tolist()):
        for t, size in enumerate(data.schema.sizes):
            for c in range(size):
                wanted = data.labels[row].tolist()
                wanted[t] = c
                if c != data.labels[row, t] and tuple(wanted) in have:
                    yield number, row, t, c


def wish_of(data: EvaluationSet, t: int, c: int, strength: float = 1.0) -> Edit:
    """For class ``c`` of type ``t``."""
    name = data.schema.types[t]
    return Edit(name, data.schema.of(name)[c], strength)


def gain_of(data: EvaluationSet, result: int, row: int, t: int, c: int) -> float:
    """What a result is worth to a query."""
    if data.labels[result, t] != c:
        return 0.0
    others = [other for other in range(len(data.schema.types)) if other != t]
    kept = sum(int(data.labels[result, o] == data.labels[row, o]) for o in others)
    return 4.0**kept / 4.0 ** len(others)


def discounted(gains: Sequence[float], k: int) -> float:
    """Sum over the first k of gain / log2(rank + 1)."""
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains[:k], start=1))


def worth_at(data: EvaluationSet, found: Sequence[int], row: int, t: int, c: int, k: int) -> float:
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
    """Share of the first k that have all of the query's own classes."""
    first = found[:k]
    return sum(int((data.labels[p] == data.labels[row]).all()) for p in first) / len(first)


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
