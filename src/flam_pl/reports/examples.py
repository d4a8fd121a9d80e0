"""Edited searches to look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from flam_pl.attributes import UNLABELLED
from flam_pl.editing.edits import Edit
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.retrieval.retriever import Retriever

SHOWN = 5  # results of each search


@dataclass(frozen=True)
class Example:
    """An edit of one query."""

    query: int  # position in the evaluation set
    target_type: str
    target_class: str

    def wanted(self, data: EvaluationSet) -> np.ndarray:
        """The labels that a hit has, ``(types,)``."""
        labels: np.ndarray = data.labels[self.query].copy()
        position = data.schema.types.index(self.target_type)
        labels[position] = data.schema.index(self.target_type, self.target_class)
        return labels

    def title(self, data: EvaluationSet) -> str:
        """The query's classes, and below them the wanted one: ``dress blue``, ``→ red``."""
        return f"{' '.join(classes_of(data, self.query).values())}\n→ {self.target_class}"


def classes_of(data: EvaluationSet, position: int) -> dict[str, str]:
    """Labelled attribute type -> class of one image."""
    labels = zip(data.schema.types, data.labels[position], strict=True)
    return {name: data.schema.of(name)[c] for name, c in labels if c != UNLABELLED}


def choose_examples(data: EvaluationSet, count: int, seed: int) -> list[Example]:
    """Per type, ``count`` random edits that have a hit."""
    rng, examples = np.random.default_rng(seed), []
    for t, name in enumerate(data.schema.types):
        possible = np.zeros((len(data.labels), data.schema.sizes[t]), dtype=bool)
        for (kind, c), (numbers, _) in data.possible.items():
            if kind == t:
                possible[data.queries[numbers], c] = True
        order = rng.permutation(data.queries)
        for query in order[possible[order].any(axis=1)][:count]:
            wanted = data.schema.of(name)[int(rng.choice(np.flatnonzero(possible[query])))]
            examples.append(Example(int(query), name, wanted))
    return examples


@dataclass(frozen=True)
class Search:
    """The results of an example."""

    example: Example
    results: list[int]  # gallery positions, best first
    hits: list[bool]  # whether each has the wanted combination
    ignored: list[bool]  # whether each is labelled with another class

    @classmethod
    def run(
        cls, example: Example, data: EvaluationSet, index: Retriever, shown: int = SHOWN
    ) -> Search:
        """The results of an example; ``index`` holds all photos of ``data``."""
        edits = [Edit(example.target_type, example.target_class)]
        query = data.features[[example.query]]
        _, found = index.search(query, edits, shown, exclude=[example.query])
        wanted, t = example.wanted(data), data.schema.types.index(example.target_type)
        labels = data.labels[found[0].cpu().numpy(), t]
        ignored = (labels != wanted[t]) & (labels != UNLABELLED)
        hits = data.hits(found, wanted[None])[0]
        return cls(example, found[0].tolist(), hits.tolist(), ignored.tolist())

    def to_plain(self, image: Callable[[int], dict[str, Any]]) -> dict[str, Any]:
        marks = zip(self.results, self.hits, self.ignored, strict=True)
        return {
            "query": image(self.example.query),
            "type": self.example.target_type,
            "edit": self.example.target_class,
            "results": [image(p) | {"hit": hit, "ignored": no} for p, hit, no in marks],
        }
