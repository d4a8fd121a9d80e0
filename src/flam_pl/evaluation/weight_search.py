"""What the scoring weighs beside the cosine: chosen on validation photos by one declared objective.

Objective: the mean over all edits of worth@5 (``precision.worth``: a result without the wanted
class is worth nothing, one with it the more, the more of the rest it keeps). Where the validation
photos hold counterfactuals, the mean reciprocal rank of the counterfactual is a quarter of it: it
tells whether "the rest" is kept also in what no label names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from torch import Tensor

from flam_pl.editing.editor import Editor
from flam_pl.editing.edits import Edit
from flam_pl.evaluation.counterfactuals import CounterfactualEdits
from flam_pl.evaluation.precision import Precision
from flam_pl.evaluation.searches import EditedSearch, EvaluationSet, edits_of
from flam_pl.retrieval.vectors import Posteriors, ScoreWeights, SearchVectors

K = 5
"""Results that the objective looks at: what a shopper sees first. Few photos of a small validation
gallery are right in everything: to count ten results rewards those that forget the rest."""

QUERIES = 600
"""Validation photos that are used as queries, at most, drawn at random: three weights need no
more."""

OF_COUNTERFACTUALS = 0.25
"""Their share in the objective."""

TARGET = (0.3, 0.5, 0.8, 1.2, 2.0)
OTHERS = (0.2, 0.35, 0.5)
"""``others`` as a share of ``target``."""
MOVED = (0.0, 0.5, 1.5)


@dataclass(frozen=True)
class Trial:
    """What some weights reach on validation.

    Attributes:
        worth: mean worth@5 over all edits.
        counterfactual: mean reciprocal rank of the counterfactual; None where there is none.
    """

    weights: ScoreWeights
    worth: float
    counterfactual: float | None

    @property
    def objective(self) -> float:
        """What is to be as large as possible."""
        if self.counterfactual is None:
            return self.worth
        return (1 - OF_COUNTERFACTUALS) * self.worth + OF_COUNTERFACTUALS * self.counterfactual


def choose(trials: Sequence[Trial]) -> Trial:
    """The trial with the largest objective, the first of equals."""
    return max(trials, key=lambda trial: trial.objective)


@torch.inference_mode()
def try_weights(
    editor: Editor,
    posteriors: Posteriors,
    dense: EvaluationSet,
    counterfactual: EvaluationSet,
    weights: Iterable[ScoreWeights] | None = None,
    seed: int = 0,
) -> list[Trial]:
    """Every combination of weights, by searches that are made once.

    Args:
        dense: validation photos with all labels.
        counterfactual: validation photos among which counterfactuals are looked for.
        weights: that are tried; None: the grid of this module, without ``moved`` where the
            classifier has no means.
        seed: of the draw of the queries.
    """
    tried = list(grid(posteriors.means is not None) if weights is None else weights)
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.permutation(dense.queries)[:QUERIES])
    dense = replace(dense, queries=drawn)
    first = Precision(dense, [K])
    measures = [Precision(dense, [K], like=first) for _ in tried]
    parts = Parts(editor, posteriors, dense)
    for edit, numbers, wanted in edits_of(dense):
        for n, found in parts.found(edit, numbers, tried):
            t, c = edit.attribute_type, str(edit.wanted)
            search = EditedSearch(t, c, numbers, wanted, found, found.float(), found[:, 0].float())
            measures[n].add(search)
    reciprocal = try_counterfactuals(editor, posteriors, counterfactual, tried)
    return [
        Trial(w, measure.mean("worth", K), reciprocal[n] if reciprocal else None)
        for n, (w, measure) in enumerate(zip(tried, measures, strict=True))
    ]


def grid(moved: bool) -> Iterator[ScoreWeights]:
    """The weights that are tried."""
    for target, share, of_moved in product(TARGET, OTHERS, MOVED if moved else MOVED[:1]):
        yield ScoreWeights(target, target * share, of_moved)


def try_counterfactuals(
    editor: Editor, posteriors: Posteriors, data: EvaluationSet, tried: Sequence[ScoreWeights]
) -> list[float]:
    """Mean reciprocal rank of the counterfactual per weights; empty where there is none."""
    edits = CounterfactualEdits.of(data)
    if not len(edits):
        return []
    parts, totals = Parts(editor, posteriors, data), np.zeros(len(tried))
    for t, c in np.unique(np.stack([edits.types, edits.classes], axis=1), axis=0):
        rows = np.flatnonzero((edits.types == t) & (edits.classes == c))
        name = data.schema.types[t]
        numbers = edits.numbers[rows]
        right = data.garments == data.garments[data.queries[numbers]][:, None]
        right &= data.labels[:, t] == c
        edit = Edit(name, data.schema.of(name)[c])
        mask = torch.from_numpy(right).to(data.features.device)
        for n, scores in parts.scores(edit, numbers, tried):
            best = scores.masked_fill(~mask, -torch.inf).amax(dim=1, keepdim=True)
            ranks = (scores > best).sum(dim=1) + 1
            totals[n] += float((1 / ranks).sum())
    return [float(total) / len(edits) for total in totals]


class Parts:
    """The scores of one method on one data set, part by part: other weights search nothing anew."""

    def __init__(self, editor: Editor, posteriors: Posteriors, data: EvaluationSet) -> None:
        self.data, self.vectors = data, SearchVectors(editor, posteriors)
        gallery = self.vectors.gallery(data.features)
        head = self.vectors.head_dimension(gallery)
        self.features, self.log_posteriors = gallery[:, :head], gallery[:, head:]

    def scores(
        self, edit: Edit, numbers: np.ndarray, tried: Sequence[ScoreWeights]
    ) -> Iterator[tuple[int, Tensor]]:
        """Scores of every photo by each of the weights, ``(E, N)``; minus infinity of itself."""
        positions = torch.from_numpy(self.data.queries[numbers]).to(self.features.device)
        parts = self.vectors.parts(self.data.features[positions], [edit])
        cosine = parts.edited @ self.features.T
        cosine[torch.arange(len(numbers)), positions] = -torch.inf
        target, others = (p @ self.log_posteriors.T for p in (parts.target, parts.others))
        moved = cosine.new_zeros(()) if parts.moved is None else parts.moved @ self.features.T
        for n, w in enumerate(tried):
            yield n, cosine + w.target * target + w.others * others + w.moved * moved

    def found(
        self, edit: Edit, numbers: np.ndarray, tried: Sequence[ScoreWeights]
    ) -> Iterator[tuple[int, Tensor]]:
        """The first results by each of the weights, ``(E, K)``."""
        for n, scores in self.scores(edit, numbers, tried):
            yield n, scores.topk(min(K, scores.shape[1] - 1), dim=1).indices
