"""What is measured and chosen on the validation split, never on evaluation images."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from flam_pl.data.datamodule import FlamDataModule
from flam_pl.editing.baselines import NoEdit
from flam_pl.editing.editor import Editor
from flam_pl.editing.evaluation import evaluate_edits
from flam_pl.editing.flam import Flam
from flam_pl.editing.outcomes import Outcomes
from flam_pl.editing.scored import SCORED, Scored
from flam_pl.editing.searches import EvaluationSet
from flam_pl.editing.sureness import Sureness

MONITOR = "T@10"
"""The manipulator's epoch that is kept is the one best in this on the validation split."""

WEIGHTS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0)
"""Of the embedders' agreement beside the cosine: those that are tried."""


def held_out_set(data: FlamDataModule) -> EvaluationSet:
    """The validation images that carry all labels."""
    return EvaluationSet.of(data.catalog, data.features, data.feature_rows[1])


def validation_figures(
    data: FlamDataModule, editor: Editor, net: nn.Module
) -> Callable[[], dict[str, float]]:
    """T@k on the validation split, beside what the plain search reaches there.

    A generator that does nothing equals the plain search to three digits: seeing the two side by
    side is what tells it from a good one.
    """
    held_out = held_out_set(data)
    ks = sorted({*data.config.evaluation.ks, int(MONITOR.removeprefix("T@"))})
    plain = evaluate_edits(NoEdit(), held_out, ks).shares()

    def figures() -> dict[str, float]:
        device = next(net.parameters()).device
        edited = evaluate_edits(editor, held_out.to(device), ks).shares()
        return edited | {f"no_edit/{name}": value for name, value in plain.items()}

    return figures


def choose_scoring(data: FlamDataModule, flam: Flam) -> None:
    """The weight of the embedders' agreement, with G and without it: best in the sum of T@k."""
    held_out = held_out_set(data).to(flam.manipulator.scoring_weights.device)
    editors: tuple[Editor, ...] = (flam, NoEdit())
    for position, editor in enumerate(editors):
        sums = []
        for weight in WEIGHTS:
            scored = Scored(editor, flam.embedders, weight, SCORED, editor.name)
            sums.append(sum(evaluate_edits(scored, held_out, (1, 5, 20, 50)).shares().values()))
        flam.manipulator.scoring_weights[position] = WEIGHTS[sums.index(max(sums))]


def choose_sureness(data: FlamDataModule, editor: Scored, checkpoint: str) -> Sureness | None:
    """How the embedders' probabilities are set right for the searches of this Editor; None where
    no validation search can be made.

    Args:
        checkpoint: SHA-256 of the method's checkpoint.
    """
    if len(data.feature_rows[1]) < 2:
        return None
    held_out = held_out_set(data)
    if not len(held_out.queries):
        return None
    return Sureness.fit(Outcomes.of(editor, held_out), checkpoint)
