"""A gallery as a list, written as plainly as possible: the oracle of the stored galleries."""

from __future__ import annotations

from typing import Any

import numpy as np

from flam_pl.galleries.stored import Item, Range, Value, Where

DIMENSION = 24


class SlowGallery:
    def __init__(self) -> None:
        self.items: dict[str, Item] = {}

    def add(self, items: list[Item]) -> None:
        for item in items:
            self.items[item.id] = item  # a dictionary keeps the place of a known key

    def delete(self, ids: list[str]) -> int:
        return sum(self.items.pop(id, None) is not None for id in ids)

    def passing(self, where: Where | None = None) -> list[Item]:
        conditions = (where or {}).items()
        return [
            item
            for item in self.items.values()
            if all(holds(item.columns.get(name), wanted) for name, wanted in conditions)
        ]

    def ids(self, where: Where | None = None) -> list[str]:
        return [item.id for item in self.passing(where)]

    def search(
        self, query: np.ndarray, k: int, where: Where | None = None, distinct: bool = False
    ) -> list[tuple[str, float]]:
        found = [(float(query @ i.vector.astype(np.float32)), i) for i in self.passing(where)]
        found.sort(key=lambda pair: -pair[0])
        seen: list[Item] = []
        best = []
        for score, item in found:
            if not distinct or not any(same(item, other) for other in seen):
                seen.append(item)
                best.append((item.id, score))
        return best[:k]


def same(one: Item, other: Item) -> bool:
    item = one.columns.get("item")
    return one.hash == other.hash or (item is not None and item == other.columns.get("item"))


def holds(value: Value, wanted: Any) -> bool:
    if isinstance(wanted, Range):
        if value is None or isinstance(value, str):
            return False
        least = -np.inf if wanted.least is None else wanted.least
        most = np.inf if wanted.most is None else wanted.most
        return bool(least <= value <= most)
    among = wanted if isinstance(wanted, list) else [wanted]
    return as_number(value) in [as_number(each) for each in among]


def as_number(value: Value) -> Value:
    """The text of a number is that number, unless it is a code such as 007."""
    is_code = not isinstance(value, str) or value[:1] == "0" != value
    try:
        return value if is_code else float(value)  # type: ignore[arg-type]
    except ValueError:
        return value


def made_items(count: int, seed: int = 0, start: int = 0) -> list[Item]:
    """Photos with a unit feature, eight log-posteriors and columns.

    Every third one is there twice; every seventh shows an item, which up to three photos show.
    """
    rng = np.random.default_rng(seed)
    items = []
    for number in range(start, start + count):
        feature = rng.standard_normal(DIMENSION - 8)
        posteriors = rng.dirichlet(np.full(8, 0.3))
        tail = np.log(np.maximum(posteriors, 1e-3))
        vector = np.concatenate([feature / np.linalg.norm(feature), tail]).astype(np.float16)
        columns: dict[str, Value] = {"color": ["red", "blue", 'it\'s "old"'][number % 3]}
        if number % 4:
            columns["price"] = number if number % 2 else number + 0.5
        if number % 5 == 0:
            columns["size"] = "M" if number % 2 else 38
        if number % 7 == 0:
            columns["item"] = number // 21
        hash = f"hash of {number - 1 if number % 3 == 2 else number}"
        items.append(
            Item(f"photo {number}", f"/p/{number}.jpg", columns, hash, vector, 1.5, f"{number}")
        )
    return items


def made_queries(count: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((count, DIMENSION - 8))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    tails = 0.15 * rng.dirichlet(np.full(8, 0.3), count)
    tails[np.arange(count), rng.integers(0, 8, count)] += 0.3
    return np.concatenate([features, tails], axis=1).astype(np.float32)
