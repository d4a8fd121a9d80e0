"""Chooses what agreement and likeness weigh in the scoring, by searches among validation images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor

from flam_pl.editing.in_turn import in_turn
from flam_pl.editing.scored import Scored
from flam_pl.editing.scores import Parts, Weights, at_once
from flam_pl.editing.searches import EvaluationSet, Progress, edited_searches
from flam_pl.editing.wishes import Wish

AGREEMENT = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0)
LIKENESS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
"""Weights that are tried, each with each."""

CUTOFFS = (1, 5, 20, 50)
"""The weights are best whose edits have a hit among so many results most often, summed."""

TOGETHER = 1024
"""Searches that are ordered at once: a loop over their places costs as much for one edit's few."""

ALIKE = 10
"""Results whose likeness counts."""


@dataclass(frozen=True)
class Trial:
    """What one pair of weights reaches.

    Attributes:
        misses: share of the edits without a hit among the first k, summed over ``CUTOFFS``.
        likeness: mean cosine of the first ``ALIKE`` results to what the query would be.
    """

    weights: Weights
    misses: float
    likeness: float


@torch.inference_mode()
def try_weights(
    scored: Scored, data: EvaluationSet, progress: Progress = lambda edits: edits
) -> list[Trial]:
    """Every pair of weights, on every edit that can be answered; empty where there is none.

    Args:
        scored: whose results are ordered; its own weights do not matter.
        data: validation images.
        progress: wraps the list of (type, class) pairs, e.g. with a progress bar.
    """
    order = in_turn if scored.in_turn else at_once
    pairs = [Weights(*pair) for pair in product(AGREEMENT, LIKENESS)]
    sums, count = np.zeros((len(pairs), 2)), 0
    for parts, hits in read_parts(scored, data, progress):
        sums += [measure(order(parts, weights), parts, hits) for weights in pairs]
        count += len(hits)
    if not count:
        return []
    return [Trial(weights, *(of / count)) for weights, of in zip(pairs, sums, strict=True)]


def read_parts(
    scored: Scored, data: EvaluationSet, progress: Progress
) -> Iterator[tuple[Parts, Tensor]]:
    """Search once; how the parts are weighed changes nothing about them.

    Yields:
        The parts of about ``TOGETHER`` searches, and whether each result has exactly the wanted
        combination, ``(E, N)``.
    """
    waiting: list[tuple[Parts, Tensor]] = []
    gallery = scored.read(data.features)
    codes = torch.from_numpy(data.combinations).to(data.features.device)
    for search in edited_searches(scored.editor, data, scored.depth, progress=progress):
        queries = gallery.at(torch.from_numpy(data.queries[search.numbers]).to(codes.device))
        wishes = [Wish(search.target_type, search.target_class)]
        wanted = torch.from_numpy(search.wanted).to(codes.device)
        parts = scored.parts(queries, wishes, search.cosines, search.found, gallery)
        waiting.append((parts, codes[search.found] == wanted[:, None]))
        if sum(len(hits) for _, hits in waiting) >= TOGETHER:
            yield joined(waiting)
            waiting = []
    if waiting:
        yield joined(waiting)


def joined(several: Sequence[tuple[Parts, Tensor]]) -> tuple[Parts, Tensor]:
    """As ``Parts.joined``, with the hits."""
    parts, hits = zip(*several, strict=True)
    return Parts.joined(parts), torch.cat(hits)


def measure(order: Tensor, parts: Parts, hits: Tensor) -> tuple[float, float]:
    """``misses`` and ``likeness`` of a ``Trial``, summed over these searches."""
    hits = hits.gather(1, order[:, : max(CUTOFFS)])
    misses = sum(float((~hits[:, :k].any(dim=1)).sum()) for k in CUTOFFS)
    return misses, float(parts.likeness.gather(1, order[:, :ALIKE]).mean(dim=1).sum())


def choose(trials: Sequence[Trial], cost: float) -> Weights:
    """Of the weights that find hardly less than the best those whose results are most like what
    the query would be.

    An edit that finds what is wanted, but forgets the query, is no good answer to "this one, but
    in red". No trait of any image is looked at: the likeness is the stored features' own.

    Args:
        cost: what may be lost against the best weights, as a share of their misses or of their
            hits, whichever are fewer: where most edits miss, a share of the misses would be most
            of what is found.
    """
    least = min((trial.misses for trial in trials), default=0.0)
    most = least + cost * min(least, len(CUTOFFS) - least)
    near = [trial for trial in trials if trial.misses <= most]
    return max(near, key=lambda trial: trial.likeness).weights if near else Weights()
