"""What the strength of a wish does: how often the first result has it, how far the query moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from flam_pl.editing.editor import Editor
from flam_pl.editing.searches import EvaluationSet, edited_searches
from flam_pl.retrieval.intervals import Figure, bootstrap

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Those that a report shows."""

QUERIES = 300
"""Images that ask, drawn at random: five searches an edit of all would double an evaluation, and
these give an interval of a few hundredths."""


@torch.inference_mode()
def evaluate_strengths(
    editor: Editor,
    data: EvaluationSet,
    resamples: int,
    seed: int,
    strengths: Sequence[float] = STRENGTHS,
) -> dict[str, dict[str, Figure]]:
    """Every edit that the gallery can answer, of at most ``QUERIES`` images, at each strength.

    Returns:
        Strength, as "0.25" -> "wanted_first": share of first results that have the wanted class;
        "cosine_to_query": mean cosine of the edited query vector with the unedited one. Both with
        intervals resampled by query image.
    """
    rng = np.random.default_rng(seed)
    some = np.sort(rng.permutation(data.queries)[:QUERIES])
    data = replace(data, queries=some)
    found = {}
    for strength in strengths:
        wanted_first, cosine, counts = (np.zeros(len(some)) for _ in range(3))
        for search in edited_searches(editor, data, 1, strength=strength):
            t = data.schema.types.index(search.target_type)
            c = data.schema.index(search.target_type, search.target_class)
            first = search.found[:, 0].cpu().numpy()
            wanted_first[search.numbers] += data.labels[first, t] == c
            cosine[search.numbers] += search.own_cosines.cpu().numpy()
            counts[search.numbers] += 1
        found[f"{strength:g}"] = {
            name: bootstrap(total, counts, resamples=resamples, seed=seed)
            for name, total in (("wanted_first", wanted_first), ("cosine_to_query", cosine))
        }
    return found
