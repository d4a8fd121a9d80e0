"""T@k of double edits: two attribute types change at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from flam_pl.attributes import UNLABELLED
from flam_pl.evaluation.hits import EditResults
from flam_pl.evaluation.searches import EvaluationSet, Method, Progress, edit_to, searcher_of
from flam_pl.metrics.hit_rate import hits_at

BLOCK = 256  # queries compared with all combinations at once


def draw_double_edits(data: EvaluationSet, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """At most ``most`` random edits of two types: query numbers ``(E,)``, wanted labels
    ``(E, types)``."""
    own = data.labels[data.queries]
    labelled = own != UNLABELLED
    parts = [(np.zeros(0, np.int64), own[:0])]
    for types in np.unique(labelled, axis=0):
        # queries with labels of the same types want combinations of these types
        alike = np.flatnonzero((labelled == types).all(axis=1) & data.editable(2))
        complete = data.labels[(data.labels[:, types] != UNLABELLED).all(axis=1)]
        combinations = np.unique(np.where(types, complete, UNLABELLED), axis=0)
        for start in range(0, len(alike), BLOCK):
            block = alike[start : start + BLOCK]
            changes = (own[block][:, None] != combinations[None]).sum(axis=2)
            query, target = np.nonzero(changes == 2)
            parts.append((block[query], combinations[target]))
    numbers, wanted = map(np.concatenate, zip(*parts, strict=True))
    order = np.argsort(numbers, kind="stable")
    if len(order) > most:
        rng = np.random.default_rng(seed)
        order = order[np.sort(rng.choice(len(order), most, replace=False))]
    return numbers[order], wanted[order]


@torch.inference_mode()
def evaluate_double_edits(
    method: Method,
    data: EvaluationSet,
    numbers: np.ndarray,
    wanted: np.ndarray,
    ks: Sequence[int],
    progress: Progress = lambda pairs: pairs,
) -> EditResults:
    """T@k over "all" double edits and per pair of types, e.g. "shape + color"."""
    search = searcher_of(method, data, max(ks))
    hits = np.zeros((len(numbers), len(ks)), dtype=bool)
    types = np.nonzero(wanted != data.labels[data.queries[numbers]])[1].reshape(-1, 2)
    edits = np.hstack([types, np.take_along_axis(wanted, types, axis=1)])
    for a, b, of_a, of_b in progress(np.unique(edits, axis=0).tolist()):
        rows = np.flatnonzero((edits == (a, b, of_a, of_b)).all(axis=1))
        both = [edit_to(data.schema, a, of_a), edit_to(data.schema, b, of_b)]
        found = search(numbers[rows], both)
        is_hit = data.hits(found, wanted[rows])
        hits[rows] = hits_at(is_hit, is_hit.new_ones(len(rows)), ks).cpu().numpy()
    groups = {"all": np.ones(len(numbers), dtype=bool)}
    for pair in np.unique(types, axis=0):
        groups[" + ".join(data.schema.types[t] for t in pair)] = (types == pair).all(axis=1)
    results = [f"T@{k}" for k in ks], numbers, groups, wanted, hits, data.query_items
    return EditResults(*results, resample_all=False)
