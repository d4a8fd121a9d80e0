"""Trains Cls-Concat, Emb-Concat and ADDE-M."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from flam_pl.config.stages import ConcatConfig, EmbedderConfig
from flam_pl.evaluation.validation import calibration
from flam_pl.methods.registry import Method
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.concat import ConcatClassifiers
from flam_pl.training.concat_modules import ClassifierModule, MemoryModule
from flam_pl.training.embedder_module import EmbedderModule
from flam_pl.training.records import StageRecord, require
from flam_pl.training.run import Run
from flam_pl.training.stage import StageSpec, train_stage

RECIPE = 2
"""Increase it with every change of this file that alters results."""


def train_classifiers(run: Run, method: Method) -> StageRecord:
    """The classifiers of Cls-Concat, or the memory of ADDE-M."""
    settings, embedder = run.config.concat, start(run)
    data = run.data.serve("labelled", settings.batch_size)
    rows, labelled = data.fitting_rows, data.feature_rows[0]
    learned = method.name == "adde_m"
    architecture: dict[str, Any] = {
        "dimension": data.features.dimension,
        "working_dim": space_dimension(settings, embedder, len(rows)),
        "dropout": settings.dropout,
        "width": settings.width,
        "hidden": settings.hidden,
        "learned": learned,
    }
    net = ConcatClassifiers(run.catalog.schema, **architecture)
    net.space.fit(data.features.rows(rows))

    def measured() -> tuple[Tensor, Tensor]:
        return data.features.rows(labelled), data.labels(labelled)

    margin = run.config.embedder.margin
    module = (
        MemoryModule(net, settings, margin)
        if learned
        else ClassifierModule(net, settings, measured)
    )
    return train(run, method, module, net, architecture, embedder, monitor=None)


def train_wide_embedders(run: Run, method: Method) -> StageRecord:
    """The embedders of Emb-Concat."""
    settings, embedder = run.config.concat, start(run)
    data = run.data.serve("labelled", settings.batch_size)
    rows = data.fitting_rows
    architecture: dict[str, Any] = {
        "dimension": data.features.dimension,
        "working_dim": space_dimension(settings, embedder, len(rows)),
        "dropout": settings.dropout,
        "embedding_dim": settings.width,
    }
    net = AttributeEmbedders(run.catalog.schema, **architecture)
    net.fit(data.features.rows(rows), data.labels(rows))
    same = {name: getattr(settings, name) for name in ("noise", "lr", "weight_decay")}
    module = EmbedderModule(net, EmbedderConfig(margin=run.config.embedder.margin, **same))
    return train(run, method, module, net, architecture, embedder, monitor="val/accuracy")


def start(run: Run) -> StageRecord:
    run.reseed()
    return require(run.folder / "embedder", "embedder")


def train(
    run: Run,
    method: Method,
    module: ClassifierModule | EmbedderModule,
    net: ConcatClassifiers | AttributeEmbedders,
    architecture: dict[str, Any],
    embedder: StageRecord,
    monitor: str | None,  # validation metric of the best epoch; a softmax uses its last (None)
) -> StageRecord:
    complete = calibration(run.data, net)
    spec = StageSpec(
        method.name,
        module,
        run.folder / method.place,
        settings=run.config.concat,
        architecture=architecture,
        schema=run.catalog.schema,
        inputs=run.feature_inputs | {"recipe": RECIPE, "margin": run.config.embedder.margin},
        parent=embedder.parent,
        monitor=monitor if complete else None,
        complete=complete,
    )
    return train_stage(spec, run.data, run.config)


def space_dimension(settings: ConcatConfig, embedder: StageRecord, rows: int) -> int | None:
    """Dimension of the working space: at most ``rows``, the number of features."""
    if settings.working_dim == "embedder":
        own: int | None = embedder.architecture["working_dim"]
        return own
    return min(int(settings.working_dim), rows) if settings.working_dim else None
