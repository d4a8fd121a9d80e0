"""Computes ``metrics.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from flam_pl.config.root import EvaluationConfig
from flam_pl.datasets.inspection import edits_cannot_be_evaluated
from flam_pl.evaluation.attribute_ndcg import AttributeNDCG
from flam_pl.evaluation.calibration import Outcomes, measure_calibration
from flam_pl.evaluation.classification import evaluate_classification
from flam_pl.evaluation.counterfactuals import counterfactual_edits, counterfactual_ranks
from flam_pl.evaluation.depth import evaluate_candidates
from flam_pl.evaluation.double_edits import draw_double_edits, evaluate_double_edits
from flam_pl.evaluation.hits import EditResults, evaluate_edits, evaluate_instances
from flam_pl.evaluation.oracle import ORACLE, OracleRanking
from flam_pl.evaluation.precision import Precision
from flam_pl.evaluation.preservation import MEAN, Preservation
from flam_pl.evaluation.searches import EvaluationSet, Searcher
from flam_pl.evaluation.strength import evaluate_strengths
from flam_pl.experiments.trained_run import TrainedRun
from flam_pl.methods.registry import looks, registered
from flam_pl.metrics.bootstrap import Draws, Estimate, PairedShares, bootstraps
from flam_pl.reports.measurements import FORMAT, PARTS
from flam_pl.terminal.progress import progress
from flam_pl.training.run import Run

# keys of metrics.json that are empty where no edit can be evaluated
EDIT_PARTS = tuple(part for part in PARTS if part != "instance_by_method")
DEPTHS = (50, 100, 200, 500)  # numbers of candidates
ByGroup = dict[str, dict[str, Estimate]]  # method or group -> measure -> estimate


def compute_metrics(
    run: Run, trained: TrainedRun, data: EvaluationSet, photos: EvaluationSet
) -> dict[str, Any]:
    """The values of ``metrics.json``. ``data`` has the edits, ``photos`` the counterfactuals."""
    catalog = run.catalog
    edits: dict[str, Any] = dict.fromkeys(EDIT_PARTS, {})
    counts = {"edits": 0, "impossible_edits": 0}
    impossible = edits_cannot_be_evaluated(catalog)
    if not impossible:
        edits, counts = measure_edits(trained, data, photos, run.config.evaluation)
    instance, unfindable, dimensions = measure_instances(run, trained)
    counts |= {
        "edit_queries": len(data.queries),
        "gallery": len(data.labels),
        "instance_queries": next((e.n for e in instance["no_edit"].values()), 0),
        "instance_without_match": unfindable,
        "instance_on_distorted_views": bool((catalog.table["view"] > 0).any()),
    }
    validation = trained.records["manipulator"].metrics
    names = "cosine_recovered", "cosine_edited"
    training = {name: validation.get(f"val/{name}") for name in names} | {
        f"{stage}/{name}": value if value == value else None  # JSON knows no nan
        for stage, record in trained.records.items()
        for name, value in record.metrics.items()
    }
    found = {
        "format": FORMAT,
        "dataset": catalog.name,
        "notes": [*catalog.notes, *([impossible] if impossible else [])],
        "best": trained.best.name,
        "methods": looks(),
        "scoring": asdict(trained.scoring),
        "instance": instance["no_edit"],
        "instance_by_method": instance,
        **edits,
        "counts": counts,
        "dimensions": dimensions,
        "training": training,
    }
    return {key: to_plain(of) for key, of in found.items()}


def measure_edits(
    trained: TrainedRun, data: EvaluationSet, photos: EvaluationSet, settings: EvaluationConfig
) -> tuple[dict[str, Any], dict[str, int]]:
    found: dict[str, Any] = {part: {} for part in EDIT_PARTS}
    by_method: dict[str, EditResults] = {}
    precisions: dict[str, Precision] = {}
    ks, draws = cut_offs(settings.ks, len(data.labels)), (settings.resamples, settings.seed)
    double = draw_double_edits(data, settings.pairs, settings.seed)
    precision: Precision | None = None
    ranks: AttributeNDCG | None = None
    for name, searcher in searchers_of(trained, data, max(ks)).items():
        traits, ranks = Preservation(data, ks), AttributeNDCG(data, ks, like=ranks)
        precision = Precision(data, ks, like=precision)
        bar = partial(progress, name=f"edits: {name}")
        results = evaluate_edits(searcher, data, ks, bar, also=[traits, ranks, precision])
        hits, of_results = results.estimates(draws), precision.estimates(draws)
        groups = {group: hits[group] | of_results[group] for group in hits}
        preserved, ndcg = traits.estimates(draws), ranks.estimates(draws)
        groups["all"] |= preserved.pop(MEAN, {}) | ndcg.pop("all", {})
        groups["macro"] = results.macro_estimates(draws)
        found["edits"][name] = groups
        found["preservation"][name], found["ndcg"][name] = preserved, ndcg
        if name == ORACLE:  # the last one
            break
        by_method[name], precisions[name] = results, precision
        if len(double[0]):
            bar = partial(progress, name=f"double edits: {name}")
            pairs = evaluate_double_edits(searcher, data, *double, ks, bar)
            found["double_edits"][name] = pairs.estimates(draws)
    if trained.classifiers:  # the same edits count for all methods
        flam = trained.methods["flam"].editor
        classified = evaluate_classification(trained.classifiers, flam, data, draws)
        found["classification"] = with_mean_change(classified)
    found["depth"] = measure_depths(trained, data, settings)
    for name, of_row in found["depth"].items():  # all images as candidates: measured above
        first = next(iter(of_row.values()))
        of_row["all"] = {k: e for k, e in found["edits"][name]["all"].items() if k in first}
    for row in trained.rows():
        if row.name != "no_edit" and (row.posteriors is None or row.name == trained.best.name):
            found["by_strength"][row.name] = evaluate_strengths(row, data, draws)
    best = trained.scoring.best
    found["ratio"], found["change"] = compare(by_method, precisions, best, draws)
    found["counterfactual"], changes = measure_counterfactuals(trained, photos, settings)
    for name, change in changes.items():
        found["change"][name] |= change
    if trained.calibration:
        bar = partial(progress, name="edits: confidence")
        outcomes = Outcomes.of(trained.best, trained.posteriors, data, bar)
        if len(outcomes.item):
            found["calibration"] = measure_calibration(trained.calibration, outcomes, draws)
    left_out = {f"{reason}_edits": count for reason, count in data.left_out.items()}
    return found, {"edits": len(results.numbers), **left_out}


def searchers_of(trained: TrainedRun, data: EvaluationSet, depth: int) -> dict[str, Searcher]:
    found = {row.name: Searcher(row, data, depth) for row in trained.rows()}
    return {**found, ORACLE: OracleRanking(data, depth)}


def cut_offs(ks: Sequence[int], gallery: int) -> list[int]:
    """The cut-offs up to half of the gallery, else the smallest.

    >>> cut_offs([1, 5, 10], gallery=12), cut_offs([5, 10], gallery=8)
    ([1, 5], [5])
    """
    return [k for k in ks if 2 * k <= gallery] or [min(ks)]


def with_mean_change(classified: ByGroup) -> ByGroup:
    """Add the change of accuracy, as a mean over types."""
    before, after = classified["original"], classified["manipulated"]
    changes = [after[name].value - before[name].value for name in before]  # nan where none counted
    value = float(np.mean(changes))
    after["mean change"] = Estimate(value, n=len(changes) if value == value else 0)
    return classified


def measure_depths(
    trained: TrainedRun, data: EvaluationSet, settings: EvaluationConfig
) -> dict[str, ByGroup]:
    """Row of the tables -> number of candidates -> T@k and P@10."""
    draws, found = (settings.resamples, settings.seed), {}
    wanted = {f"{name}+posteriors" for name, of in registered().items() if of.by_candidates}
    all_ks = cut_offs(settings.ks, len(data.labels))
    ks = [k for k in all_ks if k in (1, 10, 50)] or [max(all_ks)]
    counts = [count for count in DEPTHS if count < len(data.labels) - 1]
    first = Precision(data, [10])
    for row in (row for row in trained.rows() if counts and row.name in wanted):
        precisions = {count: Precision(data, [10], like=first) for count in counts}
        results = evaluate_candidates(row, data, ks, {c: [p] for c, p in precisions.items()})
        of_row = found[row.name] = {str(c): results[c].estimates(draws)["all"] for c in counts}
        for count in counts if 10 in ks else ():
            of_row[str(count)]["P@10"] = precisions[count].estimates(draws)["all"]["P@10"]
    return found


def measure_counterfactuals(
    trained: TrainedRun, photos: EvaluationSet, settings: EvaluationConfig
) -> tuple[ByGroup, ByGroup]:
    """CF@k of every row and of the oracle; every row's CF@k minus the best row's."""
    edits = counterfactual_edits(photos)
    if not len(edits):
        return {}, {}
    ks = cut_offs(settings.ks, len(photos.labels))
    hits = {
        name: counterfactual_ranks(search, photos, edits, max(ks))[:, None] <= np.array(ks)
        for name, search in searchers_of(trained, photos, max(ks)).items()
    }
    items, draws = photos.query_items[edits[:, 0]], (settings.resamples, settings.seed)
    each = np.ones(len(edits)), [f"CF@{k}" for k in ks], items, draws
    methods = {name: of for name, of in hits.items() if name != ORACLE}
    changes = PairedShares(methods, *each).minus(trained.scoring.best)
    return {name: bootstraps(of, *each) for name, of in hits.items()}, changes


def compare(
    by_method: Mapping[str, EditResults],
    precisions: Mapping[str, Precision],
    best: str,
    draws: Draws,
) -> tuple[dict[str, ByGroup], ByGroup]:
    """Per method: ratios of T@k to each concatenation's; every figure minus the best row's."""
    first, of_best = by_method[best], precisions[best]
    hits = {name: of.sums()[0] for name, of in by_method.items()}
    every = {name: np.hstack([hits[name], of.all_sums()]) for name, of in precisions.items()}
    counts, names, each = first.sums()[1], first.names, (first.items, draws)
    divided = PairedShares(hits, counts, names, *each)
    upper_bounds = [name for name, of in registered().items() if of.own_vectors and of.in_table_3]
    references = {name: divided.divided_by(name) for name in upper_bounds if name in by_method}
    ratios = {m: {reference: of[m] for reference, of in references.items()} for m in by_method}
    changes = PairedShares(every, counts, names + of_best.names, *each).minus(best)
    return ratios, changes


def measure_instances(run: Run, trained: TrainedRun) -> tuple[ByGroup, int, dict[str, int]]:
    """R@k of every row, number of queries without a match, vector dimension of every row."""
    catalog, settings = run.catalog, run.config.evaluation
    rows = catalog.instance_rows()
    features = run.data.features.rows(rows).to(trained.embedders.device)
    is_query = (catalog.table["domain"].iloc[rows] == "consumer").to_numpy(bool)
    measure_in = partial(
        evaluate_instances,
        items=catalog.items[rows],
        pixels=catalog.pixel_codes[rows],
        is_query=is_query,
        ks=cut_offs(settings.ks, int((~is_query).sum())),
        draws=(settings.resamples, settings.seed),
    )
    stored, unfindable = measure_in(features)
    found, dimensions = {}, {}
    for row in trained.rows():
        # without an edit the tail of a query is zero: the head alone is searched
        vectors = row.editor.represent(features)
        found[row.name] = stored if vectors is features else measure_in(vectors)[0]
        tail = sum(row.posteriors.schema.sizes) if row.posteriors else 0
        dimensions[row.name] = vectors.shape[1] + tail
    return found, unfindable, dimensions


def to_plain(node: Any) -> Any:
    if isinstance(node, Estimate):
        return node.to_dict()
    return {key: to_plain(of) for key, of in node.items()} if isinstance(node, dict) else node
