"""Accuracy of classifiers on edited features (right part of Table 5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from flam_pl.editing.editor import Editor
from flam_pl.evaluation.searches import EvaluationSet, edit_to
from flam_pl.evaluation.sums import QuerySums
from flam_pl.metrics.bootstrap import Draws, Estimate


@torch.inference_mode()
def evaluate_classification(
    classify: Callable[[Tensor], Sequence[Tensor]],
    editor: Editor,
    data: EvaluationSet,
    draws: Draws,
) -> dict[str, dict[str, Estimate]]:
    """Accuracy per type on "original" features, and on "manipulated" ones for the wanted class.

    ``classify``: features -> per type, logits ``(B, classes)``.
    """
    queries = data.features[torch.from_numpy(data.queries).to(data.features.device)]
    types = data.schema.types
    original, manipulated = (QuerySums(data, types, ["accuracy"]) for _ in range(2))
    for t, logits in enumerate(classify(queries)):
        labels = data.labels[data.queries, t]
        original.sums[types[t]][:, 0] = logits.argmax(dim=1).cpu().numpy() == labels
        original.counts[types[t]][:] = labels >= 0
    for (t, c), (numbers, _) in data.possible.items():
        edited = editor.edit(queries[numbers], [edit_to(data.schema, t, c)])
        right = classify(edited)[t].argmax(dim=1, keepdim=True) == c
        manipulated.count(types[t], numbers, right)
    return {
        kind: {name: of["accuracy"] for name, of in sums.estimates(draws).items()}
        for kind, sums in (("original", original), ("manipulated", manipulated))
    }
