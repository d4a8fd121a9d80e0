"""T@k of edits, R@k of items: where hits are counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from flam_pl.evaluation.searches import (
    EditedSearch,
    EvaluationSet,
    Method,
    Progress,
    search_edits,
)
from flam_pl.galleries.exact import top_k
from flam_pl.metrics.bootstrap import Draws, Estimate, bootstraps, macro_bootstraps
from flam_pl.metrics.hit_rate import hits_at


class Measure(Protocol):
    """Collects edited searches."""

    def add(self, search: EditedSearch) -> None: ...


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
        hits = hits_at(search.hits, search.hits.new_ones(len(search.hits)), self.ks)
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
