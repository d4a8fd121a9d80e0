"""Two edits at once, "in red and striped": T@k over pairs of attribute types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from flam_pl.attributes import AttributeSchema
from flam_pl.editing.editor import Editor
from flam_pl.editing.edits import Edit
from flam_pl.evaluation.hits import by_query
from flam_pl.evaluation.searches import EvaluationSet, Searcher
from flam_pl.metrics.bootstrap import Estimate, bootstraps
from flam_pl.metrics.hit_rate import hits_at
from flam_pl.retrieval.vectors import SearchVectors

BLOCK = 256
"""Queries compared with all combinations at once: their product with all queries would not fit."""


@dataclass(frozen=True)
class DoubleEdits:
    """Edits of two types that some gallery image answers.

    Attributes:
        numbers: which query asks, ``(E,)``.
        wanted: classes of the combination that it wants, ``(E, types)``; two of them are not its
            own.
    """

    numbers: np.ndarray
    wanted: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)

    def changed(self, data: EvaluationSet) -> np.ndarray:
        """Which types each changes, ``(E, 2)``."""
        other = self.wanted != data.labels[data.queries[self.numbers]]
        return np.nonzero(other)[1].reshape(-1, 2)


def draw_double_edits(data: EvaluationSet, most: int, seed: int) -> DoubleEdits:
    """At most so many of all double edits, each as likely as any other; sorted by query.

    A query and a combination that the gallery has make one, where they differ in two types.
    """
    combinations = np.unique(data.labels, axis=0)
    numbers, targets = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for start in range(0, len(data.queries), BLOCK):
        own = data.labels[data.queries[start : start + BLOCK]]
        query, target = np.nonzero((own[:, None] != combinations[None]).sum(axis=2) == 2)
        numbers.append(query + start)
        targets.append(target)
    number, target = np.concatenate(numbers), np.concatenate(targets)
    if len(number) > most:
        rng = np.random.default_rng(seed)
        drawn = np.sort(rng.choice(len(number), most, replace=False))
        number, target = number[drawn], target[drawn]
    return DoubleEdits(number, combinations[target])


@dataclass(frozen=True)
class DoubleEditResults:
    """Hits of one method: is the wanted combination among the first k?

    Attributes:
        numbers: which query asked, ``(E,)``.
        changed: the two types of each, ``(E, 2)``.
        hits: ``(E, len(ks))`` bool.
        items: item code of each query of the evaluation, ``(Q,)``.
    """

    ks: tuple[int, ...]
    schema: AttributeSchema
    numbers: np.ndarray
    changed: np.ndarray
    hits: np.ndarray
    items: np.ndarray

    def figures(self, resamples: int, seed: int) -> dict[str, dict[str, Estimate]]:
        """T@k over "all" double edits and for each pair of types ("shape + color"), with intervals
        resampled by item."""
        groups = {"all": np.ones(len(self.numbers), dtype=bool)}
        for pair in np.unique(self.changed, axis=0):
            name = " + ".join(self.schema.types[t] for t in pair)
            groups[name] = (self.changed == pair).all(axis=1)
        return {name: self._figures(rows, resamples, seed) for name, rows in groups.items()}

    def _figures(self, rows: np.ndarray, resamples: int, seed: int) -> dict[str, Estimate]:
        hits, counts = by_query(self.numbers[rows], self.hits[rows])
        names = [f"T@{k}" for k in self.ks]
        items = self.items[np.unique(self.numbers[rows])]
        return bootstraps(hits, counts, names, resamples=resamples, seed=seed, items=items)


Progress = Callable[[Sequence[np.ndarray]], Iterable[np.ndarray]]


def evaluate_double_edits(
    editor: Editor | SearchVectors | Searcher,
    data: EvaluationSet,
    edits: DoubleEdits,
    ks: Sequence[int],
    progress: Progress = lambda groups: groups,
) -> DoubleEditResults:
    """Search with every double edit; those that edit for the same two classes search together.

    Args:
        progress: wraps the list of such groups, e.g. with a progress bar.
    """
    search = editor if isinstance(editor, Searcher) else Searcher(editor, data, max(ks))
    codes = torch.from_numpy(data.combinations).to(data.features.device)
    wanted = torch.from_numpy(data.schema.combinations(edits.wanted)).to(data.features.device)
    changed = edits.changed(data)
    hits = np.zeros((len(edits), len(ks)), dtype=bool)
    for rows in progress(same_edits(edits, changed)):
        found, _, _ = search(
            edits.numbers[rows], edits_of_pair(edits, changed, rows[0], data.schema)
        )
        asked = wanted[torch.from_numpy(rows).to(wanted.device)]
        hits[rows] = hits_at(codes[found], asked, ks).cpu().numpy()
    return DoubleEditResults(tuple(ks), data.schema, edits.numbers, changed, hits, data.query_items)


def same_edits(edits: DoubleEdits, changed: np.ndarray) -> list[np.ndarray]:
    """Positions of the edits, those that edit for the same two classes together."""
    classes = np.take_along_axis(edits.wanted, changed, axis=1)
    asked, group = np.unique(np.hstack([changed, classes]), axis=0, return_inverse=True)
    group = group.reshape(-1)  # NumPy 2.0 gives it another axis
    return [np.flatnonzero(group == number) for number in range(len(asked))]


def edits_of_pair(
    edits: DoubleEdits, changed: np.ndarray, row: int, schema: AttributeSchema
) -> list[Edit]:
    """The two edits of one edit."""
    names = [schema.types[t] for t in changed[row]]
    classes = [edits.wanted[row, t] for t in changed[row]]
    return [Edit(n, schema.of(n)[c]) for n, c in zip(names, classes, strict=True)]
