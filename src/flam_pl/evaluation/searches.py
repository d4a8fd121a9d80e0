"""The searches of an evaluation: every query, every type, every class that it has not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from flam_pl.attributes import AttributeSchema
from flam_pl.data.feature_store import FeatureStore
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.labels import extra_attribute_codes
from flam_pl.editing.editor import Editor
from flam_pl.editing.edits import Edit
from flam_pl.galleries.exact import top_k
from flam_pl.retrieval.vectors import SearchVectors, search_vectors

CHUNK = 1024
"""Queries compared with the whole gallery at once."""

Progress = Callable[[Sequence[tuple[str, str]]], Iterable[tuple[str, str]]]


@dataclass(frozen=True)
class EvaluationSet:
    """Images with all labels known, which are the gallery, and those of them that ask.

    Attributes:
        features: stored features, ``(N, D)``.
        labels: ``(N, types)``, none of them -1.
        queries: positions that ask, ``(Q,)``; a query is never in its own gallery.
        items: item code of each image ``(N,)``, -1 for none.
        garments: code of each image's garment, -1 for none, ``(N,)``: photos of one garment in
            several colors (or, in the wardrobe, with one attribute changed) are counterfactuals of
            each other.
        traits: of each trait the code of each image, -1 for no value, ``(N,)``.
    """

    schema: AttributeSchema
    features: Tensor
    labels: np.ndarray
    queries: np.ndarray
    items: np.ndarray
    garments: np.ndarray
    traits: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, catalog: Catalog, store: FeatureStore, rows: np.ndarray) -> EvaluationSet:
        """These catalog rows; all but the counterfactuals that were made for it ask."""
        made_from = catalog.table["counterfactual_of"].iloc[rows].fillna("")
        garments, _ = pd.factorize(catalog.table["garment"].iloc[rows])
        return cls(
            catalog.schema,
            store.rows(rows),
            catalog.labels[rows],
            np.flatnonzero((made_from == "").to_numpy(bool)),
            catalog.items[rows],
            garments.astype(np.int64),
            {name: codes[rows] for name, codes in extra_attribute_codes(catalog).items()},
        )

    @classmethod
    def of_photos(cls, catalog: Catalog, store: FeatureStore, split: str) -> EvaluationSet:
        """All photos of a split, labelled or not, without distorted views: what counterfactuals are
        looked for in."""
        photos = np.flatnonzero((catalog.table["view"] == 0).to_numpy(bool))
        return cls.of(catalog, store, np.intersect1d(catalog.rows(split=split), photos))

    @cached_property
    def combinations(self) -> np.ndarray:
        """Code of each image's combination of classes, ``(N,)``."""
        return self.schema.combinations(self.labels)

    @cached_property
    def query_items(self) -> np.ndarray:
        """What is resampled as one: code of each query's garment or, where it has none, its item,
        or itself, ``(Q,)``."""
        alone = np.arange(len(self.items)) + 1 + max(self.items.max(initial=0), 0)
        of_item = np.where(self.items >= 0, self.items, alone)
        codes = np.where(self.garments >= 0, -2 - self.garments, of_item)
        return codes[self.queries]

    def edit(self, target_type: str, target_class: str) -> tuple[np.ndarray, np.ndarray]:
        """Of each query the code of the combination it has after the edit, and whether the edit
        changes it, both ``(Q,)``."""
        t, c = self.schema.types.index(target_type), self.schema.index(target_type, target_class)
        labels = self.labels[self.queries].copy()
        other = labels[:, t] != c
        labels[:, t] = c
        return self.schema.combinations(labels), other

    def to(self, device: torch.device) -> EvaluationSet:
        """The same with its features on another device."""
        return replace(self, features=self.features.to(device))


@dataclass(frozen=True)
class EditedSearch:
    """What one edit found.

    Attributes:
        target_type, target_class: the edit.
        numbers: which of the queries asked for it: those that have another class, ``(E,)``.
        wanted: code of the combination that each of them wants, ``(E,)``.
        found: gallery positions of its results, best first, without the query, ``(E, depth)``.
        scores: inner product of each result with the query vector, ``(E, depth)``.
        own_cosines: of the head of each query vector with the unedited query, ``(E,)``.
    """

    target_type: str
    target_class: str
    numbers: np.ndarray
    wanted: np.ndarray
    found: Tensor
    scores: Tensor
    own_cosines: Tensor


