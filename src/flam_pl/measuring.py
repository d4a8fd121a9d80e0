"""Every figure of a trained run: of edits, of what they keep, of the instance search."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from tqdm import tqdm

from flam_pl.config.methods import CONCAT
from flam_pl.config.root import EvaluationConfig
from flam_pl.editing.classification import evaluate_classification
from flam_pl.editing.comparison import PairedShares
from flam_pl.editing.counterfactuals import CounterfactualEdits, evaluate_counterfactuals
from flam_pl.editing.evaluation import EditResults, evaluate_edits, evaluate_instances
from flam_pl.editing.kept import KeptTraits
from flam_pl.editing.known_labels import NEAREST, KnownLabels
from flam_pl.editing.ndcg import AttributeNDCG
from flam_pl.editing.outcomes import Outcomes
from flam_pl.editing.pairs import draw_double_edits, evaluate_double_edits
from flam_pl.editing.precision import Precision
from flam_pl.editing.searches import EvaluationSet, Searcher
from flam_pl.editing.strength import evaluate_strengths
from flam_pl.pipeline import Run
from flam_pl.reports.reliability import measure_sureness
from flam_pl.retrieval.intervals import Figure
from flam_pl.trained import Trained

NO_EDITS: dict[str, Any] = {
    "fam": {},
    "macro": {},
    "fam_pairs": {},
    "by_strength": {},
    "by_depth": {},
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

DEPTHS = (50, 100, 200, 500)
"""Numbers of candidates: the photos nearest by the edited feature alone, which are then scored by
the whole vectors."""

OF_DEPTH = ("no_edit", "arithmetic", "flam", "flam_plus", *CONCAT)
"""Methods whose ``+posteriors`` row is also measured at each depth."""


def measure_edits(
    trained: Trained,
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
    chance = (settings.resamples, settings.seed)
    double = draw_double_edits(data, settings.pairs, settings.seed)
    precision: Precision | None = None
    oracle = KnownLabels(data, max(settings.ks))
    searchers = {row.name: Searcher(row, data, max(settings.ks)) for row in trained.rows()}
    for name, searcher in {**searchers, NEAREST: oracle}.items():
        traits, ranks = KeptTraits(data, settings.ks), AttributeNDCG(data, settings.ks)
        precision = Precision(data, settings.ks, like=precision)
        results = evaluate_edits(
            searcher,
            data,
            settings.ks,
            partial(tqdm, desc=f"edits: {name}", leave=False),
            also=[traits, ranks, precision],
        )
        shares, of_results = results.figures(*chance), precision.figures(*chance)
        found["fam"][name] = as_dicts({g: shares[g] | of_results[g] for g in shares})
        macro = results.macro_figures(*chance)
        found["macro"][name] = {k: figure.to_dict() for k, figure in macro.items()}
        found["kept"][name] = as_dicts(traits.figures(*chance))
        found["ndcg"][name] = as_dicts(ranks.figures(*chance))
        if searcher is oracle:
            break
        by_method[name] = results
        if len(double):
            progress = partial(tqdm, desc=f"double edits: {name}", leave=False)
            pairs = evaluate_double_edits(searcher, data, double, settings.ks, progress)
            found["fam_pairs"][name] = as_dicts(pairs.figures(*chance))
    # which edits count is the same for all
    classified = trained.classifiers and evaluate_classification(
        trained.classifiers, trained.flam, data, results.asked, *chance
    )
    by_depth = measure_depths(trained, data, settings)
    for name, of_row in by_depth.items():  # with all photos as candidates it was measured above
        first = next(iter(of_row.values()))
        of_row["all"] = {k: f for k, f in found["fam"][name]["all"].items() if k in first}
    return found | {
        "by_strength": measure_strengths(trained, data, settings),
        "by_depth": by_depth,
        "counterfactual": measure_counterfactuals(trained, counterfactual, settings),
        "classification": as_dicts(classified or {}),
        **measure_comparison(by_method, trained.scoring.best, *chance),
        "edits": {"evaluated": results.evaluated, "impossible": results.impossible},
        "calibration": measure_calibration(trained, data, settings),
    }


def measure_strengths(
    trained: Trained, data: EvaluationSet, settings: EvaluationConfig
) -> dict[str, Any]:
    """What is found at every strength: method -> strength -> figures; the best row, and each method
    by the cosine alone."""
    chance = (settings.resamples, settings.seed)
    rows = [row for row in trained.rows() if row.posteriors is None and row.name != "no_edit"]
    rows += [trained.best] if trained.best.posteriors else []
    return {row.name: as_dicts(evaluate_strengths(row, data, *chance)) for row in rows}


def measure_depths(
    trained: Trained, data: EvaluationSet, settings: EvaluationConfig
) -> dict[str, Any]:
    """What is found where only the nearest photos by the edited feature are scored: row -> number
    of candidates -> T@k and P@10."""
    chance, found = (settings.resamples, settings.seed), {}
    wanted = {f"{name}+posteriors" for name in OF_DEPTH}
    cut_offs = [k for k in settings.ks if k in (1, 10, 50)] or [max(settings.ks)]
    for row in trained.rows():
        if row.name not in wanted:
            continue
        of_row = {}
        for depth in (d for d in DEPTHS if d < len(data.labels) - 1):
            precision = Precision(data, [10])
            searcher = Searcher(row, data, max(cut_offs), candidates=depth)
            results = evaluate_edits(searcher, data, cut_offs, also=[precision])
            of_row[str(depth)] = results.figures(*chance)["all"] | {
                name: figure
                for name, figure in precision.figures(*chance)["all"].items()
                if name == "P@10" and 10 in cut_offs
            }
        if of_row:  # else the gallery is smaller than the fewest candidates
            found[row.name] = as_dicts(of_row)
    return found


def measure_counterfactuals(
    trained: Trained, data: EvaluationSet, settings: EvaluationConfig
) -> dict[str, Any]:
    """CF@k of every row and of a search that knows the labels; empty where no photo has one."""
    edits = CounterfactualEdits.of(data)
    if not len(edits):
        return {}
    depth, chance = max(settings.ks), (settings.resamples, settings.seed)
    rows = {row.name: Searcher(row, data, depth) for row in trained.rows()}
    rows[NEAREST] = KnownLabels(data, depth)
    return as_dicts(
        {
            name: evaluate_counterfactuals(search, data, edits, depth).figures(settings.ks, *chance)
            for name, search in rows.items()
        }
    )


def measure_comparison(
    by_method: Mapping[str, EditResults], best: str, resamples: int, seed: int
) -> dict[str, dict[str, Any]]:
    """T@k divided by that of the paper's upper bound, and minus that of the row that searches: each
    reference that was trained -> method -> figures."""
    divided, minus = ([n for n in names if n in by_method] for names in (CONCAT, (best,)))
    paired = PairedShares(by_method, resamples, seed)
    return {
        "fam_ratio": {name: as_dicts(paired.divided_by(name)) for name in divided},
        "fam_change": {name: as_dicts(paired.minus(name)) for name in minus},
    }


def measure_calibration(
    trained: Trained, data: EvaluationSet, settings: EvaluationConfig
) -> dict[str, Any]:
    """Whether what is said of the searches comes true; empty where nothing is said."""
    if trained.sureness is None:
        return {}
    progress = partial(tqdm, desc="edits: how sure", leave=False)
    outcomes = Outcomes.of(trained.best, trained.posteriors, data, progress)
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
    for row in trained.rows():
        # without an edit the tail of a query is zero: the head alone is searched
        vectors = row.editor.represent(features)
        figures[row.name] = stored if vectors is features else measure_in(vectors)[0]
        tail = sum(row.posteriors.schema.sizes) if row.posteriors else 0
        dimensions[row.name] = vectors.shape[1] + tail
    return as_dicts(figures), unfindable, dimensions


def as_dicts(figures: Mapping[str, Mapping[str, Figure]]) -> dict[str, dict[str, Any]]:
    """Figures as JSON takes them."""
    return {
        group: {name: figure.to_dict() for name, figure in of.items()}
        for group, of in figures.items()
    }
