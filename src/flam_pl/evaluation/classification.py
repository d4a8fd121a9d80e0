"""What a classifier trained on real features sees in edited ones (the paper's Table 5, right)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from flam_pl.editing.editor import Editor
from flam_pl.editing.edits import Edit
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.metrics.bootstrap import Estimate, bootstrap


@torch.inference_mode()
def evaluate_classification(
    classify: Callable[[Tensor], Sequence[Tensor]],
    editor: Editor,
    data: EvaluationSet,
    asked: Mapping[str, np.ndarray],
    resamples: int,
    seed: int,
) -> dict[str, dict[str, Estimate]]:
    """Accuracy on x, where the photo's own class is right, and on x-tilde, where the wanted one is.

    Args:
        classify: features ``(B, D)`` -> logits of each type, ``(B, classes)``.
        editor: must edit within the space of the features.
        asked: for each type the edits that count, ``(Q, classes)`` bool.

    Returns:
        "original" and "manipulated": each type's accuracy, with intervals resampled by item.
    """
    queries = data.features[torch.from_numpy(data.queries).to(data.features.device)]
    labels, items = data.labels[data.queries], data.query_items
    original = [logits.argmax(dim=1).cpu().numpy() for logits in classify(queries)]
    found: dict[str, dict[str, Estimate]] = {"original": {}, "manipulated": {}}
    for t, name in enumerate(data.schema.types):
        right = np.zeros(asked[name].shape, dtype=bool)
        for c, class_name in enumerate(data.schema.of(name)):
            numbers = np.flatnonzero(asked[name][:, c])
            if len(numbers):
                edited = editor.edit(queries[numbers], [Edit(name, class_name)])
                right[numbers, c] = (classify(edited)[t].argmax(dim=1) == c).cpu().numpy()
        hits = {
            "original": (original[t] == labels[:, t], np.ones(len(queries))),
            "manipulated": (right.sum(axis=1), asked[name].sum(axis=1)),
        }
        for kind, (hit, count) in hits.items():
            found[kind][name] = bootstrap(hit, count, resamples=resamples, seed=seed, items=items)
    return found
