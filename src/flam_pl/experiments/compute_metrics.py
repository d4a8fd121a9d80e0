"""Every figure of a trained run: of edits, of what they keep, of the instance search."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from flam_pl.config.methods import CONCAT, OWN_VECTORS
from flam_pl.config.root import EvaluationConfig
from flam_pl.evaluation.attribute_ndcg import AttributeNDCG
from flam_pl.evaluation.classification import evaluate_classification
from flam_pl.evaluation.counterfactuals import counterfactual_edits, evaluate_counterfactuals
from flam_pl.evaluation.depth import evaluate_candidates
from flam_pl.evaluation.double_edits import draw_double_edits, evaluate_double_edits
from flam_pl.evaluation.hits import EditResults, evaluate_edits, evaluate_instances
from flam_pl.evaluation.oracle import ORACLE, OracleRanking
from flam_pl.evaluation.outcomes import Outcomes
from flam_pl.evaluation.precision import Precision
from flam_pl.evaluation.preservation import Preservation
from flam_pl.evaluation.searches import EvaluationSet, Searcher
from flam_pl.evaluation.strength import evaluate_strengths
from flam_pl.experiments.pipeline import Run
from flam_pl.experiments.trained import TrainedRun
from flam_pl.metrics.bootstrap import Estimate
from flam_pl.metrics.paired import PairedShares
from flam_pl.reports.reliability import measure_confidence

NO_EDITS: dict[str, Any] = {
    "fam": {},
    "macro": {},
    "fam_pairs": {},
    "by_strength": {},
    "by_depth": {},
    "counterfactual": {},
    "counterfactual_change": {},
    "classification": {},
    "kept": {},
    "ndcg": {},
    "fam_ratio": {},
    "fam_change": {},
    "edits": {"evaluated": 0, "impossible": 0},
    "calibration": {},
}
"""What a report says of edits where none can be evaluated."""

DEPTHS = (50, 100, 200, 500)
"""Numbers of candidates: the photos nearest by the edited feature alone, which are then scored by
the whole vectors."""

OF_DEPTH = ("no_edit", "arithmetic", "slerp", "flam", "tirg", "flam_plus", *OWN_VECTORS)
"""Methods whose ``+posteriors`` row is also measured at each depth."""


def measure_edits(
    trained: TrainedRun,
    data: EvaluationSet,
    counterfactual: EvaluationSet,
    settings: EvaluationConfig,
) -> dict[str, Any]:
    """The parts of the metrics that are about edits: those of ``NO_EDITS``.

    Args:
        data: photos with all labels.
        counterfactual: photos among which counterfactuals are looked for.
    """
    found: dict[str, Any] = {name: {} for name in ("fam", "macro", "fam_pairs", "kept", "ndcg")}
    by_method: dict[str, EditResults] = {}
    precisions: dict[str, Precision] = {}
    chance = (settings.resamples, settings.seed)
    double = draw_double_edits(data, settings.pairs, settings.seed)
    precision: Precision | None = None
    oracle = OracleRanking(data, max(settings.ks))
    searchers = {row.name: Searcher(row, data, max(settings.ks)) for row in trained.rows()}
    for name, searcher in {**searchers, ORACLE: oracle}.items():
        traits, ranks = Preservation(data, settings.ks), AttributeNDCG(data, settings.ks)
        precision = Precision(data, settings.ks, like=precision)
        results = evaluate_edits(
            searcher,
            data,
            settings.ks,
            partial(tqdm, desc=f"edits: {name}", leave=False),
            also=[traits, ranks, precision],
        )
        shares, of_results = results.estimates(*chance), precision.estimates(*chance)
        found["fam"][name] = as_dicts({g: shares[g] | of_results[g] for g in shares})
        macro = results.macro_estimates(*chance)
        found["macro"][name] = {k: figure.to_dict() for k, figure in macro.items()}
        found["kept"][name] = as_dicts(traits.estimates(*chance))
        found["ndcg"][name] = as_dicts(ranks.estimates(*chance))
        if searcher is oracle:
            break
        by_method[name], precisions[name] = results, precision
        if len(double[0]):
            progress = partial(tqdm, desc=f"double edits: {name}", leave=False)
            pairs = evaluate_double_edits(searcher, data, *double, settings.ks, progress)
            found["fam_pairs"][name] = as_dicts(pairs.estimates(*chance))
    # which edits count is the same for all
    classified = trained.classifiers and evaluate_classification(
        trained.classifiers, trained.flam, data, *chance
    )
    by_depth = measure_depths(trained, data, settings)
    for name, of_row in by_depth.items():  # with all photos as candidates it was measured above
        first = next(iter(of_row.values()))
        of_row["all"] = {k: f for k, f in found["fam"][name]["all"].items() if k in first}
    return found | {
        "by_strength": measure_strengths(trained, data, settings),
        "by_depth": by_depth,
        **measure_counterfactuals(trained, counterfactual, settings),
        "classification": as_dicts(classified or {}),
        **measure_comparison(by_method, precisions, trained.scoring.best, *chance),
        "edits": {"evaluated": len(results.numbers), **data.left_out},
        "calibration": measure_calibration(trained, data, settings),
    }


def measure_strengths(
    trained: TrainedRun, data: EvaluationSet, settings: EvaluationConfig
) -> dict[str, Any]:
    """What is found at every strength: method -> strength -> figures; the best row, and each method
    by the cosine alone."""
    chance = (settings.resamples, settings.seed)
    rows = [row for row in trained.rows() if row.posteriors is None and row.name != "no_edit"]
    rows += [trained.best] if trained.best.posteriors else []
    return {row.name: as_dicts(evaluate_strengths(row, data, *chance)) for row in rows}


def measure_depths(
    trained: TrainedRun, data: EvaluationSet, settings: EvaluationConfig
) -> dict[str, Any]:
    """What is found where only the nearest photos by the edited feature are scored: row -> number
    of candidates -> T@k and P@10."""
    chance, found = (settings.resamples, settings.seed), {}
    wanted = {f"{name}+posteriors" for name in OF_DEPTH}
    cut_offs = [k for k in settings.ks if k in (1, 10, 50)] or [max(settings.ks)]
    for row in trained.rows():
        if row.name not in wanted:
            continue
        counts = [count for count in DEPTHS if count < len(data.labels) - 1]
        if not counts:  # the gallery is smaller than the fewest candidates
            continue
        precisions = {count: Precision(data, [10]) for count in counts}
        results = evaluate_candidates(row, data, cut_offs, {c: [p] for c, p in precisions.items()})
        of_row = {
            str(count): results[count].estimates(*chance)["all"]
            | {
                name: figure
                for name, figure in precisions[count].estimates(*chance)["all"].items()
                if name == "P@10" and 10 in cut_offs
            }
            for count in counts
        }
        found[row.name] = as_dicts(of_row)
    return found


def measure_counterfactuals(
    trained: TrainedRun, data: EvaluationSet, settings: EvaluationConfig
) -> dict[str, Any]:
    """CF@k of every row and of a search that knows the labels, and CF@k of every row minus that of
    the best; both empty where no photo has a counterfactual."""
    edits = counterfactual_edits(data)
    if not len(edits):
        return {"counterfactual": {}, "counterfactual_change": {}}
    depth, chance = max(settings.ks), (settings.resamples, settings.seed)
    rows = {row.name: Searcher(row, data, depth) for row in trained.rows()}
    rows[ORACLE] = OracleRanking(data, depth)
    found = {
        name: evaluate_counterfactuals(search, data, edits, depth) for name, search in rows.items()
    }
    best = trained.scoring.best
    paired = PairedShares(
        {name: of.hits(settings.ks) for name, of in found.items()},
        np.ones(len(edits)),
        [f"CF@{k}" for k in settings.ks],
        items=found[best].items,
        resamples=settings.resamples,
        seed=settings.seed,
    )
    return {
        "counterfactual": as_dicts(
            {name: of.estimates(settings.ks, *chance) for name, of in found.items()}
        ),
        "counterfactual_change": {best: as_dicts(paired.minus(best))},
    }


def measure_comparison(
    by_method: Mapping[str, EditResults],
    precisions: Mapping[str, Precision],
    best: str,
    resamples: int,
    seed: int,
) -> dict[str, dict[str, Any]]:
    """T@k divided by that of the paper's upper bound, each reference that was trained -> method ->
    figures; and every figure minus that of the row that searches."""
    first, of_best = by_method[best], precisions[best]
    hits = {name: of.sums()[0] for name, of in by_method.items()}
    every = {name: np.hstack([hits[name], of.all_sums()]) for name, of in precisions.items()}
    counts, chance = first.sums()[1], {"resamples": resamples, "seed": seed}
    names = first.names
    divided = PairedShares(hits, counts, names, items=first.items, **chance)
    minus = PairedShares(every, counts, names + of_best.names, items=first.items, **chance)
    return {
        "fam_ratio": {
            name: as_dicts(divided.divided_by(name)) for name in CONCAT if name in by_method
        },
        "fam_change": {best: as_dicts(minus.minus(best))},
    }


def measure_calibration(
    trained: TrainedRun, data: EvaluationSet, settings: EvaluationConfig
) -> dict[str, Any]:
    """Whether what is said of the searches comes true; empty where nothing is said."""
    if trained.sureness is None:
        return {}
    progress = partial(tqdm, desc="edits: how sure", leave=False)
    outcomes = Outcomes.of(trained.best, trained.posteriors, data, progress)
    if not len(outcomes.item):
        return {}
    return measure_confidence(trained.sureness, outcomes, settings.resamples, settings.seed)


def measure_instances(
    run: Run, trained: TrainedRun, device: torch.device
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
    for row in trained.rows():
        # without an edit the tail of a query is zero: the head alone is searched
        vectors = row.editor.represent(features)
        figures[row.name] = stored if vectors is features else measure_in(vectors)[0]
        tail = sum(row.posteriors.schema.sizes) if row.posteriors else 0
        dimensions[row.name] = vectors.shape[1] + tail
    return as_dicts(figures), unfindable, dimensions


def as_dicts(figures: Mapping[str, Mapping[str, Estimate]]) -> dict[str, dict[str, Any]]:
    """Figures as JSON takes them."""
    return {
        group: {name: figure.to_dict() for name, figure in of.items()}
        for group, of in figures.items()
    }
