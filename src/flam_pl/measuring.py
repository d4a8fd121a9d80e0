"""Every figure of a trained run: of edits, of what they keep, of the instance search."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from tqdm import tqdm

from flam_pl.config.methods import BEST_CONCAT
from flam_pl.config.root import EvaluationConfig
from flam_pl.editing.baselines import Arithmetic
from flam_pl.editing.classification import evaluate_classification
from flam_pl.editing.comparison import PairedShares
from flam_pl.editing.evaluation import EditResults, evaluate_edits, evaluate_instances
from flam_pl.editing.kept import KeptTraits
from flam_pl.editing.known_labels import ANY, NEAREST, KnownLabels
from flam_pl.editing.ndcg import AttributeNDCG
from flam_pl.editing.outcomes import Outcomes
from flam_pl.editing.pairs import draw_double_edits, evaluate_double_edits
from flam_pl.editing.scored import Scored
from flam_pl.editing.searches import EvaluationSet
from flam_pl.editing.strength import evaluate_strengths
from flam_pl.pipeline import Run
from flam_pl.reports.reliability import measure_sureness
from flam_pl.retrieval.intervals import Figure
from flam_pl.trained import Trained

NO_EDITS: dict[str, Any] = {
    "fam": {},
    "fam_pairs": {},
    "by_strength": {},
    "counterfactual": {},
    "classification": {},
    "kept": {},
    "ndcg": {},
    "fam_ratio": {},
    "fam_change": {},
    "edits": {"evaluated": 0, "impossible": 0},
    "calibration": {},
}
"""What a report says of edits where none can be evaluated."""

BY_STRENGTH = (*BEST_CONCAT, "flam", "flam_plus_unscored", "flam_plus")
"""Methods that are measured at every strength, beside arithmetic."""

FAR = 4
"""So many times its difference of means arithmetic goes at full strength, there."""


def measure_edits(
    trained: Trained, data: EvaluationSet, settings: EvaluationConfig
) -> dict[str, Any]:
    """The parts of the metrics that are about edits: those of ``NO_EDITS``."""
    fam: dict[str, Any] = {}
    fam_pairs: dict[str, Any] = {}
    counterfactual: dict[str, Any] = {}
    kept: dict[str, Any] = {}
    ndcg: dict[str, Any] = {}
    unedited: KeptTraits | None = None
    by_method: dict[str, EditResults] = {}
    chance = (settings.resamples, settings.seed)
    double = draw_double_edits(data, settings.pairs, settings.seed)
    for editor in trained.editors():
        traits, ranks = KeptTraits(data, settings.ks), AttributeNDCG(data, settings.ks)
        results = evaluate_edits(
            editor,
            data,
            settings.ks,
            partial(tqdm, desc=f"edits: {editor.name}", leave=False),
            also=[traits, ranks],
        )
        by_method[editor.name] = results
        unedited = unedited or traits  # the first method is the plain search
        if data.traits:
            shares = traits.figures(unedited, *chance)
            kept[editor.name] = {measure: as_dicts(of) for measure, of in shares.items()}
        ndcg[editor.name] = as_dicts(ranks.figures(*chance))
        fam[editor.name] = as_dicts(results.figures(*chance))
        if len(results.counterfactual[0]):
            found = results.counterfactual_figures(*chance)
            counterfactual |= as_dicts({editor.name: found})
        if len(double):
            progress = partial(tqdm, desc=f"double edits: {editor.name}", leave=False)
            pairs = evaluate_double_edits(editor, data, double, settings.ks, progress)
            fam_pairs[editor.name] = as_dicts(pairs.figures(*chance))
    if unedited:
        kept_knowing, counterfactual_knowing = measure_known_labels(data, unedited, settings)
        kept |= kept_knowing
        counterfactual |= counterfactual_knowing
    # which edits count is the same for all
    classified = trained.classifiers and evaluate_classification(
        trained.classifiers, trained.flam, data, results.asked, *chance
    )
    return {
        "fam": fam,
        "fam_pairs": fam_pairs,
        "by_strength": measure_strengths(trained, data, settings),
        "counterfactual": counterfactual,
        "classification": as_dicts(classified or {}),
        "kept": kept,
        "ndcg": ndcg,
        **measure_comparison(by_method, *chance),
        "edits": {"evaluated": results.evaluated, "impossible": results.impossible},
        "calibration": measure_calibration(trained, data, settings),
    }


def measure_strengths(
    trained: Trained, data: EvaluationSet, settings: EvaluationConfig
) -> dict[str, Any]:
    """What is found and kept at every strength: method -> strength -> figures.

    Arithmetic by up to ``FAR`` times its difference, since once is little: at .25 it is itself."""
    editors = [
        Arithmetic(trained.embedders, FAR, "arithmetic_far"),
        *(editor for editor in trained.editors() if editor.name in BY_STRENGTH),
    ]
    chance = (settings.resamples, settings.seed)
    return {editor.name: as_dicts(evaluate_strengths(editor, data, *chance)) for editor in editors}


def measure_known_labels(
    data: EvaluationSet, unedited: KeptTraits, settings: EvaluationConfig
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Kept traits and CF@k of results in the order of the true labels: how much a search keeps that
    brings all that is wanted first, the most alike of it first or any. Of CF@k only the former."""
    chance = (settings.resamples, settings.seed)
    kept: dict[str, Any] = {}
    counterfactual: dict[str, Any] = {}
    for name, seed in ((ANY, settings.seed), (NEAREST, None)):
        if not data.traits and (name == ANY or not (data.original >= 0).any()):
            continue
        traits = KeptTraits(data, settings.ks)
        results = evaluate_edits(
            KnownLabels(data, max(settings.ks), seed),
            data,
            settings.ks,
            partial(tqdm, desc=f"edits: {name}", leave=False),
            also=[traits],
        )
        if data.traits:
            shares = traits.figures(unedited, *chance)
            kept[name] = {measure: as_dicts(of) for measure, of in shares.items()}
        if name == NEAREST and len(results.counterfactual[0]):
            counterfactual = as_dicts({name: results.counterfactual_figures(*chance)})
    return kept, counterfactual


