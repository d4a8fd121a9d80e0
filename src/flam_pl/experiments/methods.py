"""Trains what FLAM is compared with: the better recipe, the baselines, the ablations."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from flam_pl.config.loading import method_config
from flam_pl.config.methods import ABLATIONS, OWN_EMBEDDERS, ConcatConfig
from flam_pl.config.root import to_plain
from flam_pl.distributed import is_first_process
from flam_pl.evaluation.validation import calibration
from flam_pl.experiments.pipeline import Run, train_embedders, train_manipulator
from flam_pl.experiments.selection import keep_scoring
from flam_pl.experiments.trained import METHODS_FOLDER
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.concat import ConcatClassifiers
from flam_pl.training.concat_modules import ClassifierModule, MemoryModule
from flam_pl.training.embedder_module import EmbedderModule
from flam_pl.training.records import StageRecord, require
from flam_pl.training.stage import train_stage

VERSION = 2
"""Of how a concatenation is trained: another one trains anew."""


def train_methods(run: Run) -> None:
    """Every method that ``methods=[...]`` names, on the run's own features, and what their scoring
    weighs; what is up to date costs nothing."""
    for name in run.config.methods:
        embedder = require(run.folder / "embedder", "embedder")
        if name in ABLATIONS:
            settings = method_config(run.config, name).manipulator
            train_manipulator(run, embedder, f"{METHODS_FOLDER}/{name}", settings)
        elif name in OWN_EMBEDDERS:
            train_both_stages(run, name)
        else:
            train_concat(run, name, embedder)
    if is_first_process():
        keep_scoring(run)


def train_both_stages(run: Run, name: str) -> StageRecord:
    """Stages 2 and 3 by a method's own recipe, on the run's own features."""
    settings, place = method_config(run.config, name), f"{METHODS_FOLDER}/{name}"
    backbone = require(run.backbone_folder, "backbone")
    teacher = train_embedders(run, backbone, f"{place}/embedder", settings.embedder)
    return train_manipulator(run, teacher, place, settings.manipulator, f"{place}/embedder")


def train_concat(run: Run, name: str, embedder: StageRecord) -> StageRecord:
    """A method with its own vectors, which knows nothing of the run's embedders but their space."""
    run.reseed()
    settings, catalog = run.config.concat, run.catalog
    plain = to_plain(settings) | {"loss": "triplet", "margin": run.config.embedder.margin}
    data = run.data.serve("labelled", settings.batch_size)
    rows, labelled = data.fitting_rows, data.feature_rows[0]
    architecture: dict[str, Any] = {
        "dimension": data.features.dimension,
        "working_dim": concat_working_dim(settings, embedder, len(rows)),
        "dropout": settings.dropout,
    }
    stage: ClassifierModule | EmbedderModule
    net: ConcatClassifiers | AttributeEmbedders
    if name == "emb_concat":
        architecture["embedding_dim"] = settings.width
        net = AttributeEmbedders(catalog.schema, **architecture)
        net.fit(data.features.rows(rows), data.labels(rows))
        stage = EmbedderModule(net, plain)
    else:
        learned = name == "adde_m"
        architecture |= {"width": settings.width, "hidden": settings.hidden, "learned": learned}
        net = ConcatClassifiers(catalog.schema, **architecture)
        net.space.fit(data.features.rows(rows))

        def measured() -> tuple[Tensor, Tensor]:
            return data.features.rows(labelled), data.labels(labelled)

        stage = MemoryModule(net, plain) if learned else ClassifierModule(net, plain, measured)
    complete = calibration(data, net)
    return train_stage(
        name,
        stage,
        data,
        run.config,
        epochs=settings.max_epochs,
        # as for the embedders, of a softmax the last epoch is kept
        monitor="val/accuracy" if complete and name == "emb_concat" else None,
        folder=run.folder / METHODS_FOLDER / name,
        inputs=run.feature_inputs | {"version": VERSION},
        parent=embedder.parent,
        schema=catalog.schema,
        settings=plain,
        architecture=architecture,
        complete=complete,
    )


def concat_working_dim(settings: ConcatConfig, embedder: StageRecord, rows: int) -> int | None:
    """Dimensions that a concatenation works in; ``rows`` features span no more."""
    if settings.working_dim == "embedder":
        own: int | None = embedder.architecture["working_dim"]
        return own
    return min(int(settings.working_dim), rows) if settings.working_dim else None
