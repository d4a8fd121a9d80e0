"""From queries to query vectors: the networks run once for all queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from flam_pl.editing.edits import Edit, Photo, in_order
from flam_pl.errors import FlamError
from flam_pl.galleries.items import Item, Sample, StoredGallery
from flam_pl.images.files import read_file
from flam_pl.serving.bundle import Bundle
from flam_pl.serving.results import Query
from flam_pl.serving.runtime import Runtime
from flam_pl.serving.words import Words

MOST = 10_000  # results of one search


@dataclass
class Prepared:
    """A query whose edits are read, before the networks."""

    query: Query
    edits: list[Edit]
    feature: np.ndarray  # (D,)
    examples: dict[str, np.ndarray]  # feature (D,) by attribute type


@dataclass(frozen=True)
class Encoded:
    """A query with its vector. Posteriors are per type, ``(classes,)``."""

    query: Query
    edits: list[Edit]
    vector: np.ndarray  # (D + C,)
    own: list[np.ndarray]  # posteriors of the query photo
    target: list[np.ndarray]  # and what is wanted


class QueryReader:
    """Reads queries with the networks of a bundle."""

    def __init__(
        self, bundle: Bundle, runtime: Runtime, feature_of: Callable[[str], np.ndarray]
    ) -> None:
        """``feature_of``: id of the gallery -> feature ``(D,)``."""
        self.bundle, self.schema, self.runtime = bundle, bundle.schema, runtime
        self.feature_of = feature_of
        self.words = Words(bundle.schema, bundle.synonyms)
        self.cuts = np.cumsum(self.schema.sizes)[:-1]

    def split(self, classes: np.ndarray) -> list[np.ndarray]:
        """``(..., C)`` -> per type ``(..., classes)``."""
        return np.split(classes, self.cuts, axis=-1)

    def read(self, queries: Sequence[Query]) -> list[Encoded | FlamError]:
        """Encode all queries; a faulty query gets an error in its place."""
        prepared = self.prepare(queries)
        ready = [each for each in prepared if isinstance(each, Prepared)]
        encoded = iter(self.encode(ready) if ready else [])
        return [next(encoded) if isinstance(each, Prepared) else each for each in prepared]

    def prepare(self, queries: Sequence[Query]) -> list[Prepared | FlamError]:
        """Read the edits and the photos of all queries; photos go through the backbone together."""
        pixels: list[np.ndarray] = []
        found: list[Prepared | FlamError] = []
        waiting: list[tuple[Prepared, str | None, int]] = []  # for a feature: which, of what, where
        for query in queries:
            try:
                self.check(query)
                edits = [
                    *query.edits,
                    *(self.words.parse(query.text) if query.text.strip() else []),
                ]
                each = Prepared(query, in_order(edits, self.schema), np.zeros(0), {})
                sources: list[tuple[str | None, Any]] = [(None, source_of(query))]
                sources += [(e.attribute_type, e.wanted) for e in each.edits if e.mix is None]
                read: list[tuple[str | None, np.ndarray, bool]] = []
                for name, source in sources:
                    feature = self.stored(source)
                    is_photo = feature is None
                    array = self.read_pixels(source) if feature is None else feature
                    read.append((name, array, is_photo))
                for name, array, is_photo in read:
                    if is_photo:
                        waiting.append((each, name, len(pixels)))
                        pixels.append(array)
                    else:
                        place(each, name, array)
                found.append(each)
            except FlamError as error:
                found.append(error)
        features = self.runtime.features(pixels) if pixels else np.zeros((0, 0))
        for each, name, number in waiting:
            place(each, name, features[number])
        return found

    def check(self, query: Query) -> None:
        given = [query.photo is not None, query.id is not None, query.vector is not None]
        if sum(given) != 1:
            raise FlamError(f"a query has {sum(given)} of photo, id and vector; expected one")
        if not 1 <= query.k <= MOST or not 0 <= query.offset <= MOST:
            raise FlamError(
                f"k is {query.k} and offset {query.offset}; expected 1 to {MOST:,} results, and "
                f"an offset of 0 to {MOST:,}"
            )
        if not 0 <= query.least <= 1:
            raise FlamError(f"least is {query.least}; expected a probability, 0 to 1")

    def stored(self, source: Any) -> np.ndarray | None:
        """The feature ``(D,)`` of an id or a vector; None for a photo, which must be read."""
        if isinstance(source, ItemId):
            return self.feature_of(source.id)
        if isinstance(source, Photo):
            return None
        dimension = self.bundle.contents.dimension
        try:
            feature = np.asarray(source, np.float32)
        except (TypeError, ValueError) as error:
            raise FlamError(
                f"a vector is no vector ({error}); expected {dimension} numbers"
            ) from error
        if feature.shape != (dimension,) or not np.isfinite(feature).all():
            raise FlamError(
                f"a vector has the shape {feature.shape}; expected {dimension} finite numbers"
            )
        return feature

    def read_pixels(self, photo: Photo) -> np.ndarray:
        if isinstance(photo.source, bytes):
            return self.runtime.pixels(photo.source, Path("the photo"))
        path = Path(photo.source).expanduser()
        return self.runtime.pixels(read_file(path), path)

    def encode(self, prepared: Sequence[Prepared]) -> list[Encoded | FlamError]:
        """The query vectors of queries with features."""
        examples = [(p, name, f) for p in prepared for name, f in p.examples.items()]
        features = np.stack([p.feature for p in prepared] + [f for _, _, f in examples])
        posteriors, directions = self.runtime.read(features)
        of_example = {(id(p), name): len(prepared) + n for n, (p, name, _) in enumerate(examples)}
        count, types, k = len(prepared), len(self.schema.types), directions.shape[2]
        wanted, strength = np.zeros_like(posteriors[:count]), np.zeros((count, types), np.float32)
        asked = np.zeros((count, types, k), np.float32)
        starts = np.concatenate([[0], self.cuts])
        for row, each in enumerate(prepared):
            for edit in each.edits:
                t = self.schema.types.index(edit.attribute_type)
                part = slice(starts[t], starts[t] + self.schema.sizes[t])
                strength[row, t] = edit.strength
                if edit.mix is None:
                    of = of_example[id(each), edit.attribute_type]
                    wanted[row, part], asked[row, t] = posteriors[of, part], directions[of, t]
                else:
                    shares = self.shares(edit, t)
                    wanted[row, part] = shares
                    asked[row, t] = self.direction(shares, t)
        own = posteriors[:count]
        vectors = self.runtime.queries(features[:count], own, wanted, asked, strength)
        found: list[Encoded | FlamError] = []
        for row, each in enumerate(prepared):
            if not np.isfinite(vectors[row]).all():
                found.append(FlamError("a vector has numbers that are too large for the networks"))
                continue
            mine, theirs = self.split(own[row]), self.split(wanted[row])
            target = [
                (1 - s) * p + s * w for p, w, s in zip(mine, theirs, strength[row], strict=True)
            ]
            found.append(Encoded(each.query, each.edits, vectors[row], mine, target))
        return found

    def shares(self, edit: Edit, t: int) -> np.ndarray:
        found = np.zeros(self.schema.sizes[t], np.float32)
        for name, share in (edit.mix or {}).items():
            found[self.schema.index(edit.attribute_type, name)] = share
        return found

    def direction(self, shares: np.ndarray, t: int) -> np.ndarray:
        """The editor's direction for a mix of classes, ``(k,)``."""
        table = self.runtime.table[t, : len(shares)]
        if (shares > 0).sum() == 1:
            single: np.ndarray = table[shares.argmax()]
            return single
        found: np.ndarray = shares @ table
        if self.bundle.contents.editor["kind"] == "generator":
            return found / max(float(np.linalg.norm(found)), 1e-12)
        return found