def measure_comparison(
    by_method: Mapping[str, EditResults], resamples: int, seed: int
) -> dict[str, dict[str, Any]]:
    """T@k divided by that of the paper's upper bound, and minus that of the better recipe: each
    reference that was trained -> method -> figures."""
    divided, minus = (
        [name for name in names if name in by_method]
        for names in ((*BEST_CONCAT.values(), *BEST_CONCAT), ("flam_plus",))
    )
    if not divided + minus:
        return {"fam_ratio": {}, "fam_change": {}}
    paired = PairedShares(by_method, resamples, seed)
    return {
        "fam_ratio": {name: as_dicts(paired.divided_by(name)) for name in divided},
        "fam_change": {name: as_dicts(paired.minus(name)) for name in minus},
    }


def measure_calibration(
    trained: Trained, data: EvaluationSet, settings: EvaluationConfig
) -> dict[str, Any]:
    """Whether what the last method says of its searches comes true; empty where it says nothing."""
    editor = trained.editors()[-1]
    if trained.sureness is None or not isinstance(editor, Scored):
        return {}
    outcomes = Outcomes.of(editor, data, partial(tqdm, desc="edits: how sure", leave=False))
    return measure_sureness(trained.sureness, outcomes, settings.resamples, settings.seed)


def measure_instances(
    run: Run, trained: Trained, device: torch.device
) -> tuple[dict[str, Any], int, dict[str, int]]:
    """R@k of every method in the vectors that it searches: those of FLAM are the stored features.

    Returns:
        Method -> R@k; queries without a match; method -> dimension of its vectors.
    """
    catalog, settings = run.catalog, run.config.evaluation
    rows = catalog.instance_rows()
    features = run.data.features.rows(rows).to(device)
    measure_in = partial(
        evaluate_instances,
        items=catalog.items[rows],
        is_query=(catalog.table["domain"].iloc[rows] == "consumer").to_numpy(bool),
        ks=settings.ks,
        resamples=settings.resamples,
        seed=settings.seed,
    )
    stored, unfindable = measure_in(features)
    figures, dimensions = {}, {}
    for editor in trained.editors():
        vectors = editor.represent(features)
        figures[editor.name] = stored if vectors is features else measure_in(vectors)[0]
        dimensions[editor.name] = vectors.shape[1]
    return as_dicts(figures), unfindable, dimensions


def as_dicts(figures: Mapping[str, Mapping[str, Figure]]) -> dict[str, dict[str, Any]]:
    """Figures as JSON takes them."""
    return {
        group: {name: figure.to_dict() for name, figure in of.items()}
        for group, of in figures.items()
    }
