"""Search with a bundle and a gallery: photos and edits in, typed results out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from flam_pl.editing.edits import Edit
from flam_pl.errors import FlamError
from flam_pl.galleries.stored import (
    ITEM,
    Distinct,
    Item,
    StoredGallery,
    UnknownItem,
    Where,
    open_gallery,
)
from flam_pl.retrieval.answers import sentence
from flam_pl.serving.bundle import Bundle
from flam_pl.serving.confidence import calibrated, has_answer, has_wanted
from flam_pl.serving.queries import Encoded, QueryReader, stored_feature
from flam_pl.serving.results import Guess, Hit, Query, Results
from flam_pl.serving.runtime import Runtime, gallery_vectors, open_runtime

CANDIDATES = 100  # results that say whether the gallery has an answer
FILTERED = 300  # results that are looked through for those above ``Query.least``
MET = 0.5  # least probability of a result that meets the edit


class Searcher:
    """Searches a gallery with the networks of a bundle."""

    def __init__(self, bundle: Bundle, runtime: Runtime, gallery: StoredGallery | None) -> None:
        self.bundle, self.runtime, self.gallery = bundle, runtime, gallery
        self.schema, self.reader = bundle.schema, QueryReader(bundle, runtime, self.feature_of)

    @classmethod
    def load(
        cls,
        bundle: str | Path,
        gallery: str | Path | StoredGallery | None = None,
        device: str | None = None,
        runtime: str | None = None,
    ) -> Searcher:
        """Open a bundle and its gallery.

        Raises:
            BundleError: a file of the bundle is missing, cut or changed.
            FlamError: the gallery is missing, damaged or another bundle's.
        """
        opened = Bundle.load(bundle)
        if isinstance(gallery, str | Path):
            gallery = open_gallery(gallery, space=opened.space)
        return cls(opened, open_runtime(opened, runtime, device), gallery)

    def features(self, photos: Sequence[bytes]) -> np.ndarray:
        """Features ``(B, D)`` of the contents of files. Raises UnreadableImage."""
        pixels = [
            self.runtime.pixels(data, Path(f"photo {number}"))
            for number, data in enumerate(photos, start=1)
        ]
        if not pixels:
            return np.zeros((0, self.bundle.contents.dimension), np.float32)
        return self.runtime.features(pixels)

    def vectors(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gallery vectors ``(B, D + C)`` float16, and lengths ``(B,)``, of features ``(B, D)``."""
        return gallery_vectors(features, self.runtime.read(features)[0])

    def describe(self, feature: np.ndarray) -> dict[str, Guess]:
        """The likeliest class of each type for a feature ``(D,)``."""
        return self.guesses(self.reader.split(self.runtime.read(feature[None])[0][0]))

    def parse(self, text: str) -> list[Edit]:
        """Edits in words, e.g. "in red, striped". Raises EditError for an unknown word."""
        return self.reader.words.parse(text)

    def search(
        self,
        photo: str | Path | bytes | None = None,
        edits: Sequence[Edit] = (),
        k: int = 20,
        where: Where | None = None,
        **more: Any,
    ) -> Results:
        """The k best photos of the gallery; ``Query`` explains the arguments.

        Raises:
            UnreadableImage: a photo that cannot be read.
            UnknownItem: an id that the gallery does not hold.
            EditError, SchemaError: an edit without a meaning, or one that cannot apply.
        """
        query = Query(photo=photo, edits=tuple(edits), k=k, where=where, **more)
        found = self.search_many([query])[0]
        if isinstance(found, FlamError):
            raise found
        return found

    def search_many(self, queries: Sequence[Query]) -> list[Results | FlamError]:
        """One answer per query, from one pass through the networks.

        The answer to a faulty query is its error; the other queries get results.
        """
        gallery, encoded = self.required_gallery(), self.reader.read(queries)
        answers: dict[int, Results | FlamError] = {}
        alike: list[tuple[Any, list[int]]] = []  # queries that the gallery can search together
        for number, each in enumerate(encoded):
            if isinstance(each, FlamError):
                answers[number] = each
                continue
            key = each.query.where, each.query.distinct
            group = next((numbers for other, numbers in alike if other == key), None)
            if group is None:
                alike.append((key, [number]))
            else:
                group.append(number)
        for (where, distinct), numbers in alike:
            together = [each for n in numbers if isinstance(each := encoded[n], Encoded)]
            vectors, depth = np.stack([e.vector for e in together]), max(map(depth_of, together))
            try:
                found = gallery.search(vectors, depth, where, distinct)
                pairs = zip(together, found.ids, found.scores, strict=True)
                for number, (each, ids, scores) in zip(numbers, pairs, strict=True):
                    answers[number] = self.results_or_fault(gallery, each, ids, scores)
            except FlamError as error:
                answers |= dict.fromkeys(numbers, error)
        return [answers[number] for number in range(len(queries))]

    def results_or_fault(
        self, gallery: StoredGallery, encoded: Encoded, ids: Sequence[str], scores: np.ndarray
    ) -> Results | FlamError:
        try:
            return self.results(gallery, encoded, ids, scores)
        except FlamError as error:
            return error

    def required_gallery(self) -> StoredGallery:
        if self.gallery is None:
            raise FlamError(
                "this searcher has no gallery: Searcher.load(bundle, gallery=...), after flam-pl "
                "index build"
            )
        return self.gallery

    def feature_of(self, id: str) -> np.ndarray:
        """The feature ``(D,)`` of a photo of the gallery. Raises UnknownItem."""
        item = self.required_gallery().fetch([id])[0]
        return stored_feature(item, self.bundle.contents.dimension)

    def guesses(self, posteriors: Sequence[np.ndarray]) -> dict[str, Guess]:
        """Per type, the likeliest class."""
        return {
            name: Guess(self.schema.of(name)[int(p.argmax())], round(float(p.max()), 4))
            for name, p in zip(self.schema.types, posteriors, strict=True)
        }

    def results(
        self, gallery: StoredGallery, encoded: Encoded, ids: Sequence[str], scores: np.ndarray
    ) -> Results:
        """The results, best first, with probabilities."""
        query, edits, own, target = encoded.query, encoded.edits, encoded.own, encoded.target
        remarks = self.bundle.applicability.remarks(edits, own, target)
        itself = gallery.fetch([query.id])[0] if query.id is not None else None
        depth = slice(depth_of(encoded))  # others in the batch may need more results
        score_of = dict(zip(ids[depth], map(float, scores[depth]), strict=True))
        items = [
            item
            for item in still_there(gallery, ids[depth])
            if itself is None or not same_photo(item, itself, query.distinct)
        ]
        posteriors, page = self.posteriors(items), slice(query.offset, query.offset + query.k)
        probability = self.met_probability(posteriors, edits, target)
        shown = np.arange(len(items))
        if probability is not None:
            shown = shown[probability >= query.least]

        def shown_hit(n: int) -> Hit:
            hit = self.hit(items[n], score_of[items[n].id], [p[n] for p in posteriors])
            if probability is None:
                return hit
            return self.edited_hit(hit, float(probability[n]), edits, target)

        results = Results(
            tuple(map(shown_hit, shown[page].tolist())),
            self.guesses(own),
            tuple(edits),
            remarks,
            facets=gallery.facets(query.facets, query.where) if query.facets else {},
            total=gallery.count(query.where),
            source=source_of(query, itself),
        )
        if not edits:
            return results
        first = [p[:CANDIDATES] for p in posteriors]  # the same for every page
        raw = has_answer(target, first) if items else 0.0
        calibration = self.bundle.contents.calibration
        answer = float(calibrated(calibration, "answer", np.array([raw]))[0]) if items else 0.0
        threshold = calibration["threshold"] if calibration else MET
        wanted = " ".join(self.wanted_names(edits, target).values())
        return replace(
            results,
            answer=answer,
            fits=answer >= threshold,
            sentence=sentence(wanted, answer, threshold),
        )

    def posteriors(self, items: Sequence[Item]) -> list[np.ndarray]:
        """The stored posteriors of items, per type ``(N, classes)``."""
        start, width = self.bundle.contents.dimension, sum(self.schema.sizes)
        tails = [item.vector[start:] for item in items]
        tail = np.stack(tails) if tails else np.zeros((0, width))
        return self.reader.split(np.exp(tail.astype(np.float64)))

    def met_probability(
        self, posteriors: Sequence[np.ndarray], edits: Sequence[Edit], target: Sequence[np.ndarray]
    ) -> np.ndarray | None:
        """Per photo, the calibrated probability of the wanted classes; None without an edit.

        Of a mix, each class counts as wanted.
        """
        if not edits:
            return None
        edited, wanted = [self.schema.types.index(edit.attribute_type) for edit in edits], [*target]
        for t, edit in zip(edited, edits, strict=True):
            if edit.mix:
                shares = self.reader.shares(edit, t)
                wanted[t] = wanted[t] + edit.strength * ((shares > 0) - shares)
        raw = has_wanted(wanted, posteriors, edited)
        return calibrated(self.bundle.contents.calibration, "attribute", raw)

    def hit(self, item: Item, score: float, posteriors: Sequence[np.ndarray]) -> Hit:
        return Hit(item.id, item.uri, score, self.guesses(posteriors), item.columns)

    def edited_hit(
        self, hit: Hit, p: float, edits: Sequence[Edit], target: Sequence[np.ndarray]
    ) -> Hit:
        names, kinds = self.wanted_names(edits, target), [edit.attribute_type for edit in edits]
        guesses = [(kind, hit.attributes[kind]) for kind in kinds]
        why = tuple(
            f"{kind}: {guess.name} {100 * guess.probability:.0f} %, wanted {names[kind]}"
            for kind, guess in guesses
        )
        return replace(hit, met=p >= MET, probability=round(p, 4), why=why)

    def wanted_names(self, edits: Sequence[Edit], target: Sequence[np.ndarray]) -> dict[str, str]:
        """Per type, the wanted class or the classes of a mix."""
        mixes = {e.attribute_type: " or ".join(e.mix) for e in edits if e.mix and len(e.mix) > 1}
        return {name: guess.name for name, guess in self.guesses(target).items()} | mixes


def source_of(query: Query, itself: Item | None) -> Path | bytes | None:
    if itself is not None:
        return Path(itself.uri)
    return Path(query.photo) if isinstance(query.photo, str) else query.photo


def same_photo(item: Item, other: Item, distinct: bool) -> bool:
    """Whether two items have one id; with ``distinct``, also one content or one product."""
    photos = Distinct()
    photos.takes(other.hash, other.columns.get(ITEM))
    is_double = not photos.takes(item.hash, item.columns.get(ITEM))
    return item.id == other.id or (distinct and is_double)


def still_there(gallery: StoredGallery, ids: Sequence[str]) -> list[Item]:
    """The photos with these ids, without photos deleted since the search."""
    try:
        return gallery.fetch(ids)
    except UnknownItem:
        found = []
        for id in ids:
            with suppress(UnknownItem):
                found += gallery.fetch([id])
        return found


def depth_of(encoded: Encoded) -> int:
    """Number of results to search for: one more than needed, for the query itself."""
    query = encoded.query
    needed = query.offset + query.k
    if encoded.edits:
        needed = max(needed, FILTERED if query.least else CANDIDATES)
    return needed + 1
