"""Trains stages 2 and 3, the attribute embedders and the generator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flam_pl.config.loading import method_config
from flam_pl.config.stages import EmbedderConfig, ManipulatorConfig
from flam_pl.evaluation.validation import MONITOR, calibration, validation_figures
from flam_pl.methods.generator import Flam
from flam_pl.methods.registry import Method
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.manipulator import Manipulator
from flam_pl.reports.wandb_report import SearchPicture
from flam_pl.training.embedder_module import EmbedderModule
from flam_pl.training.manipulator_module import ManipulatorModule
from flam_pl.training.records import StageRecord, require
from flam_pl.training.run import Run
from flam_pl.training.stage import StageSpec, train_stage
from flam_pl.training.trained_networks import restore

SHAPING = ("hidden", "depth", "gated", "discriminator_hidden", "discriminator_depth", "noise")
"""Settings of stage 3 that shape its networks."""
EMBEDDER_RECIPE, MANIPULATOR_RECIPE = 1, 1
"""Increase it with every change of a stage's training code that alters results."""


def train_generator(run: Run, method: Method) -> StageRecord:
    """Stage 3. FLAM, and a method with embedders of its own, train stage 2 before."""
    settings = method_config(run.config, method.overrides) if method.overrides else run.config
    place = f"{method.place}/embedder" if method.own_embedders else "embedder"
    if method.name == "flam" or method.own_embedders:
        teacher = train_embedders(run, settings.embedder, place)
    else:
        teacher = require(run.folder / place, "embedder")
    return train_manipulator(run, settings.manipulator, method.place, teacher, place)


def train_embedders(run: Run, settings: EmbedderConfig, place: str) -> StageRecord:
    """Stage 2: phi_a and d_a of every type, into ``<run>/<place>``."""
    backbone, catalog = require(run.backbone_folder, "backbone"), run.catalog
    run.reseed()
    data = run.data.serve("labelled", settings.batch_size)
    rows = data.fitting_rows
    architecture: dict[str, Any] = {
        "dimension": data.features.dimension,
        "embedding_dim": settings.embedding_dim,
        # so many features span no more directions
        "working_dim": min(settings.working_dim, len(rows)) if settings.working_dim else None,
        "hidden": settings.hidden,
        "dropout": settings.dropout,
        "members": settings.members,
    }
    embedders = AttributeEmbedders(catalog.schema, **architecture)
    embedders.fit(data.features.rows(rows), data.labels(rows))
    taught = settings.self_training and settings.loss == "softmax"
    bank = run.data.bank(settings.bank) if taught else None
    complete = calibration(data, embedders)
    spec = StageSpec(
        "embedder",
        EmbedderModule(embedders, settings, bank),
        run.folder / place,
        settings=settings,
        architecture=architecture,
        schema=catalog.schema,
        inputs=run.feature_inputs | {"recipe": EMBEDDER_RECIPE},
        parent=backbone.checkpoint,
        # a softmax uses its last epoch: in the epoch of the best accuracy its probabilities are
        # worse
        monitor="val/accuracy" if complete and settings.loss == "triplet" else None,
        complete=complete,
    )
    record = train_stage(spec, data, run.config)
    run.seconds[place.replace("/", "-")] = record.seconds
    return record


def train_manipulator(
    run: Run, settings: ManipulatorConfig, place: str, teacher: StageRecord, taught_by: str
) -> StageRecord:
    """Stage 3: the generator, against a discriminator, into ``<run>/<place>``. Its teacher, the
    embedders, lies in ``<run>/<taught_by>``."""
    run.reseed()
    data = run.data.serve("unlabelled", settings.batch_size, settings.steps_per_epoch)
    embedders = restore(AttributeEmbedders, run.folder / taught_by, teacher)
    architecture: dict[str, Any] = {
        "dimension": embedders.space.dimension,
        "embedding_dim": embedders.embedding_dim,
        **{name: getattr(settings, name) for name in SHAPING},
    }
    manipulator = Manipulator(run.catalog.schema, **architecture)
    held_out = data.feature_rows[1]
    editor = Flam(embedders, manipulator)
    evaluate = validation_figures(data, editor, manipulator) if len(held_out) > 1 else None
    looks_for_photos = settings.distillation_weight or settings.composition_weight
    bank = run.data.bank(settings.bank) if looks_for_photos else None
    spec = StageSpec(
        Path(place).name,
        ManipulatorModule(manipulator, embedders, settings, evaluate, bank),
        run.folder / place,
        settings=settings,
        architecture=architecture,
        schema=run.catalog.schema,
        inputs=run.feature_inputs | {"recipe": MANIPULATOR_RECIPE},
        parent=teacher.checkpoint,
        monitor=f"val/{MONITOR}" if evaluate else None,
        callbacks=[SearchPicture(editor, run.catalog, data.features, held_out, run.config.seed)],
    )
    return train_stage(spec, data, run.config)
