"""Chooses what agreement and likeness weigh in the scoring, by searches among validation images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor

from flam_pl.editing.editor import Editor
from flam_pl.editing.scored import SCORED, Scored, Weights
from flam_pl.editing.searches import EvaluationSet, edited_searches
from flam_pl.editing.wishes import Wish
from flam_pl.nets.embedder import Embedders
from flam_pl.retrieval.search import cosines_at

AGREEMENT = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0)
LIKENESS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""Weights that are tried, each with each."""

CUTOFFS = (1, 5, 20, 50)
"""The weights are best whose T@k at these have the largest sum."""

ALIKE = 10
"""Results whose likeness to the query counts."""


@dataclass(frozen=True)
class Trial:
    """What one pair of weights reaches.

    Attributes:
        shares: T@k of ``CUTOFFS``, summed.
        likeness: mean cosine of the first ``ALIKE`` results to the query.
    """

    weights: Weights
    shares: float
    likeness: float


@dataclass(frozen=True)
class Parts:
    """Of the results of some searches what their order is made of, all ``(E, N)``.

    Attributes:
        hits: whether each has exactly the wanted combination.
    """

    cosines: Tensor
    agreement: Tensor
    likeness: Tensor
    hits: Tensor


@torch.inference_mode()
def try_weights(editor: Editor, embedders: Embedders, data: EvaluationSet) -> list[Trial]:
    """Every pair of weights, on every edit that can be answered; empty where there is none.

    Args:
        editor: whose results are scored.
        data: validation images.
    """
    pairs = [Weights(*pair) for pair in product(AGREEMENT, LIKENESS)]
    sums, count = np.zeros((len(pairs), 2)), 0
    for part in read_parts(editor, embedders, data):
        sums += [measure(weights, part) for weights in pairs]
        count += len(part.hits)
    if not count:
        return []
    return [Trial(weights, *(of / count)) for weights, of in zip(pairs, sums, strict=True)]


def read_parts(editor: Editor, embedders: Embedders, data: EvaluationSet) -> Iterator[Parts]:
    """Search once, edit by edit; how the parts are weighed changes nothing about them."""
    scored = Scored(editor, embedders, Weights(), SCORED, editor.name)
    gallery = scored.read(data.features)
    codes = torch.from_numpy(data.combinations).to(data.features.device)
    for search in edited_searches(editor, data, SCORED):
        queries = gallery.at(torch.from_numpy(data.queries[search.numbers]).to(codes.device))
        wishes = [Wish(search.target_type, search.target_class)]
        wanted = torch.from_numpy(search.wanted).to(codes.device)
        yield Parts(
            search.cosines,
            scored.agreement(queries, wishes, search.found, gallery),
            cosines_at(queries.directions, gallery.directions, search.found),
            codes[search.found] == wanted[:, None],
        )


def measure(weights: Weights, part: Parts) -> tuple[float, float]:
    """``shares`` and ``likeness`` of a ``Trial``, summed over these searches."""
    scores = part.cosines + weights.agreement * part.agreement + weights.likeness * part.likeness
    first = scores.topk(min(max(CUTOFFS), scores.shape[1]), dim=1).indices
    hits = part.hits.gather(1, first)
    shares = sum(float(hits[:, :k].any(dim=1).sum()) for k in CUTOFFS)
    return shares, float(part.likeness.gather(1, first[:, :ALIKE]).mean(dim=1).sum())


def choose(trials: Sequence[Trial], cost: float) -> Weights:
    """Of the weights whose T@k are near the best those whose results are most like the query.

    An edit that finds what is wanted, but forgets the query, is no good answer to "this one, but
    in red". No trait of any image is looked at: the likeness is the stored features' own.

    Args:
        cost: share of the best sum of T@k that may be given up.
    """
    best = max((trial.shares for trial in trials), default=0.0)
    near = [trial for trial in trials if trial.shares >= (1 - cost) * best]
    return max(near, key=lambda trial: trial.likeness).weights if near else Weights()
