"""Trains what FLAM is compared with: the paper's baselines, a linear memory, its ablation."""

from __future__ import annotations

from typing import Any

from flam_pl.config import changes_of, to_plain
from flam_pl.config_methods import ABLATIONS
from flam_pl.editing.memory import MemoryEditor
from flam_pl.nets.concat import ConcatClassifiers
from flam_pl.nets.embedder import Embedders
from flam_pl.nets.memory import Memory
from flam_pl.pipeline import Run, train_embedders, train_manipulator
from flam_pl.stages.concat import ClassifierStage
from flam_pl.stages.embedder import EmbedderStage
from flam_pl.stages.handoff import StageRecord, require
from flam_pl.stages.memory import MemoryStage
from flam_pl.stages.training import train_stage
from flam_pl.trained import METHODS_FOLDER, restore_embedders
from flam_pl.validation import MONITOR, validation_figures


def train_methods(run: Run) -> None:
    """Every method that ``methods=[...]`` names, on the run's own features; those that are up to
    date cost nothing."""
    for name in run.config.methods:
        embedder = require(run.folder / "embedder", "embedder")
        if name in ABLATIONS:
            train_manipulator(
                run, embedder, f"{METHODS_FOLDER}/{name}", changes_of("manipulator", name)
            )
        elif name == "flam_plus":
            train_flam_plus(run)
        elif name == "memory":
            train_memory(run, embedder)
        else:
            train_concat(run, name, embedder)


def train_flam_plus(run: Run) -> StageRecord:
    """Stages 2 and 3 by the better recipe, on the run's own features."""
    place = f"{METHODS_FOLDER}/flam_plus"
    embedder = train_embedders(
        run,
        require(run.backbone_folder, "backbone"),
        f"{place}/embedder",
        changes_of("embedder", "flam_plus"),
    )
    changes = changes_of("manipulator", "flam_plus")
    return train_manipulator(run, embedder, place, changes, f"{place}/embedder")


def train_concat(run: Run, name: str, embedder: StageRecord) -> StageRecord:
    """Cls-Concat or Emb-Concat, which know nothing of the run's embedders but their space."""
    run.restart_chance()
    settings, catalog = run.config.concat, run.catalog
    plain = to_plain(settings) | {"loss": "triplet", "margin": run.config.embedder.margin}
    data = run.data.serve("labelled", settings.batch_size)
    rows, labelled = data.fitting_rows, data.feature_rows[0]
    architecture: dict[str, Any] = {
        "dimension": data.features.dimension,
        "working_dim": embedder.architecture["working_dim"],
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
        folder=run.folder / METHODS_FOLDER / name,
        inputs=run.feature_inputs,
        parent=embedder.parent,
        schema=catalog.schema,
        settings=plain,
        architecture=architecture,
    )


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
