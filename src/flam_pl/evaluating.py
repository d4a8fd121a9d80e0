"""Measures a trained run, on its own evaluation images or on another catalogue, and reports."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from omegaconf import OmegaConf
from tqdm import tqdm

from flam_pl.config import Config, EvaluationConfig, load_run_config, to_plain
from flam_pl.config_data import WardrobeData
from flam_pl.config_methods import BEST_CONCAT
from flam_pl.data.datamodule import FlamDataModule
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.inspection import check_usable, edits_cannot_be_evaluated
from flam_pl.datasets.sources import open_catalog
from flam_pl.datasets.traits import trait_codes
from flam_pl.editing.classification import evaluate_classification
from flam_pl.editing.comparison import PairedShares
from flam_pl.editing.evaluation import EditResults, evaluate_edits, evaluate_instances
from flam_pl.editing.kept import KeptTraits
from flam_pl.editing.ndcg import AttributeNDCG
from flam_pl.editing.outcomes import Outcomes
from flam_pl.editing.pairs import draw_double_edits, evaluate_double_edits
from flam_pl.editing.scored import Scored
from flam_pl.editing.searches import EvaluationSet
from flam_pl.editing.strength import evaluate_strengths
from flam_pl.errors import ConfigError
from flam_pl.pipeline import Run, extract, usable
from flam_pl.reports.reliability import measure_sureness
from flam_pl.reports.report import METRICS, Report
from flam_pl.reports.tracking import log_report
from flam_pl.retrieval.intervals import Figure
from flam_pl.stages.handoff import inputs_hash, versions
from flam_pl.stages.training import is_first_process, make_trainer, say
from flam_pl.trained import Trained


def evaluate(config: Config, own: bool) -> Report | None:
    """Evaluate a finished run again, or on a data set other than the one it was trained on.

    With ``report=<name>`` the data set is another catalogue: all of its images that carry all
    labels are queries and gallery, and the run's own report is not touched.

    Args:
        own: whether ``config.data`` is what the run was trained on.

    Raises:
        FlamError: as ``reopen``.
    """
    return measure(*reopen(config, own))


def open_folder(folder: Path) -> tuple[Run, Trained]:
    """A finished run with its own data, from its folder alone: ``runs/wardrobe``.

    Raises:
        FlamError: as ``reopen``, or there is no run.
    """
    config, own = load_run_config([f"run={folder.name}", f"runs_dir={folder.parent}"])
    return reopen(config, own)


def reopen(config: Config, own: bool) -> tuple[Run, Trained]:
    """A finished run with its catalog, its features and its networks.

    Args:
        own: whether ``config.data`` is what the run was trained on.

    Raises:
        FlamError: the run is not finished, or other data is given without ``report=``.
    """
    trained = Trained.open(config.folder)
    if not own and config.report is None:
        raise ConfigError(
            f"the run {config.folder} was trained on other data than {config.data.root}. Evaluate "
            "it there with report=<name>, which leaves the run's own report as it is."
        )
    if not own and isinstance(config.data, WardrobeData):
        require_other_place(config)
    catalog = open_catalog(config.data, None if own else trained.schema)
    catalog = usable(catalog, config)
    trained.schema.require_same(catalog.schema, "the data set")
    if own and trained.records["embedder"].data != catalog.label_fingerprint():
        raise ConfigError(
            f"{config.data.root} has changed since the run {config.folder} was trained: its split "
            "would be drawn anew, and training images could become queries. Train again, or give "
            "the changed data as a place of its own with report=<name>."
        )
    check_usable(catalog, training=False)
    if not own:
        say_overlap(config, catalog)
    run = Run(config, catalog, FlamDataModule(catalog, config, trained.preprocess))
    suffix = "" if own else f"-{config.report}"
    extract(run, trained.records["backbone"], config.folder / f"features{suffix}")
    return run, trained


def measured(run: Run) -> Report | None:
    """The run's report, measured anew only where something that it was measured from has changed.

    Returns:
        As ``measure``.
    """
    if not is_first_process():
        return None
    trained = Trained.open(run.folder, run.backbone_folder)
    folder = report_folder(run.config)
    report = Report.open(folder) if (folder / METRICS).is_file() else None
    if (
        report
        and not run.config.retrain
        and NO_EDITS.keys() <= report.metrics.keys()  # not by a version that measured less
        and report.metrics.get("inputs") == measured_from(run, trained)
    ):
        say(f"evaluation: up to date, nothing to measure ({folder})")
        return report
    return measure(run, trained)


def measure(run: Run, trained: Trained | None = None) -> Report | None:
    """Every figure of the run's evaluation split, written as the report that it belongs to.

    Returns:
        The report; None in the further processes of a DDP run, whose work is done.
    """
    if not is_first_process():
        return None
    config, catalog = run.config, run.catalog
    trained = trained or Trained.open(run.folder, run.backbone_folder)
    settings = config.evaluation
    started = time.monotonic()
    device = evaluation_device(config)
    trained.to(device)
    without_edits = edits_cannot_be_evaluated(catalog)
    if without_edits:
        say(f"{catalog.name}: {without_edits}. Only the instance search is measured.")
    rows = catalog.rows(split="evaluation", dense=True)
    data = EvaluationSet.of(catalog, run.data.features, rows).to(device)
    fir, unfindable, dimensions = measure_instances(run, trained, device)
    manipulator = trained.records["manipulator"].metrics
    metrics = {
        "dataset": catalog.name,
        "notes": [*catalog.notes, *([without_edits] if without_edits else [])],
        "fir": fir["no_edit"],
        "fir_by_method": fir,
        **({**NO_EDITS} if without_edits else measure_edits(trained, data, settings)),
        "dimensions": dimensions,
        "queries": {
            "edited": len(data.queries),
            "gallery": len(rows),
            "instance": next(iter(fir["no_edit"].values()))["n"] if fir["no_edit"] else 0,
            "instance_without_match": unfindable,
            "instance_on_distorted_views": bool((catalog.table["view"] > 0).any()),
        },
        "training": {
            "cosine_recovered": manipulator.get("val/cosine_recovered"),
            "cosine_edited": manipulator.get("val/cosine_edited"),
            **{
                f"{stage}/{name}": value if value == value else None  # JSON knows no nan
                for stage, record in trained.records.items()
                for name, value in record.metrics.items()
            },
        },
        "seconds": {n: r.seconds for n, r in trained.records.items()}
        | run.seconds
        | {"evaluation": round(time.monotonic() - started, 1)},
        "peak_memory_mb": peak_memory_mb(),
        "config": to_plain(config),
        "versions": versions(),
        "inputs": measured_from(run, trained),
    }
    report = Report(folder=report_folder(config), run=config.folder, metrics=metrics)
    report.write(catalog, rows, data, trained.editors(), settings.examples)
    log_report(config, report, trained.records)
    return report


def evaluation_device(config: Config) -> torch.device:
    """The first GPU that the trainer settings name, else the CPU."""
    device = make_trainer(config, 1, logger=False).strategy.root_device
    return device if device.type == "cuda" else torch.device("cpu")


NO_EDITS: dict[str, Any] = {
    "fam": {},
    "fam_pairs": {},
    "strength": {},
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
    # which edits count is the same for all
    classified = trained.classifiers and evaluate_classification(
        trained.classifiers, trained.flam, data, results.asked, *chance
    )
    return {
        "fam": fam,
        "fam_pairs": fam_pairs,
        "strength": as_dicts(evaluate_strengths(editor, data, *chance)),
        "counterfactual": counterfactual,
        "classification": as_dicts(classified or {}),
        "kept": kept,
        "ndcg": ndcg,
        **measure_comparison(by_method, *chance),
        "edits": {"evaluated": results.evaluated, "impossible": results.impossible},
        "calibration": measure_calibration(trained, data, settings),
    }


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


def measured_from(run: Run, trained: Trained) -> str:
    """SHA-256 over what the figures depend on: equal inputs need no second evaluation."""
    return inputs_hash(
        checkpoints={name: record.checkpoint for name, record in trained.records.items()},
        features=run.data.features.manifest.fingerprint(),
        labels=run.catalog.label_fingerprint(),
        traits={name: codes.tolist() for name, codes in trait_codes(run.catalog).items()},
        gallery=run.catalog.gallery,
        evaluation=to_plain(run.config.evaluation),
        **({"sureness": asdict(trained.sureness)} if trained.sureness else {}),
    )


def report_folder(config: Config) -> Path:
    return config.folder / (f"report-{config.report}" if config.report else "report")


def say_overlap(config: Config, catalog: Catalog) -> None:
    """Say how many of another catalogue's images the run was trained on: they flatter it."""
    saved = OmegaConf.load(config.folder / "config.yaml").data
    root = Path(saved.root).expanduser()
    root = Path(saved.get("images") or (root if root.is_dir() else root.parent)).expanduser()
    split = pd.read_csv(config.folder / "split.csv", dtype=str)
    seen = {(root / path).resolve() for path in split.loc[split["split"] == "train", "path"]}
    count = sum(path.resolve() in seen for path in catalog.paths)
    if count:
        say(f"{count} of these {len(catalog)} images were trained on: the figures flatter the run")


def require_other_place(config: Config) -> None:
    """Another wardrobe must not be drawn over the one that the run was trained on.

    Raises:
        ConfigError: the same ``data.root``.
    """
    own = OmegaConf.load(config.folder / "config.yaml").data.root
    if own and config.data.root and Path(own).resolve() == Path(config.data.root).resolve():
        raise ConfigError(
            f"data.root={own} holds the wardrobe that the run was trained on, and other settings "
            "would be drawn over it; give another data.root"
        )


def peak_memory_mb() -> int:
    """Most memory this process ever held, in MB; loading workers, 0.8 GB each, come on top."""
    unit = 1024 if sys.platform != "darwin" else 1024 * 1024  # kB on Linux, bytes on macOS
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)