class Searcher:
    """The gallery of an evaluation as one method searches it, prepared once for all its edits."""

    @torch.inference_mode()
    def __init__(self, editor: Editor | SearchVectors, data: EvaluationSet, depth: int) -> None:
        """Args:
        depth: results of each search; a gallery of fewer gives all it has.
        """
        self.vectors, self.data, self.depth = search_vectors(editor), data, depth
        self.gallery = self.vectors.gallery(data.features)
        self.head = self.vectors.head_dimension(self.gallery)
        self.searched = min(depth, len(self.gallery) - 1)

    @torch.inference_mode()
    def __call__(self, numbers: np.ndarray, edits: Sequence[Edit]) -> tuple[Tensor, Tensor, Tensor]:
        """``found``, ``scores`` and ``own_cosines`` of an ``EditedSearch``.

        Args:
            numbers: which of the queries ask, ``(E,)``; none of them finds itself.
        """
        positions = torch.from_numpy(self.data.queries[numbers]).to(self.gallery.device)
        features = self.data.features[positions]
        vectors = self.vectors.queries(features, edits)
        scores, found = top_k(vectors, self.gallery, self.searched, exclude=positions)
        return found, scores, self._own_cosines(vectors, positions)

    @torch.inference_mode()
    def of_candidates(
        self, numbers: np.ndarray, edits: Sequence[Edit], counts: Sequence[int]
    ) -> dict[int, tuple[Tensor, Tensor, Tensor]]:
        """The same where only some photos are scored by the whole vectors: the nearest by the
        cosine to the edited feature alone.

        Args:
            counts: numbers of such candidates; one beyond the gallery is all of it.

        Returns:
            Number of candidates -> ``found``, ``scores`` and ``own_cosines``.
        """
        positions = torch.from_numpy(self.data.queries[numbers]).to(self.gallery.device)
        features = self.data.features[positions]
        vectors, heads = self.vectors.queries(features, edits), self.gallery[:, : self.head]
        most = min(max(counts), len(self.gallery) - 1)
        near = self.vectors.edited(features, edits)
        _, candidates = top_k(near, heads, most, exclude=positions)
        chunks = zip(torch.split(vectors, CHUNK), torch.split(candidates, CHUNK), strict=True)
        scores = torch.cat([(v @ self.gallery.T).gather(1, of) for v, of in chunks])
        own, found = self._own_cosines(vectors, positions), {}
        for count in counts:
            first = scores[:, :count]
            best = first.topk(min(self.searched, first.shape[1]), dim=1)
            found[count] = candidates.gather(1, best.indices), best.values, own
        return found

    def _own_cosines(self, vectors: Tensor, positions: Tensor) -> Tensor:
        """Cosine of the head of each query vector with the unedited query, ``(E,)``."""
        heads = F.normalize(vectors[:, : self.head], dim=-1)
        return (heads * self.gallery[positions, : self.head]).sum(dim=1)


def edits_of(
    data: EvaluationSet,
    impossible: bool = False,
    strength: float = 1.0,
    progress: Progress = lambda edits: edits,
) -> Iterator[tuple[Edit, np.ndarray, np.ndarray]]:
    """Every edit that some query asks for: the edit, which queries, the combinations they want.

    Args:
        impossible: whether also queries whose combination no gallery image has.
        strength: of every edit.
        progress: wraps the list of (type, class) pairs, e.g. with a progress bar.
    """
    for name, class_name in progress(
        [(n, c) for n in data.schema.types for c in data.schema.of(n)]
    ):
        wanted, other = data.edit(name, class_name)
        asking = other if impossible else other & np.isin(wanted, data.combinations)
        numbers = np.flatnonzero(asking)
        if len(numbers):
            yield Edit(name, class_name, strength), numbers, wanted[numbers]


@torch.inference_mode()
def edited_searches(
    editor: Editor | SearchVectors | Searcher,
    data: EvaluationSet,
    depth: int,
    impossible: bool = False,
    progress: Progress = lambda edits: edits,
    strength: float = 1.0,
) -> Iterator[EditedSearch]:
    """Edit by edit, so that memory does not grow with their number; one that nobody asks for is
    passed over.

    Args:
        editor: searches by a ``Searcher`` of its own, or is one.
        depth: results of each search; a gallery of fewer gives all it has.
        impossible: whether also those search whose combination no gallery image has, instead of
            only those that can be answered.
        progress, strength: as for ``edits_of``.
    """
    search = editor if isinstance(editor, Searcher) else Searcher(editor, data, depth)
    for edit, numbers, wanted in edits_of(data, impossible, strength, progress):
        asked = edit.attribute_type, str(edit.wanted)
        yield EditedSearch(*asked, numbers, wanted, *search(numbers, [edit]))
