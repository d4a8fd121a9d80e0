"""Measures a trained run on its own or on other photos."""

from __future__ import annotations

import os
import resource
import sys
import time
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd

from flam_pl.attributes import AttributeSchema
from flam_pl.config.data import DataConfig, TableData, WardrobeData
from flam_pl.config.loading import (
    SETTINGS,
    SPLIT,
    SPLIT_HASH,
    load_run_config,
    saved_settings,
    trained_config,
)
from flam_pl.config.root import Config, to_plain
from flam_pl.config.saved_files import DamagedFile, reading
from flam_pl.data.datamodule import FlamDataModule
from flam_pl.datasets.catalog import SPLITS, Catalog
from flam_pl.datasets.inspection import check_usable, edits_cannot_be_evaluated
from flam_pl.datasets.labels import extra_attribute_codes
from flam_pl.datasets.sources import open_catalog
from flam_pl.datasets.splits import RECORDED
from flam_pl.distributed import is_first_process, log
from flam_pl.errors import ConfigError, FlamError
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.experiments.compute_metrics import compute_metrics
from flam_pl.experiments.pipeline import decoded, extract, usable
from flam_pl.experiments.trained_run import TrainedRun
from flam_pl.methods.registry import FOLDER, chosen
from flam_pl.reports.report import Report, require_replaceable
from flam_pl.reports.wandb_report import log_report
from flam_pl.retrieval.chosen_weights import FILE as SCORING
from flam_pl.retrieval.confidence import FILE as CALIBRATION
from flam_pl.terminal.progress import show_progress
from flam_pl.training.records import RECORD, inputs_hash, sha256, versions
from flam_pl.training.run import Run
from flam_pl.training.stage import evaluation_device

EVALUATION_RECIPE = 1
"""Increase it with every change of a measure that alters its values."""


def open_folder(folder: Path) -> tuple[Run, TrainedRun]:
    """A finished run on its own data; writes nothing. Raises as ``reopen``."""
    folder = Path(os.path.abspath(folder.expanduser()))  # "." has no name
    config, own = load_run_config([f"run={folder.name}", f"runs_dir={folder.parent}"])
    return reopen(config, own, write=False)


def reopen(
    config: Config, own: bool, write: bool = True, searched: bool = False
) -> tuple[Run, TrainedRun]:
    """A finished run with its data and its networks.

    ``own``: the data are those of the training. ``write``: extract missing features.
    ``searched``: all photos are opened, also those that cannot be evaluated.

    Raises:
        FlamError: the run is not finished, or other data is given without ``report=``.
    """
    show_progress(config.trainer.progress)
    chosen(config)
    trained = TrainedRun.open(config.folder, names=config.methods)
    log_missing(config, trained)
    if not own and config.report is None:
        raise ConfigError(
            f"the run {config.folder} was trained on other data than {config.data.root}. Evaluate "
            "it there with report=<name>, which leaves the run's own report as it is."
        )
    if not own and isinstance(config.data, WardrobeData):
        require_other_place(config)
    data = as_trained(config, trained.schema) if own else config.data
    listed = open_catalog(data, None if own else trained.schema, searched)
    first = write and not own  # the extraction is the first to decode these photos
    catalog = usable(listed, config, write, decoding=not first)
    trained.schema.require_same(catalog.schema, "the data set")
    if own and trained.records["embedder"].data != catalog.label_fingerprint():
        if not isinstance(data, TableData):
            raise ConfigError(
                f"{data.root} has changed since the run {config.folder} was trained: another split "
                "would be drawn, and training photos could become queries. Train again, or give "
                "the changed data another place and report=<name>."
            )
        log(
            f"{data.root} has changed since the training: photos of the training keep their "
            "split, new photos are evaluated. Train again to learn from the changes."
        )
    if write and not searched:
        check_usable(catalog, training=False)
    if not own and not searched:
        log_overlap(config, catalog)
    data_module = FlamDataModule(catalog, config, trained.preprocess)
    run = Run(config, catalog, data_module, listed=listed if first else None)
    suffix = "" if own else f"-{config.report}"
    features, backbone = config.folder / f"features{suffix}", trained.records["backbone"]
    if write:
        if not own:
            require_replaceable(report_folder(config))
        extract(run, backbone, features)
        if len(checked := decoded(run)) < len(catalog):
            if not searched:
                check_usable(checked, training=False)
            run = Run(config, checked, FlamDataModule(checked, config, trained.preprocess))
            extract(run, backbone, features)
    else:
        run.data.open_features(features, backbone.checkpoint)
    return run, trained


def log_missing(config: Config, trained: TrainedRun) -> None:
    for name in config.methods:
        record = config.folder / FOLDER / name / RECORD
        if not record.is_file():
            log(f"{record} is missing: {name} is left out. Run make train-flam to train it.")
    if not trained.scoring.key:
        log(
            f"{config.folder / SCORING} is missing or was written for other methods: FLAM searches "
            "by the cosine alone. Run make train-flam to select again."
        )
    elif trained.scoring.weights and not trained.calibration:
        log(
            f"{config.folder / CALIBRATION} is missing or of another selection: no confidence is "
            "given. make train-flam measures it on validation photos with a label of every type."
        )


