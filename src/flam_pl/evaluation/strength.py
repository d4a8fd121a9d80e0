"""What the strength of an edit does: what is found, what is kept, how far the query moves.

Every method can be asked for less. At full strength they cannot be compared by what they keep: one
that stays at the query keeps the most. At equal T@k they can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from flam_pl.editing.editor import Editor
from flam_pl.evaluation.hits import evaluate_edits
from flam_pl.evaluation.precision import Precision
from flam_pl.evaluation.searches import EditedSearch, EvaluationSet, Searcher
from flam_pl.metrics.bootstrap import Estimate, bootstraps
from flam_pl.retrieval.vectors import SearchVectors

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Those that a report shows."""

K = 10
"""Results among which something is found or kept."""

QUERIES = 300
"""Images that ask, drawn at random: five searches an edit of all would double an evaluation, and
these give an interval of a few hundredths."""


class Moves:
    """Counts first results that have the wanted class, and how far the query vectors moved."""

    NAMES = ("wanted_first", "cosine_to_query")

    def __init__(self, data: EvaluationSet) -> None:
        self.data = data
        self.sums = np.zeros((len(data.queries), len(self.NAMES)))
        self.counts = np.zeros(len(data.queries))

    def add(self, search: EditedSearch) -> None:
        """Count what one edit found."""
        t = self.data.schema.types.index(search.target_type)
        c = self.data.schema.index(search.target_type, search.target_class)
        first = search.found[:, 0].cpu().numpy()
        self.sums[search.numbers, 0] += self.data.labels[first, t] == c
        self.sums[search.numbers, 1] += search.own_cosines.cpu().numpy()
        self.counts[search.numbers] += 1


@torch.inference_mode()
def evaluate_strengths(
    editor: Editor | SearchVectors,
    data: EvaluationSet,
    resamples: int,
    seed: int,
    strengths: Sequence[float] = STRENGTHS,
) -> dict[str, dict[str, Estimate]]:
    """Every edit that the gallery can answer, of at most ``QUERIES`` images, at each strength.

    Returns:
        Strength, as "0.25" -> "wanted_first": share of first results that have the wanted class;
        "cosine_to_query": mean cosine of the edited query vector with the unedited one; "T@10",
        "P@10", "as_it_was@10", "worth@10". All with intervals resampled by item.
    """
    rng = np.random.default_rng(seed)
    data = replace(data, queries=np.sort(rng.permutation(data.queries)[:QUERIES]))
    search = Searcher(editor, data, K)
    found = {}
    for strength in strengths:
        moves, precision = Moves(data), Precision(data, [K])
        results = evaluate_edits(search, data, [K], also=[moves, precision], strength=strength)
        found[f"{strength:g}"] = {
            **bootstraps(
                moves.sums,
                moves.counts,
                Moves.NAMES,
                resamples=resamples,
                seed=seed,
                items=data.query_items,
            ),
            **results.figures(resamples, seed)["all"],
            **precision.figures(resamples, seed)["all"],
        }
    return found
