"""Searches the weights of the score on validation photos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor

from flam_pl.editing.editor import Editor
from flam_pl.evaluation.counterfactuals import counterfactual_edits
from flam_pl.evaluation.precision import Precision
from flam_pl.evaluation.searches import EditedSearch, EvaluationSet, edit_to
from flam_pl.galleries.exact import queries_at_once
from flam_pl.retrieval.posteriors import Posteriors
from flam_pl.retrieval.vectors import ScoreWeights, SearchVectors, log_posteriors

K = 5  # with few hits, a larger k would reward weights that forget the query
QUERIES = 600  # drawn at random, at most
COUNTERFACTUAL_SHARE = 0.25  # of the objective
TARGET = (0.02, 0.05, 0.08, 0.13, 0.2, 0.3, 0.45, 0.7, 1.0, 2.0, 4.0)
"""The target's weight, divided by the weight of the two cosines together, 1 + moved."""
OTHERS = (0.1, 0.2, 0.35, 0.5)  # as a share of the target's weight
MOVED = (0.0, 0.5, 1.5, 4.0, 9.0)


@dataclass(frozen=True)
class Trial:
    """Weights and their validation figures."""

    weights: ScoreWeights
    utility: float  # mean utility@5
    counterfactual: float | None  # mean reciprocal rank of counterfactuals; None without any

    @property
    def objective(self) -> float:
        share = 0.0 if self.counterfactual is None else COUNTERFACTUAL_SHARE
        return (1 - share) * self.utility + share * (self.counterfactual or 0.0)


def choose(trials: Sequence[Trial]) -> Trial:
    return max(trials, key=lambda trial: trial.objective)


def grid(moved: bool) -> Iterator[ScoreWeights]:
    """The weights to try; ``moved``: also weights for class means."""
    for target, share, of_moved in product(TARGET, OTHERS, MOVED if moved else MOVED[:1]):
        weight = target * (1 + of_moved)
        yield ScoreWeights(weight, weight * share, of_moved)


@torch.inference_mode()
def try_weights(
    editor: Editor,
    posteriors: Posteriors,
    data: EvaluationSet,
    counterfactual: EvaluationSet,
    tried: Sequence[ScoreWeights],
    seed: int = 0,
) -> list[Trial]:
    """A trial of each of the weights ``tried``."""
    data = data.with_queries(QUERIES, seed)
    precision, utilities, searches = Precision(data, [K]), torch.zeros(len(tried)).double(), 0
    scorer = Scorer(editor, posteriors, data)
    for (t, c), edited in data.possible.items():
        for numbers, wanted in in_parts(len(data.labels), *edited):
            scores = scorer.scores(t, c, numbers, tried)
            found = torch.cat([of.topk(min(K, of.shape[1] - 1)).indices for of in scores])
            repeated = np.tile(numbers, len(tried)), np.tile(wanted, (len(tried), 1))
            each = precision.utilities(EditedSearch(data, t, c, *repeated, found))
            utilities += each.view(len(tried), -1).sum(dim=1).cpu()
            searches += len(numbers)
    means = (utilities / max(1, searches)).tolist()
    ranks = try_counterfactuals(editor, posteriors, counterfactual, tried)
    return [Trial(*of) for of in zip(tried, means, ranks, strict=True)]


def try_counterfactuals(
    editor: Editor, posteriors: Posteriors, data: EvaluationSet, tried: Sequence[ScoreWeights]
) -> list[float | None]:
    edits = counterfactual_edits(data)
    if not len(edits):
        return [None] * len(tried)
    scorer = Scorer(editor, posteriors, data)
    totals = np.zeros(len(tried))
    for t, c in np.unique(edits[:, 1:], axis=0):
        edited = edits[(edits[:, 1:] == (t, c)).all(axis=1), 0]
        for (numbers,) in in_parts(len(data.labels), edited):
            right = data.garments == data.garments[data.queries[numbers]][:, None]
            right &= data.labels[:, t] == c
            mask = torch.from_numpy(right).to(data.features.device)
            for n, scores in enumerate(scorer.scores(t, c, numbers, tried)):
                best = scores.masked_fill(~mask, -torch.inf).amax(dim=1, keepdim=True)
                ranks = (scores > best).sum(dim=1) + 1
                totals[n] += float((1 / ranks).sum())
    return [float(total) / len(edits) for total in totals]


def in_parts(gallery: int, *arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Rows of the arrays, as many at once as their scores fit into memory."""
    size = queries_at_once(gallery)
    for start in range(0, len(arrays[0]), size):
        yield tuple(of[start : start + size] for of in arrays)


class Scorer:
    """Scores edited searches with many weights."""

    def __init__(self, editor: Editor, posteriors: Posteriors, data: EvaluationSet) -> None:
        self.data, self.vectors = data, SearchVectors(editor, posteriors)
        self.heads, self.own = self.vectors.heads(data.features), posteriors.read(data.features)
        self.tails = log_posteriors(self.own)

    def scores(
        self, t: int, c: int, numbers: np.ndarray, tried: Sequence[ScoreWeights]
    ) -> Iterator[Tensor]:
        """For each of the weights, scores ``(E, N)``; minus infinity for the query itself."""
        positions = torch.from_numpy(self.data.queries[numbers]).to(self.heads.device)
        edit = edit_to(self.data.schema, t, c)
        own = [of[positions] for of in self.own]
        parts = self.vectors.parts(self.data.features[positions], [edit], own)
        cosine = parts.edited @ self.heads.T
        cosine[torch.arange(len(numbers)), positions] = -torch.inf
        target, others = (p @ self.tails.T for p in (parts.target, parts.others))
        moved = cosine.new_zeros(()) if parts.moved is None else parts.moved @ self.heads.T
        for w in tried:
            yield cosine + w.target * target + w.others * others + w.moved * moved