def sample_queries(
    gallery: StoredGallery, bundle: Bundle, runtime: Runtime, count: int = 400
) -> Sample | None:
    """Edited searches: random photos, each with a random class.

    None for an empty gallery.
    """
    rng, schema = np.random.default_rng(0), bundle.schema
    ids = gallery.ids(0, len(gallery))
    if not ids:
        return None
    photos = gallery.fetch([ids[n] for n in rng.integers(0, len(ids), count)])
    features = {item.id: stored_feature(item, bundle.contents.dimension) for item in photos}
    queries = []
    for item in photos:
        kind = schema.types[rng.integers(len(schema.types))]
        edit = Edit(kind, schema.of(kind)[rng.integers(len(schema.of(kind)))])
        queries.append(Query(id=item.id, edits=(edit,)))
    encoded = QueryReader(bundle, runtime, features.__getitem__).read(queries)
    vectors = np.stack([each.vector for each in encoded if isinstance(each, Encoded)])
    return Sample(vectors, schema.sizes)


def stored_feature(item: Item, dimension: int) -> np.ndarray:
    """The feature ``(D,)`` of a photo of a gallery."""
    return item.vector[:dimension].astype(np.float32) * np.float32(item.length)


@dataclass(frozen=True)
class ItemId:
    id: str


def source_of(query: Query) -> Any:
    if query.id is not None:
        return ItemId(query.id)
    return query.vector if query.photo is None else Photo(query.photo)


def place(each: Prepared, name: str | None, feature: np.ndarray) -> None:
    """Store a feature: of the query, or of the example for type ``name``."""
    if name is None:
        each.feature = feature
    else:
        each.examples[name] = feature
