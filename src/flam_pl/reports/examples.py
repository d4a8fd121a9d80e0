"""Edited searches to look at: drawn at random, searched, and sorted by how badly they do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flam_pl.editing.evaluation import EvaluationSet
from flam_pl.galleries.index import GalleryIndex


@dataclass(frozen=True)
class Example:
    """One wish: a query image and the class that it should have instead."""

    query: int
    """Position in the evaluation set."""
    target_type: str
    target_class: str

    def wanted(self, data: EvaluationSet) -> np.ndarray:
        """The labels asked for, ``(types,)``."""
        labels: np.ndarray = data.labels[self.query].copy()
        position = data.schema.types.index(self.target_type)
        labels[position] = data.schema.index(self.target_type, self.target_class)
        return labels

    def search(self, data: EvaluationSet, index: GalleryIndex, k: int | None = None) -> np.ndarray:
        """Positions of the k best results ``(k,)``, or of all; the query is not among them.

        Args:
            index: of ``data``, by the method that searches.
        """
        edit = (self.target_type, self.target_class)
        depth = len(index) if k is None else k + 1
        _, found = index.search(data.features[[self.query]], depth, edit)
        results: np.ndarray = found[0][found[0] != self.query]
        return results[:k]

    def hits(self, data: EvaluationSet, results: np.ndarray) -> np.ndarray:
        """Which of these positions have exactly the wanted combination, ``(k,)`` bool."""
        hits: np.ndarray = (data.labels[results] == self.wanted(data)).all(axis=1)
        return hits

    def first_hit(self, data: EvaluationSet, index: GalleryIndex) -> int:
        """Rank of the first image with the wanted combination, from 1; 0 where there is none."""
        hits = np.flatnonzero(self.hits(data, self.search(data, index)))
        return int(hits[0]) + 1 if len(hits) else 0

    def title(self, data: EvaluationSet) -> str:
        """E.g. ``dress blue stripes``, and below it ``→ red``."""
        schema, labels = data.schema, data.labels[self.query]
        names = [schema.of(name)[labels[t]] for t, name in enumerate(schema.types)]
        return f"{' '.join(names)}\n→ {self.target_class}"


def choose_examples(data: EvaluationSet, count: int, seed: int) -> list[Example]:
    """``count`` edits of each type, drawn at random among those that the gallery can answer.

    Drawn, not picked: pictures of the best cases would say nothing about the method.
    """
    rng = np.random.default_rng(seed)
    combinations = data.schema.combinations(data.labels)
    have = set(combinations.tolist())
    examples = []
    for t, name in enumerate(data.schema.types):
        found: list[Example] = []
        for query in rng.permutation(data.queries):
            labels = np.repeat(data.labels[query][None], data.schema.sizes[t], axis=0)
            labels[:, t] = np.arange(data.schema.sizes[t])
            codes = data.schema.combinations(labels)
            possible = [c for c in range(len(codes)) if codes[c] in have]
            possible = [c for c in possible if c != data.labels[query, t]]
            if possible:
                wanted = data.schema.of(name)[int(rng.choice(possible))]
                found.append(Example(int(query), name, wanted))
            if len(found) == count:
                break
        examples += found
    return examples


def worst_first(
    data: EvaluationSet, index: GalleryIndex, examples: Sequence[Example]
) -> list[tuple[int, Example]]:
    """The examples with the ranks of their first hits, the deepest first."""
    ranked = [(example.first_hit(data, index), example) for example in examples]
    return sorted(ranked, key=lambda pair: -pair[0])
