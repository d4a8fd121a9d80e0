"""T@k of edits, of double edits and among few candidates; R@k of items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from flam_pl.attributes import UNLABELLED
from flam_pl.editing.edits import Edit
from flam_pl.evaluation.searches import (
    EditedSearch,
    EvaluationSet,
    Method,
    Progress,
    edit_to,
    rows_of,
    search_edits,
    searcher_of,
)
from flam_pl.galleries.exact import queries_at_once, top_k
from flam_pl.metrics.bootstrap import Draws, Estimate, bootstraps, macro_bootstraps
from flam_pl.metrics.hit_rate import hits_at
from flam_pl.retrieval.vectors import SearchVectors

BLOCK = 256  # queries compared with all combinations at once


class Measure(Protocol):
    """Collects edited searches."""

    def add(self, search: EditedSearch) -> None: ...


class QuerySums:
    """Per group of edits and per query: sums of figures ``(Q, figures)``, edit counts ``(Q,)``."""

    def __init__(self, data: EvaluationSet, groups: Iterable[str], figures: Iterable[str]) -> None:
        self.data, self.names = data, list(figures)
        shape = len(data.queries), len(self.names)
        self.sums = {group: np.zeros(shape) for group in groups}
        self.counts = {group: np.zeros(shape[0]) for group in self.sums}

    def count(self, group: str, numbers: np.ndarray, figures: Tensor) -> None:
        """Add figures ``(E, figures)`` of queries ``numbers (E,)``, one edit each."""
        self.sums[group][numbers] += figures.cpu().numpy()
        self.counts[group][numbers] += 1

    def estimates(self, draws: Draws) -> dict[str, dict[str, Estimate]]:
        """Group -> figure -> mean over edits, resampled by item."""
        each = self.names, self.data.query_items, draws
        return {group: bootstraps(of, self.counts[group], *each) for group, of in self.sums.items()}


@dataclass(frozen=True)
class EditResults:
    """T@k of one method per edit (see ``Edits``)."""

    names: list[str]  # "T@k" for each k
    numbers: np.ndarray
    groups: Mapping[str, np.ndarray]  # name -> which edits belong to it, (E,) bool
    wanted: np.ndarray
    hits: np.ndarray  # whether a hit is among the first k results, (E, ks) bool
    items: np.ndarray  # what is resampled as one, (Q,)
    resample_all: bool = True  # also queries without an edit

    def shares(self) -> dict[str, float]:
        """T@k over all edits; 0 without edits."""
        shares = self.hits.sum(axis=0) / max(1, len(self.hits))
        return dict(zip(self.names, shares.tolist(), strict=True))

    def sums(self, rows: np.ndarray | slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """Per query, the number of hits ``(Q, ks)`` and of edits ``(Q,)``."""
        sums, numbers = np.zeros((len(self.items), len(self.names))), self.numbers[rows]
        np.add.at(sums, numbers, self.hits[rows])
        return sums, np.bincount(numbers, minlength=len(sums))

    def estimates(self, draws: Draws) -> dict[str, dict[str, Estimate]]:
        found = {}
        for group, rows in self.groups.items():
            hits, counts = self.sums(rows)
            used = (counts > 0) | self.resample_all
            each = hits[used], counts[used], self.names, self.items[used]
            found[group] = bootstraps(*each, draws)
        return found

    def macro_estimates(self, draws: Draws) -> dict[str, Estimate]:
        combinations = np.unique(self.wanted, axis=0, return_inverse=True)[1].reshape(-1)
        items = self.items[self.numbers]
        return macro_bootstraps(self.hits, combinations, self.names, items, draws)


class Hits:
    """Collects T@k of edited searches."""

    def __init__(self, data: EvaluationSet, ks: Sequence[int]) -> None:
        self.data, self.ks = data, tuple(ks)
        none = np.zeros(0, np.int64)
        self.parts = [(none, none, data.labels[none], np.zeros((0, len(ks)), bool))]

    def add(self, search: EditedSearch) -> None:
        is_hit = self.data.hits(search.found, search.wanted)
        hits = hits_at(is_hit, is_hit.new_ones(len(is_hit)), self.ks)
        types = np.full(len(search.numbers), search.t)
        self.parts.append((search.numbers, types, search.wanted, hits.cpu().numpy()))

    def results(self) -> EditResults:
        numbers, types, wanted, hits = map(np.concatenate, zip(*self.parts, strict=True))
        by_type = {name: types == t for t, name in enumerate(self.data.schema.types)}
        groups, names = {"all": types >= 0, **by_type}, [f"T@{k}" for k in self.ks]
        return EditResults(names, numbers, groups, wanted, hits, self.data.query_items)


@torch.inference_mode()
def evaluate_edits(
    method: Method,
    data: EvaluationSet,
    ks: Sequence[int],
    progress: Progress = lambda edits: edits,
    also: Sequence[Measure] = (),
    strength: float = 1.0,
) -> EditResults:
    """T@k of every edit that has a hit; ``also`` measures the same searches."""
    hits = Hits(data, ks)
    for search in search_edits(method, data, max(ks), progress=progress, strength=strength):
        for measure in (hits, *also):
            measure.add(search)
    return hits.results()


class CandidateSearcher:
    """Takes the photos nearest to the edited feature as candidates; sorts them by the score."""

    @torch.inference_mode()
    def __init__(self, vectors: SearchVectors, data: EvaluationSet, depth: int) -> None:
        self.vectors, self.data, self.depth = vectors, data, depth
        self.heads, self.gallery = vectors.heads(data.features), vectors.gallery(data.features)
        self.own = vectors.read(data.features)

    @torch.inference_mode()
    def __call__(
        self, numbers: np.ndarray, edits: Sequence[Edit], counts: Sequence[int]
    ) -> dict[int, Tensor]:
        """Number of candidates -> positions of the results, ``(E, depth)``."""
        positions = torch.from_numpy(self.data.queries[numbers]).to(self.gallery.device)
        features, own = self.data.features[positions], rows_of(self.own, positions)
        parts = self.vectors.parts(features, edits, own)
        _, candidates = top_k(parts.edited, self.heads, max(counts), exclude=positions)
        queries = self.vectors.weighted(parts)
        chunk = queries_at_once(len(self.gallery))
        chunks = zip(torch.split(queries, chunk), torch.split(candidates, chunk), strict=True)
        scores = torch.cat([(q @ self.gallery.T).gather(1, of) for q, of in chunks])
        best = {n: scores[:, :n].topk(min(self.depth, n, scores.shape[1])).indices for n in counts}
        return {n: candidates.gather(1, positions) for n, positions in best.items()}


@torch.inference_mode()
def evaluate_candidates(
    vectors: SearchVectors,
    data: EvaluationSet,
    ks: Sequence[int],
    also: Mapping[int, Sequence[Measure]],
) -> dict[int, EditResults]:
    """``evaluate_edits`` for each number of candidates in ``also``."""
    search, hits = CandidateSearcher(vectors, data, max(ks)), {n: Hits(data, ks) for n in also}
    for (t, c), edited in data.possible.items():
        for n, found in search(edited[0], [edit_to(data.schema, t, c)], list(also)).items():
            result = EditedSearch(data, t, c, *edited, found)
            for measure in (hits[n], *also[n]):
                measure.add(result)
    return {n: of.results() for n, of in hits.items()}


def draw_double_edits(data: EvaluationSet, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """At most ``most`` random edits of two types: query numbers ``(E,)``, wanted labels
    ``(E, types)``."""
    own = data.labels[data.queries]
    labelled = own != UNLABELLED
    parts = [(np.zeros(0, np.int64), own[:0])]
    for types in np.unique(labelled, axis=0):
        # queries with labels of the same types want combinations of these types
        alike = np.flatnonzero((labelled == types).all(axis=1) & data.editable(2))
        complete = data.labels[(data.labels[:, types] != UNLABELLED).all(axis=1)]
        combinations = np.unique(np.where(types, complete, UNLABELLED), axis=0)
        for start in range(0, len(alike), BLOCK):
            block = alike[start : start + BLOCK]
            changes = (own[block][:, None] != combinations[None]).sum(axis=2)
            query, target = np.nonzero(changes == 2)
            parts.append((block[query], combinations[target]))
    numbers, wanted = map(np.concatenate, zip(*parts, strict=True))
    order = np.argsort(numbers, kind="stable")
    if len(order) > most:
        rng = np.random.default_rng(seed)
        order = order[np.sort(rng.choice(len(order), most, replace=False))]
    return numbers[order], wanted[order]


@torch.inference_mode()
def evaluate_double_edits(
    method: Method,
    data: EvaluationSet,
    numbers: np.ndarray,
    wanted: np.ndarray,
    ks: Sequence[int],
    progress: Progress = lambda pairs: pairs,
) -> EditResults:
    """T@k over "all" double edits and per pair of types, e.g. "shape + color"."""
    search = searcher_of(method, data, max(ks))
    hits = np.zeros((len(numbers), len(ks)), dtype=bool)
    types = np.nonzero(wanted != data.labels[data.queries[numbers]])[1].reshape(-1, 2)
    edits = np.hstack([types, np.take_along_axis(wanted, types, axis=1)])
    for a, b, of_a, of_b in progress(np.unique(edits, axis=0).tolist()):
        rows = np.flatnonzero((edits == (a, b, of_a, of_b)).all(axis=1))
        both = [edit_to(data.schema, a, of_a), edit_to(data.schema, b, of_b)]
        found = search(numbers[rows], both)
        is_hit = data.hits(found, wanted[rows])
        hits[rows] = hits_at(is_hit, is_hit.new_ones(len(rows)), ks).cpu().numpy()
    groups = {"all": np.ones(len(numbers), dtype=bool)}
    for pair in np.unique(types, axis=0):
        groups[" + ".join(data.schema.types[t] for t in pair)] = (types == pair).all(axis=1)
    results = [f"T@{k}" for k in ks], numbers, groups, wanted, hits, data.query_items
    return EditResults(*results, resample_all=False)


@torch.inference_mode()
def evaluate_instances(
    features: Tensor,
    items: np.ndarray,
    is_query: np.ndarray,
    ks: Sequence[int],
    draws: Draws,
    pixels: np.ndarray | None = None,
) -> tuple[dict[str, Estimate], int]:
    """R@k, and the number of queries whose item has no shop photo.

    ``is_query (N,)`` marks consumer photos; shop photos are the gallery. Copies have equal codes
    ``pixels (N,)``: a copy of a right photo is a hit too.
    """
    query, shop = np.flatnonzero(is_query), np.flatnonzero(~is_query)
    findable = query[np.isin(items[query], items[shop])]
    if not len(findable):
        return {}, len(query)
    vectors = F.normalize(features, dim=-1)
    _, found = top_k(vectors[findable], vectors[shop], max(ks))
    pixels = np.arange(len(items)) if pixels is None else pixels
    results, photos = shop[found.cpu().numpy()], pixels.max() + 1
    is_hit = np.isin(items[findable][:, None] * photos + pixels[results], items * photos + pixels)
    hits = hits_at(torch.from_numpy(is_hit), torch.ones(len(is_hit), dtype=torch.bool), ks).numpy()
    names, counts = [f"R@{k}" for k in ks], np.ones(len(hits))
    estimates = bootstraps(hits, counts, names, items[findable], draws)
    return estimates, len(query) - len(findable)
