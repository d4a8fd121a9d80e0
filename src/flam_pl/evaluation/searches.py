"""The searches of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from flam_pl.attributes import UNLABELLED, AttributeSchema
from flam_pl.data.feature_store import FeatureStore
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.labels import extra_attribute_codes
from flam_pl.editing.editor import Editor
from flam_pl.editing.edits import Edit
from flam_pl.galleries.exact import ExactGallery
from flam_pl.retrieval.retriever import Retriever
from flam_pl.retrieval.vectors import SearchVectors

Progress = Callable[[Sequence[Any]], Iterable[Any]]  # e.g. a progress bar around a list
Edits = dict[tuple[int, int], tuple[np.ndarray, np.ndarray]]
"""(Type, class) -> query numbers ``(E,)``, wanted labels ``(E, types)``, -1 for any."""


@dataclass(frozen=True)
class EvaluationSet:
    """Photos with labels. All photos are the gallery; some are queries.

    An edit wants the query's labels with one replaced. A photo with all wanted labels is a
    **hit**. Edits without any hit are not evaluated; ``left_out`` counts them. If labels are
    missing:

    - A query is edited in its labelled types, if it has another label or all labels.
    - Types in which the query has no label are not compared.
    - A photo that lacks a wanted label is no hit, so T@k and P@k are lower bounds.
    """

    schema: AttributeSchema
    features: Tensor  # as they are stored, (N, D)
    labels: np.ndarray  # class per type, -1 for no label, (N, types)
    queries: np.ndarray  # positions, (Q,); a query never finds itself
    items: np.ndarray  # item codes, -1 for none, (N,)
    garments: np.ndarray  # garment codes, -1 for none, (N,); see counterfactuals.py
    extra_attributes: Mapping[str, np.ndarray] = field(default_factory=dict)  # name -> codes, (N,)

    @classmethod
    def of(cls, catalog: Catalog, store: FeatureStore, rows: np.ndarray) -> EvaluationSet:
        """Of catalog rows. Drawn counterfactuals of other photos are no queries."""
        made_from = catalog.table["counterfactual_of"].iloc[rows].fillna("")
        queries = np.flatnonzero((made_from == "").to_numpy(bool))
        garments = pd.factorize(catalog.table["garment"].iloc[rows])[0].astype(np.int64)
        extra = {name: codes[rows] for name, codes in extra_attribute_codes(catalog).items()}
        features, labels, items = store.rows(rows), catalog.labels[rows], catalog.items[rows]
        return cls(catalog.schema, features, labels, queries, items, garments, extra)

    @classmethod
    def of_photos(cls, catalog: Catalog, store: FeatureStore, split: str) -> EvaluationSet:
        """All photos of a split, without distorted views."""
        rows = catalog.rows(split=split)
        return cls.of(catalog, store, rows[(catalog.table["view"].iloc[rows] == 0).to_numpy(bool)])

    def to(self, device: torch.device) -> EvaluationSet:
        return replace(self, features=self.features.to(device))

    def with_queries(self, most: int, seed: int) -> EvaluationSet:
        drawn = np.random.default_rng(seed).permutation(self.queries)[:most]
        return replace(self, queries=np.sort(drawn))

    def fully_labelled(self) -> EvaluationSet:
        keep = (self.labels != UNLABELLED).all(axis=1)
        features = self.features[torch.from_numpy(keep).to(self.features.device)]
        queries = np.cumsum(keep)[self.queries[keep[self.queries]]] - 1
        extra = {name: codes[keep] for name, codes in self.extra_attributes.items()}
        labels, items, garments = self.labels[keep], self.items[keep], self.garments[keep]
        return type(self)(self.schema, features, labels, queries, items, garments, extra)

    @cached_property
    def query_items(self) -> np.ndarray:
        """Codes ``(Q,)`` that the bootstrap resamples: of the garment, else item, else query."""
        alone = np.arange(len(self.items)) + 1 + max(self.items.max(initial=0), 0)
        of_item = np.where(self.items >= 0, self.items, alone)
        return np.where(self.garments >= 0, -2 - self.garments, of_item)[self.queries]

    @cached_property
    def label_tensor(self) -> Tensor:
        return smallest(self.labels, max(self.schema.sizes)).to(self.features.device)

    def editable(self, count: int = 1) -> np.ndarray:
        """Whether a query has enough labels to change ``count`` of them, ``(Q,)``."""
        labelled = (self.labels[self.queries] != UNLABELLED).sum(axis=1)
        return (labelled > count) | (labelled == len(self.schema.types))

    @cached_property
    def every_edit(self) -> Edits:
        """All edits of the queries, with or without a hit."""
        own, editable, found = self.labels[self.queries], self.editable(), {}
        for t, size in enumerate(self.schema.sizes):
            for c in range(size):
                changed = (own[:, t] != UNLABELLED) & (own[:, t] != c)
                numbers = np.flatnonzero(changed & editable)
                wanted = own[numbers]
                wanted[:, t] = c
                found[t, c] = numbers, wanted
        return found

    @cached_property
    def possible(self) -> Edits:
        """The edits that have a hit."""
        found = {}
        for edit, (numbers, wanted) in self.every_edit.items():
            hit = self.has_hit(wanted)
            if hit.any():
                found[edit] = numbers[hit], wanted[hit]
        return found

    def has_hit(self, wanted: np.ndarray) -> np.ndarray:
        """Whether any photo has all wanted labels: ``(E, types)`` -> ``(E,)``."""
        found, compared = np.zeros(len(wanted), dtype=bool), wanted != UNLABELLED
        have = self.combinations[0].cpu().numpy()
        for types in np.unique(compared, axis=0):
            rows = (compared == types).all(axis=1)
            both = np.concatenate([have[:, types], wanted[rows][:, types]])
            codes = np.unique(both, axis=0, return_inverse=True)[1].reshape(-1)
            found[rows] = np.isin(codes[len(have) :], codes[: len(have)])
        return found

    @cached_property
    def left_out(self) -> dict[str, int]:
        """Number of edits that are not evaluated, by reason."""
        others = np.array(self.schema.sizes) - 1
        labelled = self.labels[self.queries] != UNLABELLED
        every, known = len(labelled) * int(others.sum()), int((labelled @ others).sum())
        both = self.every_edit, self.possible
        editable, evaluated = (sum(len(numbers) for numbers, _ in of.values()) for of in both)
        counts = editable - evaluated, every - known, known - editable
        return dict(zip(("impossible", "unlabelled", "nothing_to_preserve"), counts, strict=True))

    def matches(self, found: Tensor, wanted: np.ndarray) -> Tensor:
        """Which wanted labels ``(E, types)`` each result ``(E, K)`` has, ``(E, K, types)`` bool."""
        never = np.where(wanted == UNLABELLED, UNLABELLED - 1, wanted)
        labels = torch.from_numpy(never).to(found.device, self.label_tensor.dtype)
        return rows_at(self.label_tensor, found) == labels[:, None]

    def hits(self, found: Tensor, wanted: np.ndarray) -> Tensor:
        """Whether results ``(E, K)`` have all wanted labels ``(E, types)``: ``(E, K)`` bool."""
        return has_all(self.matches(found, wanted).sum(dim=2, dtype=torch.uint8), wanted)

    @cached_property
    def combinations(self) -> tuple[Tensor, Tensor]:
        """Distinct rows of labels ``(V, types)``, and the number of photos with each ``(V,)``."""
        labels, photos = np.unique(self.labels, axis=0, return_counts=True)
        device = self.features.device
        return torch.from_numpy(labels).to(device), torch.from_numpy(photos).to(device)

    def count_matches(
        self, wanted: Tensor, types: Sequence[int], photos: Tensor, chunk: int = 1024
    ) -> Tensor:
        """Number of photos with 0, 1, ... wanted labels, ``(U, types + 1)``; ``photos (V,)`` are
        counts per combination."""
        labels, rows = self.combinations[0], []
        for part in torch.split(wanted, chunk):
            matches = torch.zeros(len(part), len(labels), dtype=torch.uint8, device=part.device)
            for t in types:
                matches += (part[:, t, None] == labels[:, t]) & (part[:, t, None] != UNLABELLED)
            levels = [(matches == n).double() @ photos.double() for n in range(wanted.shape[1] + 1)]
            rows.append(torch.stack(levels, dim=1).long())
        return torch.cat(rows)


@dataclass(frozen=True)
class EditedSearch:
    """The results of one edit of several queries (see ``Edits``)."""

    data: EvaluationSet
    t: int  # the edited type
    c: int  # the wanted class
    numbers: np.ndarray
    wanted: np.ndarray
    found: Tensor  # gallery positions of the results, best first, (E, K)

    @cached_property
    def matches(self) -> Tensor:
        """Which wanted labels each result has, ``(E, K, types)`` bool."""
        return self.data.matches(self.found, self.wanted)

    @cached_property
    def matched(self) -> Tensor:
        """How many wanted labels each result has, ``(E, K)``."""
        return self.matches.sum(dim=2, dtype=torch.uint8)

    @cached_property
    def hits(self) -> Tensor:
        """Whether each result has all wanted labels, ``(E, K)`` bool."""
        return has_all(self.matched, self.wanted)


def has_all(matched: Tensor, wanted: np.ndarray) -> Tensor:
    """Whether ``matched`` labels ``(E, K)`` are all known ones of ``wanted (E, types)``."""
    known = torch.from_numpy((wanted != UNLABELLED).sum(axis=1).astype(np.uint8))
    return matched == known.to(matched.device)[:, None]


def rows_at(rows: Tensor, positions: Tensor) -> Tensor:
    """``rows[positions]``, but faster: rows ``(N, C)``, positions of any shape."""
    return rows.index_select(0, positions.flatten()).view(*positions.shape, rows.shape[1])


def smallest(codes: np.ndarray, classes: int) -> Tensor:
    """The codes in the smallest signed integer type that holds -2 to ``classes``."""
    return torch.from_numpy(codes.astype(np.min_scalar_type(-max(2, classes + 1))))


class Searcher:
    """Searches the gallery with queries, given by number."""

    def __init__(self, editor: Editor | SearchVectors, data: EvaluationSet, depth: int) -> None:
        self.data, self.depth = data, depth
        vectors = editor if isinstance(editor, SearchVectors) else SearchVectors(editor)
        with torch.inference_mode():  # read once: every query is searched with many edits
            self.own = vectors.read(data.features)
            gallery = ExactGallery(vectors.gallery(data.features, self.own))
        self.retriever = Retriever(vectors, gallery)

    def __call__(self, numbers: np.ndarray, edits: Sequence[Edit]) -> Tensor:
        positions = torch.from_numpy(self.data.queries[numbers]).to(self.data.features.device)
        features, own = self.data.features[positions], rows_of(self.own, positions)
        return self.retriever.search(features, edits, self.depth, positions, own)[1]


def rows_of(posteriors: list[Tensor] | None, rows: Tensor) -> list[Tensor] | None:
    return posteriors and [of[rows] for of in posteriors]


Method = Editor | SearchVectors | Searcher


def searcher_of(method: Method, data: EvaluationSet, depth: int) -> Searcher:
    return method if isinstance(method, Searcher) else Searcher(method, data, depth)


def edit_to(schema: AttributeSchema, t: int, c: int, strength: float = 1.0) -> Edit:
    return Edit(schema.types[t], schema.of(schema.types[t])[c], strength)


@torch.inference_mode()
def search_edits(
    method: Method,
    data: EvaluationSet,
    depth: int,
    impossible: bool = False,
    progress: Progress = lambda edits: edits,
    strength: float = 1.0,
) -> Iterator[EditedSearch]:
    """Search with every edit that has a hit; ``impossible``: with every edit."""
    search, edits = searcher_of(method, data, depth), data.possible
    if impossible:
        edits = {edit: of for edit, of in data.every_edit.items() if len(of[0])}
    for (t, c), (numbers, wanted) in progress(list(edits.items())):
        found = search(numbers, [edit_to(data.schema, t, c, strength)])
        yield EditedSearch(data, t, c, numbers, wanted, found)
