"""CF@k: a photo of the same garment with the wanted class is among the first k results."""

from __future__ import annotations

import numpy as np
import torch

from flam_pl.evaluation.searches import EvaluationSet, Method, edit_to, searcher_of


def counterfactual_edits(data: EvaluationSet) -> np.ndarray:
    """Edits to a label of another photo of the same garment: (query, type, class), ``(E, 3)``."""
    edits: set[tuple[int, int, int]] = set()
    of_garment: dict[int, list[int]] = {}
    for row in np.flatnonzero(data.garments >= 0):
        of_garment.setdefault(int(data.garments[row]), []).append(int(row))
    for number, query in enumerate(data.queries):
        own = data.labels[query]
        for other in of_garment.get(int(data.garments[query]), []):
            theirs = data.labels[other]
            changed = (theirs != own) & (theirs >= 0) & (own >= 0)
            edits |= {(number, int(t), int(theirs[t])) for t in np.flatnonzero(changed)}
    return np.array(sorted(edits), dtype=np.int64).reshape(-1, 3)


@torch.inference_mode()
def counterfactual_ranks(
    method: Method, data: EvaluationSet, edits: np.ndarray, depth: int
) -> np.ndarray:
    """Per edit, the rank of the first right photo ``(E,)``, infinite beyond ``depth``."""
    search = searcher_of(method, data, depth)
    ranks = np.full(len(edits), np.inf)
    for t, c in np.unique(edits[:, 1:], axis=0):
        rows = (edits[:, 1:] == (t, c)).all(axis=1)
        numbers = edits[rows, 0]
        found = search(numbers, [edit_to(data.schema, t, c)]).cpu().numpy()
        garments = data.garments[data.queries[numbers]]
        right = (data.garments[found] == garments[:, None]) & (data.labels[found, t] == c)
        ranks[rows] = np.where(right.any(axis=1), right.argmax(axis=1) + 1.0, np.inf)
    return ranks
