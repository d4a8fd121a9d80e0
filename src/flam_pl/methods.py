"""Trains what FLAM is compared with: baselines, a linear memory, ablations, the better recipe."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from flam_pl.config.loading import changes_of, has_choice
from flam_pl.config.methods import (
    ABLATIONS,
    BEST_CONCAT,
    PLUS_FAMILY,
    TRIED,
    ConcatConfig,
)
from flam_pl.config.root import to_plain
from flam_pl.data.datamodule import FlamDataModule
from flam_pl.editing.evaluation import evaluate_edits
from flam_pl.editing.flam import Flam
from flam_pl.editing.memory import MemoryEditor
from flam_pl.editing.scored import Scored
from flam_pl.editing.sureness import FILE, Sureness
from flam_pl.nets.concat import ConcatClassifiers
from flam_pl.nets.embedder import Embedders
from flam_pl.nets.memory import Memory
from flam_pl.pipeline import Run, train_embedders, train_manipulator
from flam_pl.stages.concat import ClassifierStage
from flam_pl.stages.embedder import EmbedderStage
from flam_pl.stages.handoff import CHECKPOINT, StageRecord, require
from flam_pl.stages.memory import MemoryStage
from flam_pl.stages.training import evaluation_device, is_first_process, train_stage
from flam_pl.trained import (
    METHODS_FOLDER,
    SCORED_ROWS,
    plus_rows,
    plus_teacher,
    restore_concat,
    restore_embedders,
    restore_manipulator,
    weight_keys,
)
from flam_pl.validation import (
    MONITOR,
    choose_scoring,
    choose_sureness,
    held_out_set,
    validation_figures,
)


def train_methods(run: Run) -> None:
    """Every method that ``methods=[...]`` names, on the run's own features; those that are up to
    date cost nothing."""
    teachers: dict[str, StageRecord] = {}
    for name in run.config.methods:
        embedder = require(run.folder / "embedder", "embedder")
        if name in ABLATIONS:
            train_manipulator(
                run, embedder, f"{METHODS_FOLDER}/{name}", changes_of("manipulator", name)
            )
        elif name in PLUS_FAMILY:
            train_flam_plus(run, name, teachers)
        elif name == "memory":
            train_memory(run, embedder)
        elif name in BEST_CONCAT:
            train_best_concat(run, name, embedder)
        else:
            train_concat(run, name, embedder)


def train_flam_plus(
    run: Run, name: str = "flam_plus", teachers: dict[str, StageRecord] | None = None
) -> StageRecord:
    """Stages 2 and 3 by the better recipe, or by one that takes a step of it back, on the run's own
    features.

    Args:
        name: one of ``PLUS_FAMILY``. What it has no settings of its own for is that of
            ``flam_plus``: settings of stage 3, or whole embedders.
        teachers: embedders that this command has trained, by method; the method's own are added.
    """
    teachers = {} if teachers is None else teachers
    owner = name if has_choice("embedder", name) else "flam_plus"
    teacher, place = f"{METHODS_FOLDER}/{owner}/embedder", f"{METHODS_FOLDER}/{name}"
    if owner not in teachers:
        backbone = require(run.backbone_folder, "backbone")
        teachers[owner] = train_embedders(run, backbone, teacher, changes_of("embedder", owner))
    changes = changes_of("manipulator", name if has_choice("manipulator", name) else "flam_plus")
    record = train_manipulator(run, teachers[owner], place, changes, teacher)
    if is_first_process():
        own = restore_embedders(plus_teacher(run.folder / METHODS_FOLDER, name), teachers[owner])
        own.to(evaluation_device(run.config))
        record = keep_weights(run, record, own)
        if name == "flam_plus":
            keep_sureness(run, record, own)
    return record


def keep_weights(run: Run, record: StageRecord, embedders: Embedders) -> StageRecord:
    """Keep in the record what the scoring weighs, where that is not chosen yet.

    Args:
        record, embedders: of a method of the FLAM+ family, and those that it goes by.
    """
    whole = record.stage == "flam_plus"
    rows = SCORED_ROWS if whole else SCORED_ROWS[-1:]
    known = all(key in record.metrics for row in rows for key in weight_keys(row).values())
    if known or not record.settings["scoring"]:
        return record
    folder = run.folder / METHODS_FOLDER / record.stage
    data = run.data.serve("unlabelled", run.config.manipulator.batch_size)
    manipulator = restore_manipulator(folder, record).to(embedders.device)
    flam = Flam(embedders, manipulator)
    chosen = choose_scoring(data, flam, record.settings["likeness_cost"], every_row=whole)
    weights = {
        key: getattr(of_row, part)
        for row, of_row in zip(rows, chosen, strict=False)  # none, where nothing can be chosen
        for part, key in weight_keys(row).items()
    }
    record = replace(record, metrics=record.metrics | weights)
    (folder / FILE).unlink(missing_ok=True)  # how sure results in another order were
    record.save(folder)
    return record


def keep_sureness(run: Run, record: StageRecord, embedders: Embedders) -> None:
    """Keep how the probabilities of ``flam_plus`` are set right, where that is not measured yet.

    Args:
        record, embedders: of ``flam_plus``, and those that it goes by.
    """
    folder = run.folder / METHODS_FOLDER / "flam_plus"
    if Sureness.load(folder, record.checkpoint):
        return
    data = run.data.serve("unlabelled", run.config.manipulator.batch_size)
    manipulator = restore_manipulator(folder, record).to(embedders.device)
    *_, editor = plus_rows(embedders, manipulator, record)
    assert isinstance(editor, Scored)
    sureness = choose_sureness(data, editor, record.checkpoint)
    if sureness:
        sureness.save(folder)


def train_concat(
    run: Run,
    name: str,
    embedder: StageRecord,
    settings: ConcatConfig | None = None,
    place: str | None = None,
) -> StageRecord:
    """Cls-Concat or Emb-Concat, which know nothing of the run's embedders but their space.

    Args:
        settings: others than the run's.
        place: folder under that of the methods; None: the method's own.
    """
    run.restart_chance()
    settings, catalog = settings or run.config.concat, run.catalog
    plain = to_plain(settings) | {"loss": "triplet", "margin": run.config.embedder.margin}
    data = run.data.serve("labelled", settings.batch_size)
    rows, labelled = data.fitting_rows, data.feature_rows[0]
    architecture: dict[str, Any] = {
        "dimension": data.features.dimension,
        "working_dim": concat_working_dim(settings, embedder, len(rows)),
        "dropout": settings.dropout,
    }
    stage: ClassifierStage | EmbedderStage
    if name == "cls_concat":
        architecture |= {"width": settings.width, "hidden": settings.hidden}
        net = ConcatClassifiers(catalog.schema, **architecture)
        net.space.fit(data.features.rows(rows))
        stage = ClassifierStage(
            net,
            plain,
            lambda: (data.features.rows(labelled), data.labels(labelled)),
        )
    else:
        architecture["embedding_dim"] = settings.width
        embedders = Embedders(catalog.schema, **architecture)
        embedders.fit(data.features.rows(rows), data.labels(rows))
        stage = EmbedderStage(embedders, plain)
    return train_stage(
        name,
        stage,
        data,
        run.config,
        epochs=settings.max_epochs,
        monitor="val/accuracy" if len(data.feature_rows[1]) else None,
        folder=run.folder / METHODS_FOLDER / (place or name),
        inputs=run.feature_inputs,
        parent=embedder.parent,
        schema=catalog.schema,
        settings=plain,
        architecture=architecture,
    )


def concat_working_dim(settings: ConcatConfig, embedder: StageRecord, rows: int) -> int | None:
    """Dimensions that a concatenation works in; ``rows`` features span no more."""
    if settings.working_dim == "embedder":
        own: int | None = embedder.architecture["working_dim"]
        return own
    return min(int(settings.working_dim), rows) if settings.working_dim else None


def train_best_concat(run: Run, name: str, embedder: StageRecord) -> None:
    """A concatenation by each of ``results.concat_settings``; the best on validation is kept.

    A baseline at its default settings alone would be too easy to beat.
    """
    kind, grid = BEST_CONCAT[name], run.config.results.concat_settings
    found: dict[str, StageRecord] = {}
    for noise, working_dim in product(grid.noise, grid.working_dim):
        settings = replace(run.config.concat, noise=noise, working_dim=working_dim)
        setting = f"noise={noise:g},working_dim={working_dim or 'all'}"
        found[setting] = train_concat(run, kind, embedder, settings, f"{name}/{setting}")
    if is_first_process():
        data = run.data.serve("unlabelled", run.config.concat.batch_size)
        keep_best_concat(run.folder / METHODS_FOLDER / name, found, data)


def keep_best_concat(
    folder: Path, found: Mapping[str, StageRecord], data: FlamDataModule
) -> StageRecord:
    """Copy the best of the candidates, folders under ``folder``, to ``folder`` itself.

    Args:
        found: setting -> record of the concatenation that was trained by it; the first one counts
            where there is no validation.

    Returns:
        The record of the copy; its metrics hold T@10 on validation of every candidate.
    """
    tried = {}
    if len(data.feature_rows[1]) > 1:
        held_out, k = held_out_set(data), int(MONITOR.removeprefix("T@"))
        for setting, record in found.items():
            editor, _ = restore_concat(folder / setting, record)
            tried[setting] = evaluate_edits(editor, held_out, [k]).shares()[MONITOR]
    best = max(tried, key=lambda setting: tried[setting]) if tried else next(iter(found))
    metrics = found[best].metrics | {f"{TRIED} {s}": share for s, share in tried.items()}
    record = replace(found[best], stage=folder.name, metrics=metrics)
    if StageRecord.load(folder) != record:
        shutil.copyfile(folder / best / CHECKPOINT, folder / CHECKPOINT)
        record.save(folder)
    return record


def train_memory(run: Run, embedder: StageRecord) -> StageRecord:
    """The linear memory, from the class means on."""
    run.restart_chance()
    settings = run.config.memory
    data = run.data.serve("unlabelled", settings.batch_size, settings.steps_per_epoch)
    embedders = restore_embedders(run.folder / "embedder", embedder)
    memory = Memory(run.catalog.schema, embedders.space.dimension)
    schema = run.catalog.schema
    memory.start_at([embedders.space(embedders.of(name).class_means) for name in schema.types])
    several = len(data.feature_rows[1]) > 1
    evaluate = (
        validation_figures(data, MemoryEditor(embedders, memory), memory) if several else None
    )
    return train_stage(
        "memory",
        MemoryStage(memory, embedders, to_plain(settings), evaluate),
        data,
        run.config,
        epochs=settings.max_epochs,
        monitor=f"val/{MONITOR}" if several else None,
        folder=run.folder / METHODS_FOLDER / "memory",
        inputs=run.feature_inputs,
        parent=embedder.checkpoint,
        schema=schema,
        settings=to_plain(settings),
        architecture={"dimension": embedders.space.dimension},
    )
