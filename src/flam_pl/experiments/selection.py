"""Model selection on the validation split."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from flam_pl.config.root import to_plain
from flam_pl.config.saved_files import DamagedFile
from flam_pl.distributed import log
from flam_pl.evaluation.calibration import Outcomes
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.evaluation.weight_search import Trial, choose, grid, try_weights
from flam_pl.experiments.trained_run import TrainedRun
from flam_pl.methods.registry import registered
from flam_pl.retrieval.chosen_weights import FILTER, Scoring, filter_weights
from flam_pl.retrieval.confidence import Calibration
from flam_pl.retrieval.posteriors import Posteriors
from flam_pl.retrieval.vectors import ScoreWeights
from flam_pl.terminal.progress import progress
from flam_pl.training.records import inputs_hash
from flam_pl.training.run import Run
from flam_pl.training.stage import evaluation_device

VERSION = 9
"""Increase it with every change that alters a selection."""


def select_scoring(run: Run) -> Scoring:
    """Select score weights and the best row, unless a selection has the same inputs."""
    discard_damaged(run.folder)
    trained = TrainedRun.open(run.folder, run.backbone_folder, run.config.methods)
    key = inputs_hash(
        version=VERSION,
        checkpoints=trained.checkpoints,
        features=run.data.features.content,
        labels=run.catalog.label_fingerprint(),
        scoring=to_plain(run.config.scoring),
    )
    same = trained.scoring.key == key and not run.config.retrain
    if same and trained.calibration:
        return trained.scoring
    trained.to(evaluation_device(run.config))
    if not same:
        trained.scoring = replace(choice(run, trained), checkpoints=trained.checkpoints, key=key)
        trained.scoring.save(run.folder)
    if trained.scoring.weights:
        calibration = calibrated(run, trained, trained.posteriors, trained.scoring.key)
        if calibration:
            calibration.save(run.folder)
    return trained.scoring


def discard_damaged(folder: Path) -> None:
    for load in (Scoring.load, partial(Calibration.load, checkpoint="")):
        try:
            load(folder)
        except DamagedFile as error:
            log(f"{error} It is deleted.")
            error.path.unlink()


def choice(run: Run, trained: TrainedRun) -> Scoring:
    """The weights of every row, and the best row with one vector per photo.

    Without posteriors or validation searches: FLAM by the cosine alone.
    """
    sets = validation_sets(run, trained)
    if not run.config.scoring.posteriors:
        return Scoring()
    if len(sets[0].queries) < 2:
        log("no validation photos: FLAM searches by the cosine alone, without posteriors")
        return Scoring()
    unscored, rows = trained.posteriors, trained.scorers()
    found: dict[str, Trial] = {}
    for editor in trained.editors():
        found[editor.name] = choose(try_weights(editor, unscored, *sets, [ScoreWeights()]))
    for name, (editor, posteriors) in progress(rows.items(), "choosing the scoring"):
        filtering = [filter_weights(len(posteriors.schema.types))]
        tried = filtering if name == FILTER else weights_of(run, posteriors)
        found[name] = choose(try_weights(editor, posteriors, *sets, tried))
    objective = {name: round(trial.objective, 6) for name, trial in found.items()}
    best = max(filter(stores_one_vector, found), key=lambda name: objective[name])
    log(f"scoring: {best} is best on validation ({objective[best]:.3f})")
    return Scoring({name: found[name].weights for name in rows}, objective, best)


def stores_one_vector(row: str) -> bool:
    """Whether a row's method searches the stored features."""
    method = registered().get(row.partition("+")[0])
    return method is None or not method.own_vectors


def weights_of(run: Run, posteriors: Posteriors) -> list[ScoreWeights]:
    given = {name: getattr(run.config.scoring, name) for name in ("target", "others", "moved")}
    fixed = {name: value for name, value in given.items() if value is not None}
    tried = [replace(weights, **fixed) for weights in grid(posteriors.means is not None)]
    return list(dict.fromkeys(tried))


def validation_sets(run: Run, trained: TrainedRun) -> tuple[EvaluationSet, EvaluationSet]:
    """Validation photos for edits; all validation photos, for counterfactuals."""
    catalog, store = run.catalog, run.data.features
    dense = EvaluationSet.of(catalog, store, catalog.edit_rows("val"))
    photos = EvaluationSet.of_photos(catalog, store, "val")
    return dense.to(trained.embedders.device), photos.to(trained.embedders.device)


def calibrated(
    run: Run, trained: TrainedRun, posteriors: Posteriors, key: str
) -> Calibration | None:
    """A calibration on validation searches; None without fully labelled photos."""
    dense, _ = validation_sets(run, trained)
    if len(dense.queries) < 2:
        return None
    outcomes = Outcomes.of(trained.best, posteriors, dense)
    return Calibration.fit(outcomes.raw, outcomes.true, key) if len(outcomes.item) else None