def as_trained(config: Config, schema: AttributeSchema) -> DataConfig:
    """The data settings; a table gets the classes and the split of the training."""
    if not isinstance(config.data, TableData):
        return config.data
    read_split(config.folder)
    classes = {kind: list(names) for kind, names in schema.classes.items()}
    return replace(config.data, classes=classes, recorded_split=str(config.folder / SPLIT))


def measured(run: Run) -> Report | None:
    """``measure``, or the report if it has the same inputs."""
    if not is_first_process():
        return None
    trained = TrainedRun.open(run.folder, run.backbone_folder, run.config.methods)
    folder = report_folder(run.config)
    with suppress(FlamError):  # no report yet, or of another format
        report = Report.open(folder)
        same = report.metrics.get("inputs") == measured_from(run, trained)
        if same and not run.config.retrain:
            log(f"evaluation: up to date, nothing to measure ({folder})")
            return report
    return measure(run, trained)


def measure(run: Run, trained: TrainedRun | None = None) -> Report | None:
    """Measure and write the report; None in the further processes of a DDP run."""
    if not is_first_process():
        return None
    config, catalog = run.config, run.catalog
    trained = trained or TrainedRun.open(run.folder, run.backbone_folder, run.config.methods)
    started = time.monotonic()
    require_replaceable(report_folder(config))
    device = evaluation_device(config)
    trained.to(device)
    without_edits = edits_cannot_be_evaluated(catalog)
    if without_edits:
        log(f"{catalog.name}: {without_edits}. Only the instance search is measured.")
    rows = catalog.edit_rows("evaluation")
    data = EvaluationSet.of(catalog, run.data.features, rows).to(device)
    photos = EvaluationSet.of_photos(catalog, run.data.features, "evaluation").to(device)
    metrics = compute_metrics(run, trained, data, photos) | {
        "seconds": {n: r.seconds for n, r in trained.records.items()}
        | run.seconds
        | {"evaluation": round(time.monotonic() - started, 1)},
        "peak_memory_mb": peak_memory_mb(),
        "config": to_plain(config),
        "versions": versions(),
        "inputs": measured_from(run, trained),
    }
    report = Report(report_folder(config), metrics)
    report.write(catalog, rows, data, trained.rows(), config.evaluation.examples)
    log_report(config, report, trained.records)
    return report


def measured_from(run: Run, trained: TrainedRun) -> str:
    return inputs_hash(
        recipe=EVALUATION_RECIPE,
        checkpoints=trained.checkpoints,
        scoring=asdict(trained.scoring),
        features=run.data.features.content,
        labels=run.catalog.label_fingerprint(),
        traits={name: codes.tolist() for name, codes in extra_attribute_codes(run.catalog).items()},
        gallery=run.catalog.gallery,
        evaluation=to_plain(run.config.evaluation),
        **({"calibration": asdict(trained.calibration)} if trained.calibration else {}),
    )


def report_folder(config: Config) -> Path:
    return config.folder / (f"report-{config.report}" if config.report else "report")


def log_overlap(config: Config, catalog: Catalog) -> None:
    data = trained_config(config.folder).data
    root = Path(data.root or "")
    root = Path(getattr(data, "images", None) or (root if root.is_dir() else root.parent))
    split = read_split(config.folder)
    seen = {(root / path).resolve() for path in split.loc[split["split"] == "train", "path"]}
    contents = set(split.get("sha256", split["path"])[split["split"] == "train"])
    keys = np.char.decode(catalog.photo_keys)
    both = zip(catalog.paths, keys, strict=True)
    if count := sum(path.resolve() in seen or key in contents for path, key in both):
        log(f"{count} of these {len(catalog)} photos were trained on: the figures are too high")


def read_split(folder: Path) -> pd.DataFrame:
    """The training's table of the columns ``RECORDED``. Raises DamagedFile."""
    path, remedy = folder / SPLIT, "Run make train-flam again: it is written anew."
    if not path.is_file():
        raise DamagedFile(path, "it is missing", remedy)
    written = saved_settings(folder).get(SPLIT_HASH)
    if written not in (None, sha256(path)):
        raise DamagedFile(path, f"it is not the one that {SETTINGS} was written for", remedy)
    with reading(path, remedy):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        columns = RECORDED, RECORDED[:2]  # older runs have two
        if list(table) not in columns or not table["split"].isin(SPLITS).all():
            words = ", ".join(SPLITS)
            raise ValueError(f"expected the columns {', '.join(RECORDED)}, and splits of {words}")
    return table


def require_other_place(config: Config) -> None:
    """Raises ConfigError if a wardrobe would be drawn over the training's."""
    own = trained_config(config.folder).data.root
    if own and config.data.root and Path(own).resolve() == Path(config.data.root).resolve():
        raise ConfigError(
            f"data.root={own} holds the wardrobe that the run was trained on, and other settings "
            "would be drawn over it; give another data.root"
        )


def peak_memory_mb() -> int:
    """Peak memory of this process, without its loading workers."""
    unit = 1024 if sys.platform != "darwin" else 1024 * 1024  # kB on Linux, bytes on macOS
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)
