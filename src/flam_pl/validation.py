"""What is measured and chosen on the validation split, never on evaluation images."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn
from tqdm import tqdm

from flam_pl.data.datamodule import FlamDataModule
from flam_pl.editing.baselines import NoEdit
from flam_pl.editing.editor import Editor
from flam_pl.editing.evaluation import evaluate_edits
from flam_pl.editing.flam import Flam
from flam_pl.editing.outcomes import Outcomes
from flam_pl.editing.scored import SCORED, Scored
from flam_pl.editing.scores import Weights
from flam_pl.editing.searches import EvaluationSet
from flam_pl.editing.sureness import Sureness
from flam_pl.editing.weighing import Trial, choose, try_weights

MONITOR = "T@10"
"""The manipulator's epoch that is kept is the one best in this on the validation split."""


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


def choose_scoring(data: FlamDataModule, flam: Flam, cost: float, every_row: bool) -> list[Weights]:
    """What agreement and likeness weigh in each scored row: without G, with G but by agreement
    alone, with G but each result by itself, with all; none where no validation search can be made.

    Args:
        cost: what may be lost for the sake of likeness to the query, as ``choose`` takes it.
        every_row: false: only the last.
    """
    if len(data.feature_rows[1]) < 2:
        return []
    held_out = held_out_set(data).to(flam.embedders.device)

    def tried(editor: Editor, in_turn: bool = True) -> list[Trial]:
        scored = Scored(editor, flam.embedders, Weights(), SCORED, editor.name, in_turn)
        title = f"weights of the scoring: {editor.name}"
        return try_weights(scored, held_out, partial(tqdm, desc=title, leave=False))

    trials = tried(flam)
    if not every_row:
        return [choose(trials, cost)]
    by_agreement = [trial for trial in trials if not trial.weights.likeness]
    return [
        choose(tried(NoEdit()), cost),
        choose(by_agreement, 0.0),
        choose(tried(flam, in_turn=False), cost),
        choose(trials, cost),
    ]


def choose_sureness(data: FlamDataModule, editor: Scored, checkpoint: str) -> Sureness | None:
    """How the embedders' probabilities are set right for the searches of this Editor; None where
    no validation search can be made.

    Args:
        checkpoint: SHA-256 of the method's checkpoint.
    """
    if len(data.feature_rows[1]) < 2:
        return None
    held_out = held_out_set(data).to(editor.embedders.device)
    if not len(held_out.queries):
        return None
    return Sureness.fit(Outcomes.of(editor, held_out), checkpoint)
