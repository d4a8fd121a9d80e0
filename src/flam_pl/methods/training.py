"""How the methods are trained: stages 2 and 3, and the concatenations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from torch import Tensor, nn

from flam_pl.config.loading import method_config
from flam_pl.config.methods import ConcatConfig
from flam_pl.config.stages import EmbedderConfig, ManipulatorConfig
from flam_pl.data.datamodule import FlamDataModule
from flam_pl.editing.editor import Editor, NoEdit
from flam_pl.evaluation.hits import evaluate_edits
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.methods.flam import Flam
from flam_pl.methods.registry import Method
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.concat import ConcatClassifiers
from flam_pl.models.manipulator import Manipulator
from flam_pl.reports.wandb_report import SearchPicture
from flam_pl.training.by_type import ByTypeModule
from flam_pl.training.concat_modules import ClassifierModule, MemoryModule
from flam_pl.training.embedder_module import EmbedderModule
from flam_pl.training.manipulator_module import ManipulatorModule
from flam_pl.training.records import StageRecord, require
from flam_pl.training.run import Run
from flam_pl.training.stage import StageSpec, train_stage
from flam_pl.training.trained_networks import restore_embedders

MONITOR = "T@10"  # its largest value on validation marks the best epoch of the manipulator
EMBEDDER_RECIPE, MANIPULATOR_RECIPE, CONCAT_RECIPE = 1, 1, 2
"""Increase it with every change of the training code that alters results."""


def train_embedders(
    run: Run, place: str = "embedder", settings: EmbedderConfig | None = None
) -> StageRecord:
    """Stage 2: the embedder phi_a and dictionary d_a of every type, into ``<run>/<place>``."""
    backbone = require(run.backbone_folder, "backbone")
    run.reseed()
    settings = settings or run.config.embedder
    data = run.data.serve("labelled", settings.batch_size)
    rows = data.fitting_rows
    architecture: dict[str, Any] = {
        "dimension": data.features.dimension,
        "embedding_dim": settings.embedding_dim,
        # so many features span no more dimensions
        "working_dim": min(settings.working_dim, len(rows)) if settings.working_dim else None,
        "hidden": settings.hidden,
        "dropout": settings.dropout,
        "members": settings.members,
    }
    embedders = AttributeEmbedders(run.catalog.schema, **architecture)
    embedders.fit(data.features.rows(rows), data.labels(rows))
    taught = settings.self_training and settings.loss == "softmax"
    module = EmbedderModule(embedders, settings, run.data.bank(settings.bank) if taught else None)
    complete = calibration(data, embedders)
    record = train_into(
        *(run, place, module, settings, architecture, {"recipe": EMBEDDER_RECIPE}),
        parent=backbone.checkpoint,
        # a softmax has better probabilities in its last epoch than in the most accurate one
        monitor="val/accuracy" if complete and settings.loss == "triplet" else None,
        complete=complete,
    )
    run.seconds[place.replace("/", "-")] = record.seconds
    return record


def train_manipulator(
    run: Run,
    parent: StageRecord,
    place: str = "manipulator",
    settings: ManipulatorConfig | None = None,
    teacher: str = "embedder",
) -> StageRecord:
    """Stage 3: the generator, against a discriminator, into ``<run>/<place>``.

    ``parent`` is the record of the embedders in ``<run>/<teacher>``.
    """
    run.reseed()
    settings = settings or run.config.manipulator
    data = run.data.serve("unlabelled", settings.batch_size, settings.steps_per_epoch)
    embedders = restore_embedders(run.folder / teacher, parent)
    architecture: dict[str, Any] = {
        "dimension": embedders.space.dimension,
        "embedding_dim": embedders.embedding_dim,
        "hidden": settings.hidden,
        "depth": settings.depth,
        "gated": settings.gated,
        "discriminator_hidden": settings.discriminator_hidden,
        "discriminator_depth": settings.discriminator_depth,
        "noise": settings.noise,
    }
    manipulator = Manipulator(run.catalog.schema, **architecture)
    held_out, editor = data.feature_rows[1], Flam(embedders, manipulator)
    evaluate = validation_figures(data, editor, manipulator) if len(held_out) > 1 else None
    by_photos = settings.distillation_weight or settings.composition_weight
    bank = run.data.bank(settings.bank) if by_photos else None
    module = ManipulatorModule(manipulator, embedders, settings, evaluate, bank)
    record = train_into(
        *(run, place, module, settings, architecture, {"recipe": MANIPULATOR_RECIPE}),
        parent=parent.checkpoint,
        monitor=f"val/{MONITOR}" if evaluate else None,
        callbacks=[SearchPicture(editor, run.catalog, data.features, held_out, run.config.seed)],
    )
    run.seconds[Path(place).name] = record.seconds
    return record


def train_both_stages(run: Run, method: Method) -> StageRecord:
    settings, own = method_config(run.config, method.overrides), f"{method.place}/embedder"
    teacher = train_embedders(run, own, settings.embedder)
    return train_manipulator(run, teacher, method.place, settings.manipulator, own)


def train_flam(run: Run, method: Method) -> StageRecord:
    return train_manipulator(run, train_embedders(run))


def train_ablation(run: Run, method: Method) -> StageRecord:
    settings = method_config(run.config, method.overrides).manipulator
    embedder = require(run.folder / "embedder", "embedder")
    return train_manipulator(run, embedder, method.place, settings)


def train_classifiers(run: Run, method: Method) -> StageRecord:
    """The classifiers of Cls-Concat, or the memory of ADDE-M."""
    embedder, rows, architecture = start_concatenation(run)
    settings, data, learned = run.config.concat, run.data, method.name == "adde_m"
    architecture |= {"width": settings.width, "hidden": settings.hidden, "learned": learned}
    net = ConcatClassifiers(run.catalog.schema, **architecture)
    net.space.fit(data.features.rows(rows))
    labelled = data.feature_rows[0]

    def measured() -> tuple[Tensor, Tensor]:
        return data.features.rows(labelled), data.labels(labelled)

    module = ClassifierModule(net, settings, measured)
    if learned:
        module = MemoryModule(net, settings, run.config.embedder.margin)
    return train_concatenation(run, method, module, net, architecture, embedder)


def train_wide_embedders(run: Run, method: Method) -> StageRecord:
    embedder, rows, architecture = start_concatenation(run)
    settings, data = run.config.concat, run.data
    architecture |= {"embedding_dim": settings.width}
    net = AttributeEmbedders(run.catalog.schema, **architecture)
    net.fit(data.features.rows(rows), data.labels(rows))
    same = {name: getattr(settings, name) for name in ("noise", "lr", "weight_decay")}
    module = EmbedderModule(net, EmbedderConfig(margin=run.config.embedder.margin, **same))
    return train_concatenation(run, method, module, net, architecture, embedder)


def start_concatenation(run: Run) -> tuple[StageRecord, np.ndarray, dict[str, Any]]:
    """The embedders of the run, the rows to fit on, and what all concatenations are built of."""
    run.reseed()
    embedder, settings = require(run.folder / "embedder", "embedder"), run.config.concat
    data = run.data.serve("labelled", settings.batch_size)
    rows, working = data.fitting_rows, settings.working_dim
    if working == "embedder":
        working = embedder.architecture["working_dim"]
    elif working:
        working = min(int(working), len(rows))  # so many features span no more dimensions
    of = {"dimension": data.features.dimension, "working_dim": working or None}
    return embedder, rows, of | {"dropout": settings.dropout}


def train_concatenation(
    run: Run,
    method: Method,
    module: ClassifierModule | EmbedderModule,
    net: ConcatClassifiers | AttributeEmbedders,
    architecture: dict[str, Any],
    embedder: StageRecord,
) -> StageRecord:
    complete = calibration(run.data, net)
    inputs = {"recipe": CONCAT_RECIPE, "margin": run.config.embedder.margin}
    by_accuracy = complete and isinstance(module, EmbedderModule)  # a softmax: the last epoch
    return train_into(
        *(run, method.place, module, run.config.concat, architecture, inputs),
        parent=embedder.parent,
        monitor="val/accuracy" if by_accuracy else None,
        complete=complete,
    )


def train_into(
    run: Run,
    place: str,
    module: ByTypeModule | ManipulatorModule,
    settings: EmbedderConfig | ManipulatorConfig | ConcatConfig,
    architecture: dict[str, Any],
    inputs: Mapping[str, Any],
    **others: Any,
) -> StageRecord:
    """Train a stage into ``<run>/<place>``; ``others`` are fields of ``StageSpec``."""
    spec = StageSpec(
        Path(place).name,
        module,
        run.folder / place,
        epochs=settings.max_epochs,
        settings=settings,
        architecture=architecture,
        schema=run.catalog.schema,
        inputs={**run.feature_inputs, **inputs},
        **others,
    )
    return train_stage(spec, run.data, run.config)


def calibration(
    data: FlamDataModule, net: AttributeEmbedders | ConcatClassifiers
) -> Callable[[pl.Trainer], None] | None:
    """Sets the temperatures of classifiers; None without validation labels."""
    rows = data.feature_rows[1]
    if not len(rows):
        return None

    def calibrate(trainer: pl.Trainer) -> None:
        device = net.space.mean.device
        features, labels = data.features.rows(rows), data.labels(rows)
        net.eval().calibrate(features.to(device), labels.to(device))

    return calibrate


def validation_figures(
    data: FlamDataModule, editor: Editor, net: nn.Module
) -> Callable[[], dict[str, float]]:
    """Measures T@k, and ``no_edit/T@k`` of the plain search."""
    held_out = EvaluationSet.of(data.catalog, data.features, data.feature_rows[1])
    ks = sorted({*data.config.evaluation.ks, int(MONITOR.removeprefix("T@"))})
    plain = evaluate_edits(NoEdit(), held_out, ks).shares()

    def figures() -> dict[str, float]:
        device = next(net.parameters()).device
        edited = evaluate_edits(editor, held_out.to(device), ks).shares()
        return edited | {f"no_edit/{name}": value for name, value in plain.items()}

    return figures
