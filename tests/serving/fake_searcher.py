"""A small searcher of drawn photos, with NumPy alone: it sees colour and stripes, and edits them.

It answers as the real one does, so that the service can be tested without a trained bundle.
"""

from __future__ import annotations

import hashlib
import io
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from flam_pl.attributes import AttributeSchema
from flam_pl.editing.edits import Edit, EditError, Photo, in_order
from flam_pl.errors import FlamError
from flam_pl.galleries.stored import Distinct, Found, Item, Range, UnknownItem
from flam_pl.serving.results import Guess, Hit, Query, Results

COLORS = {"red": (220, 30, 30), "green": (30, 170, 50), "blue": (30, 60, 210)}
PATTERNS = {"plain": 0.0, "striped": 1.0}
SCHEMA = AttributeSchema({"color": tuple(COLORS), "pattern": tuple(PATTERNS)})
DIMENSION, CLASSES = 4, 5


def drawn(
    color: str, pattern: str = "plain", size: tuple[int, int] = (48, 64), seed: int = 0
) -> bytes:
    """A photo, PNG: one colour with a little noise, with or without white stripes."""
    rng = np.random.default_rng(seed)
    pixels = np.full((size[1], size[0], 3), COLORS[color], dtype=np.float64)
    if pattern == "striped":
        pixels[(np.arange(size[1]) // 8) % 2 == 1] = 255
    pixels += rng.normal(0, 4, pixels.shape)
    file = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


class UnreadableImage(FlamError):
    """As that of flam_pl.images, which imports torch."""


def feature_of(data: bytes) -> np.ndarray:
    """The colour of the part that is not white (3 numbers), the share of white."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            pixels = np.asarray(image.convert("RGB").resize((24, 32)), dtype=np.float32) / 255
    except OSError as error:
        raise UnreadableImage("photo 1 is broken") from error
    white = pixels.min(axis=2) > 0.7
    color = pixels[~white].mean(axis=0) if not white.all() else np.ones(3)
    return np.array([*color, 2 * white.mean()], dtype=np.float32)


def posteriors_of(feature: np.ndarray) -> list[np.ndarray]:
    colors = np.array(list(COLORS.values())) / 255
    away = np.linalg.norm(colors - feature[:3], axis=1), np.abs(np.array([0, 1]) - feature[3])
    soft = [np.exp(-8 * distance) for distance in away]
    return [np.maximum(s / s.sum(), 1e-3) for s in soft]


class FakeGallery:
    """In memory. ``delay`` seconds pass in every search."""

    space, dimension = "fake", DIMENSION + CLASSES

    def __init__(self, columns: Mapping[str, str]) -> None:
        self.columns = dict(columns)
        self.items: dict[str, Item] = {}
        self.delay = 0.0
        self.lock = threading.RLock()

    def __len__(self) -> int:
        return len(self.items)

    def add(self, items: Sequence[Item]) -> None:
        with self.lock:
            for item in items:
                for name, value in item.columns.items():
                    text = isinstance(value, str)
                    self.columns.setdefault(name, "text" if text else "number")
                self.items[item.id] = item

    def delete(self, ids: Sequence[str]) -> int:
        with self.lock:
            return sum(self.items.pop(name, None) is not None for name in ids)

    def passing(self, where: Mapping[str, Any] | None) -> list[Item]:
        with self.lock:
            return [item for item in self.items.values() if passes(item, where)]

    def search(
        self, vectors: np.ndarray, k: int, where: Any = None, distinct: bool = False
    ) -> Found:
        time.sleep(self.delay)
        items = self.passing(where)
        if not items:
            return Found([[] for _ in vectors], [np.zeros(0) for _ in vectors])
        table = np.stack([item.vector.astype(np.float32) for item in items])
        found, values = [], []
        for scores in vectors @ table.T:
            order, photos = [], Distinct()
            for row in np.argsort(-scores, kind="stable"):
                item = items[row]
                if not distinct or photos.takes(item.hash, item.columns.get("item")):
                    order.append(row)
            found.append([items[row].id for row in order[:k]])
            values.append(scores[order[:k]])
        return Found(found, values)

    def fetch(self, ids: Sequence[str]) -> list[Item]:
        with self.lock:
            for name in ids:
                if name not in self.items:
                    raise UnknownItem(name)
            return [self.items[name] for name in ids]

    def ids(self, offset: int, limit: int, where: Any = None) -> list[str]:
        return [item.id for item in self.passing(where)][offset : offset + limit]

    def count(self, where: Any = None) -> int:
        return len(self.passing(where))

    def facets(self, columns: Sequence[str], where: Any = None) -> dict[str, dict[str, int]]:
        items = self.passing(where)
        return {
            name: dict(Counter(str(i.columns[name]) for i in items if name in i.columns))
            for name in columns
        }

    def info(self) -> Any:
        return Info(dict(self.columns))


@dataclass(frozen=True)
class Info:
    columns: dict[str, str]


def passes(item: Item, where: Mapping[str, Any] | None) -> bool:
    for name, wanted in (where or {}).items():
        value = item.columns.get(name)
        if isinstance(wanted, Range):
            low, high = wanted.least, wanted.most
            if not isinstance(value, int | float):
                return False
            if (low is not None and value < low) or (high is not None and value > high):
                return False
        elif value not in (wanted if isinstance(wanted, list) else [wanted]):
            return False
    return True


@dataclass
class FakeBundle:
    schema: AttributeSchema = SCHEMA
    name: str = "drawn"
    space: str = "fake"
    figures: dict[str, Any] = field(default_factory=dict)


class FakeSearcher:
    """``batches`` holds the number of queries of every ``search_many``."""

    def __init__(self, gallery: FakeGallery | None) -> None:
        self.gallery, self.bundle = gallery, FakeBundle()
        self.batches: list[int] = []

    def features(self, photos: Sequence[bytes]) -> np.ndarray:
        return np.stack([feature_of(photo) for photo in photos])

    def vectors(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        lengths = np.maximum(np.linalg.norm(features, axis=1), 1e-6)
        tails = [np.log(np.concatenate(posteriors_of(f))) for f in features]
        heads = features / lengths[:, None]
        return np.concatenate([heads, tails], axis=1).astype(np.float16), lengths

    def feature_of(self, id: str) -> np.ndarray:
        assert self.gallery is not None
        item = self.gallery.fetch([id])[0]
        return np.asarray(item.vector[:DIMENSION].astype(np.float32) * np.float32(item.length))

    def describe(self, feature: np.ndarray) -> dict[str, Guess]:
        return guesses(posteriors_of(feature))

    def parse(self, text: str) -> list[Edit]:
        found = []
        for word in text.replace(",", " ").split():
            if word in ("in", ""):
                continue
            of = [name for name in SCHEMA.types if word in SCHEMA.of(name)]
            if not of:
                raise EditError(f"unknown word {word!r}")
            found.append(Edit(of[0], word))
        return found

    def search_many(self, queries: Sequence[Query]) -> list[Results | FlamError]:
        self.batches.append(len(queries))
        if any(query.text == "fault" for query in queries):
            raise RuntimeError("a fault at /srv/secret/weights.bin")
        found: list[Results | FlamError] = []
        for query in queries:
            try:
                found.append(self.search(query))
            except FlamError as error:
                found.append(error)
        return found

    def search(self, query: Query) -> Results:
        assert self.gallery is not None
        if query.id is not None:
            item = self.gallery.fetch([query.id])[0]
            feature = item.vector[:DIMENSION].astype(np.float32) * item.length
        else:
            assert query.vector is not None
            feature = np.asarray(query.vector, np.float32)
        if feature.shape != (DIMENSION,):
            raise FlamError(f"a feature has the shape {feature.shape}; expected ({DIMENSION},)")
        own = posteriors_of(feature)
        edits = in_order([*query.edits, *self.parse(query.text)], SCHEMA)
        target = [p.copy() for p in own]
        for edit in edits:
            part = SCHEMA.types.index(edit.attribute_type)
            target[part] = (1 - edit.strength) * own[part] + edit.strength * wanted_of(edit)
        vector = np.concatenate([feature / max(np.linalg.norm(feature), 1e-6), *target])[None]
        answer = self.gallery.search(
            vector.astype(np.float32), query.offset + query.k + 1, query.where, query.distinct
        )
        hits = []
        for name, score in zip(answer.ids[0], answer.scores[0], strict=True):
            if name != query.id:
                hits.append(self.hit(name, float(score), edits, target))
        hits = [h for h in hits if h.probability is None or h.probability >= query.least]
        best = max((h.probability or 0 for h in hits), default=0.0)
        return Results(
            tuple(hits[query.offset : query.offset + query.k]),
            guesses(own),
            tuple(edits),
            answer=best if edits else None,
            fits=best > 0.5 or not edits,
            sentence="" if not edits else "items fit" if best > 0.5 else "no item fits",
            facets=self.gallery.facets(query.facets, query.where),
            total=self.gallery.count(query.where),
        )

    def hit(self, name: str, score: float, edits: list[Edit], target: list[np.ndarray]) -> Hit:
        assert self.gallery is not None
        item = self.gallery.fetch([name])[0]
        logs = item.vector[DIMENSION:].astype(np.float64)
        own = [np.exp(logs[:3]), np.exp(logs[3:])]
        found = guesses(own)
        if not edits:
            return Hit(name, item.uri, score, found, item.columns)
        parts = [SCHEMA.types.index(edit.attribute_type) for edit in edits]
        probability = float(np.prod([own[p][target[p].argmax()] for p in parts]))
        why = tuple(f"{e.attribute_type}: {found[e.attribute_type].name}" for e in edits)
        return Hit(name, item.uri, score, found, item.columns, probability > 0.5, probability, why)


def wanted_of(edit: Edit) -> np.ndarray:
    part = SCHEMA.types.index(edit.attribute_type)
    if edit.mix is None:
        assert not isinstance(edit.wanted, Photo)
        return posteriors_of(np.asarray(edit.wanted))[part]
    return np.array([edit.mix.get(name, 0.0) for name in SCHEMA.of(edit.attribute_type)])


def guesses(posteriors: Sequence[np.ndarray]) -> dict[str, Guess]:
    return {
        name: Guess(SCHEMA.of(name)[int(p.argmax())], float(p.max()))
        for name, p in zip(SCHEMA.types, posteriors, strict=True)
    }


def small_shop(folder: Path, copies: int = 4) -> FakeSearcher:
    """Photos of every colour and pattern in a folder, and their searcher."""
    folder.mkdir(parents=True, exist_ok=True)
    gallery = FakeGallery({"gender": "text", "price": "number"})
    searcher = FakeSearcher(gallery)
    number = 0
    for color in COLORS:
        for pattern in PATTERNS:
            for copy in range(copies):
                data = drawn(color, pattern, seed=number)
                path = folder / f"{number}.png"
                path.write_bytes(data)
                vectors, lengths = searcher.vectors(searcher.features([data]))
                columns = {"gender": ("Women", "Men")[number % 2], "price": 10.0 + number}
                hash = hashlib.sha256(data).hexdigest()
                name = f"{color}-{pattern}-{copy}"
                item = Item(name, str(path), columns, hash, vectors[0], float(lengths[0]))
                gallery.add([item])
                number += 1
    return searcher
