"""What is measured and calibrated on the validation split."""

from __future__ import annotations

from collections.abc import Callable

import pytorch_lightning as pl
from torch import nn

from flam_pl.data.datamodule import FlamDataModule
from flam_pl.editing.editor import Editor, NoEdit
from flam_pl.evaluation.hits import evaluate_edits
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.concat import ConcatClassifiers

MONITOR = "T@10"  # the manipulator's best epoch is the one with the largest value


def calibration(
    data: FlamDataModule, net: AttributeEmbedders | ConcatClassifiers
) -> Callable[[pl.Trainer], None] | None:
    """A callback that fits the classifiers' temperatures to validation labels; None without any."""
    rows = data.feature_rows[1]
    if not len(rows):
        return None

    def calibrate(trainer: pl.Trainer) -> None:
        device = net.space.mean.device
        features, labels = data.features.rows(rows), data.labels(rows)
        net.eval().calibrate(features.to(device), labels.to(device))

    return calibrate


def validation_figures(
    data: FlamDataModule, editor: Editor, net: nn.Module
) -> Callable[[], dict[str, float]]:
    """A function that measures T@k of ``editor``, and ``no_edit/T@k`` of the plain search."""
    held_out = EvaluationSet.of(data.catalog, data.features, data.feature_rows[1])
    ks = sorted({*data.config.evaluation.ks, int(MONITOR.removeprefix("T@"))})
    plain = evaluate_edits(NoEdit(), held_out, ks).shares()

    def figures() -> dict[str, float]:
        device = next(net.parameters()).device
        edited = evaluate_edits(editor, held_out.to(device), ks).shares()
        return edited | {f"no_edit/{name}": value for name, value in plain.items()}

    return figures
