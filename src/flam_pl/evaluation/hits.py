"""Measures any method: T@k of every possible edit, and R@k. One code path for all methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from flam_pl.editing.editor import Editor
from flam_pl.evaluation.searches import (
    EditedSearch,
    EvaluationSet,
    Progress,
    Searcher,
    edited_searches,
    edits_of,
)
from flam_pl.galleries.exact import top_k
from flam_pl.metrics.bootstrap import Estimate, bootstraps, macro_bootstraps
from flam_pl.metrics.hit_rate import hits_at
from flam_pl.retrieval.vectors import SearchVectors


@dataclass(frozen=True)
class EditResults:
    """Hits of one method on an ``EvaluationSet``.

    Attributes:
        hits: for each type, is the wanted combination among the first k?
            ``(Q, classes, len(ks))`` bool.
        asked: for each type, edits that count: the class is another, and some gallery image has
            the wanted combination, ``(Q, classes)`` bool.
        impossible: edits to another class whose combination no gallery image has.
        items: item code of each query, ``(Q,)``: what is resampled as one.
        wanted: for each type the code of the combination that each edit wants, ``(Q, classes)``.
    """

    ks: tuple[int, ...]
    hits: Mapping[str, np.ndarray]
    asked: Mapping[str, np.ndarray]
    impossible: int
    items: np.ndarray
    wanted: Mapping[str, np.ndarray]

    @property
    def evaluated(self) -> int:
        """Edits that count."""
        return sum(int(asked.sum()) for asked in self.asked.values())

    def shares(self) -> dict[str, float]:
        """T@k over all edits, without intervals; 0 where no edit was possible."""
        hits = sum(self.hits[n][self.asked[n]].sum(axis=0) for n in self.hits)
        count = max(1, self.evaluated)
        return {f"T@{k}": float(hits[i]) / count for i, k in enumerate(self.ks)}

    def sums(self) -> tuple[np.ndarray, np.ndarray]:
        """Over all edits of each query: hits ``(Q, len(ks))`` and how many count ``(Q,)``."""
        hits = [(self.hits[n] & self.asked[n][:, :, None]).sum(axis=1) for n in self.hits]
        return np.sum(hits, axis=0), np.sum([of.sum(axis=1) for of in self.asked.values()], axis=0)

    def figures(self, resamples: int, seed: int) -> dict[str, dict[str, Estimate]]:
        """T@k over "all" edits and for each type, with intervals resampled by item."""
        per_type = {
            name: (
                (self.hits[name] & self.asked[name][:, :, None]).sum(axis=1),  # (Q, ks)
                self.asked[name].sum(axis=1),  # (Q,)
            )
            for name in self.hits
        }
        hits = sum(h for h, _ in per_type.values())
        counts = sum(c for _, c in per_type.values())
        names = [f"T@{k}" for k in self.ks]
        return {
            group: bootstraps(h, c, names, resamples=resamples, seed=seed, items=self.items)
            for group, (h, c) in {"all": (hits, counts), **per_type}.items()
        }

    def macro_figures(self, resamples: int, seed: int) -> dict[str, Estimate]:
        """T@k as a mean over the wanted combinations, with intervals resampled by item."""
        places = {name: np.nonzero(asked) for name, asked in self.asked.items()}
        hits = np.concatenate([self.hits[name][at] for name, at in places.items()])
        wanted = np.concatenate([self.wanted[name][at] for name, at in places.items()])
        items = np.concatenate([self.items[at[0]] for at in places.values()])
        names = [f"T@{k}" for k in self.ks]
        return macro_bootstraps(hits, wanted, items, names, resamples=resamples, seed=seed)


def by_query(query: np.ndarray, hits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums over the edits of each query that has any.

    Args:
        query: number of each edit's query, ``(E,)``.
        hits: ``(E, F)``.

    Returns:
        Hits ``(queries, F)`` and how many edits there were ``(queries,)``.
    """
    asking, position = np.unique(query, return_inverse=True)
    sums = np.zeros((len(asking), hits.shape[1]))
    np.add.at(sums, position, hits)
    return sums, np.bincount(position, minlength=len(asking))


class Measure(Protocol):
    """Whatever else is measured of the same searches, summed for each query image."""

    def add(self, search: EditedSearch) -> None:
        """Count what one edit found."""
        ...


class Hits:
    """Counts T@k: whether the wanted combination is among the first k results of each edit."""

    def __init__(self, data: EvaluationSet, ks: Sequence[int]) -> None:
        self.data, self.ks = data, tuple(ks)
        self.codes = torch.from_numpy(data.combinations).to(data.features.device)
        shape = {n: (len(data.queries), len(data.schema.of(n))) for n in data.schema.types}
        self.hits = {name: np.zeros((*shape[name], len(ks)), dtype=bool) for name in shape}
        self.asked = {name: np.zeros(shape[name], dtype=bool) for name in shape}
        self.wanted = {name: np.full(shape[name], -1) for name in shape}

    def add(self, search: EditedSearch) -> None:
        """Count what one edit found."""
        name = search.target_type
        c = self.data.schema.index(name, search.target_class)
        self.asked[name][search.numbers, c] = True
        self.wanted[name][search.numbers, c] = search.wanted
        wanted = torch.from_numpy(search.wanted).to(self.codes.device)
        hit = hits_at(self.codes[search.found], wanted, self.ks)
        self.hits[name][search.numbers, c] = hit.cpu().numpy()

    def results(self) -> EditResults:
        """Of all edits that were added."""
        changes = sum(len(of) * (of.shape[1] - 1) for of in self.asked.values())
        impossible = changes - sum(int(of.sum()) for of in self.asked.values())
        return EditResults(
            self.ks, self.hits, self.asked, impossible, self.data.query_items, self.wanted
        )


@torch.inference_mode()
def evaluate_edits(
    editor: Editor | SearchVectors | Searcher,
    data: EvaluationSet,
    ks: Sequence[int],
    progress: Progress = lambda edits: edits,
    also: Sequence[Measure] = (),
    strength: float = 1.0,
) -> EditResults:
    """Every query, every type, every other class; memory does not grow with the number of edits.

    Args:
        editor: as for ``edited_searches``.
        progress: wraps the list of (type, class) pairs, e.g. with a progress bar.
        also: what is shown every search as well, so that one pass serves all that is measured.
        strength: of every edit.
    """
    hits = Hits(data, ks)
    for search in edited_searches(editor, data, max(ks), progress=progress, strength=strength):
        for measure in (hits, *also):
            measure.add(search)
    return hits.results()


@torch.inference_mode()
def evaluate_candidates(
    vectors: SearchVectors,
    data: EvaluationSet,
    ks: Sequence[int],
    also: Mapping[int, Sequence[Measure]],
) -> dict[int, EditResults]:
    """As ``evaluate_edits``, where only some photos are scored: the nearest by the edited feature.

    Args:
        also: number of candidates -> what is shown every search among so many.

    Returns:
        Number of candidates -> hits.
    """
    searcher = Searcher(vectors, data, max(ks))
    hits = {count: Hits(data, ks) for count in also}
    for edit, numbers, wanted in edits_of(data):
        asked = edit.attribute_type, str(edit.wanted)
        for count, found in searcher.of_candidates(numbers, [edit], list(also)).items():
            for measure in (hits[count], *also[count]):
                measure.add(EditedSearch(*asked, numbers, wanted, *found))
    return {count: of.results() for count, of in hits.items()}


@torch.inference_mode()
def evaluate_instances(
    features: Tensor,
    items: np.ndarray,
    is_query: np.ndarray,
    ks: Sequence[int],
    resamples: int,
    seed: int,
) -> tuple[dict[str, Estimate], int]:
    """FIR: R@k of consumer photos among the shop photos.

    Args:
        features: ``(N, D)``.
        items: ``(N,)`` codes.
        is_query: consumer photos, ``(N,)`` bool; the others are the gallery.

    Returns:
        R@k with intervals, and how many queries have no shop photo at all (they are counted apart,
        since no search could find what is not there).
    """
    query, shop = np.flatnonzero(is_query), np.flatnonzero(~is_query)
    findable = query[np.isin(items[query], items[shop])]
    if not len(findable):
        return {}, len(query)
    gallery = F.normalize(features[shop], dim=-1)
    codes = torch.from_numpy(items).to(features.device)
    queries = F.normalize(features[findable], dim=-1)
    _, found = top_k(queries, gallery, min(max(ks), len(gallery)))
    hits = hits_at(codes[shop][found], codes[findable], ks).cpu().numpy()
    names = [f"R@{k}" for k in ks]
    figures = bootstraps(
        hits, np.ones(len(hits)), names, resamples=resamples, seed=seed, items=items[findable]
    )
    return figures, len(query) - len(findable)
