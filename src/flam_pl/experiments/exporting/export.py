"""Exports a finished run as a bundle, see ``serving.bundle``."""

from __future__ import annotations

import dataclasses
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from flam_pl.config.loading import load_run_config
from flam_pl.config.saved_files import read_json
from flam_pl.distributed import log
from flam_pl.editing.editor import Editor, NoEdit
from flam_pl.errors import FlamError
from flam_pl.evaluation.calibration import Outcomes
from flam_pl.experiments.evaluate import measured_from, reopen, report_folder
from flam_pl.experiments.exporting.model_card import model_card
from flam_pl.experiments.selection import validation_sets
from flam_pl.experiments.trained_run import TrainedRun
from flam_pl.methods.arithmetic import Arithmetic
from flam_pl.methods.flam import Flam
from flam_pl.methods.slerp import Slerp
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.concat import ConcatClassifiers
from flam_pl.models.manipulator import Generator
from flam_pl.retrieval.applicability import Applicability
from flam_pl.retrieval.chosen_weights import FILTER
from flam_pl.retrieval.confidence import Calibration, Platt
from flam_pl.retrieval.posteriors import KINDS, Posteriors
from flam_pl.serving.bundle import Bundle, Contents, write_bundle
from flam_pl.serving.words import default_synonyms, usable_synonyms
from flam_pl.training.records import versions
from flam_pl.training.run import Run


def export(overrides: list[str], bundle: str | None = None, onnx: bool = False) -> Bundle:
    """Write the bundle of the run that ``overrides`` name, by default ``<run>/bundle``.

    Raises:
        FlamError: the run is not finished, its best row stores a second vector per photo, or the
            folder holds something else.
    """
    run, trained = reopen(*load_run_config(overrides), write=False)
    folder = Path(bundle) if bundle else run.folder / "bundle"
    return write(run, trained, folder, onnx)


def write(run: Run, trained: TrainedRun, folder: Path, onnx: bool = False) -> Bundle:
    """The bundle of the row that is best on validation."""
    row = trained.best
    embedders, classifiers = trained.posterior_networks
    if row.name.endswith("+own"):  # of the rows with one vector per photo, FLAM's own
        embedders, classifiers = trained.embedders, None
    editor, nets = editor_of(row.editor, trained)
    nets = {"backbone": trained.backbone, "embedders": embedders, **nets}
    if classifiers is not None:
        nets["classifiers"] = classifiers
    if nets.get("editor_embedders") is embedders:
        del nets["editor_embedders"]
        editor["embedders"] = "embedders"
    training = run.catalog.labels[run.catalog.rows(split="train")]
    counts = Applicability.of(run.catalog.schema, training)
    figures = figures_of(run, trained)
    contents = Contents(
        name=run.config.name,
        row=row.name,
        networks={
            name: {"kind": kind_of(net), "architecture": shape_of(net, trained)}
            for name, net in nets.items()
        },
        editor=editor,
        posteriors={
            "embedders": "embedders",
            "classifiers": "classifiers" if classifiers is not None else None,
            "hardened": row.name == FILTER,
        },
        weights=asdict(row.weights),
        preprocess=trained.preprocess.to_dict(),
        dimension=trained.backbone.dimension,
        calibration=calibration_of(run, trained, row.posteriors or trained.posteriors),
        images=[of.tolist() for of in counts.images],
        labelled=[of.tolist() for of in counts.labelled],
        figures=figures,
        versions=versions(),
    )
    synonyms = usable_synonyms(run.catalog.schema, default_synonyms())
    tensors = {name: tensors_of(net) for name, net in nets.items()}
    card = model_card(contents, run.catalog.schema, run.catalog.name)
    written = write_bundle(folder, contents, run.catalog.schema, synonyms, tensors, card)
    if not onnx:
        return written
    from flam_pl.experiments.exporting.onnx_export import onnx_files

    files = onnx_files(written, log)
    return write_bundle(folder, contents, run.catalog.schema, synonyms, tensors, card, files)


def editor_of(editor: Editor, trained: TrainedRun) -> tuple[dict[str, Any], dict[str, Any]]:
    """What ``config.json`` says of an editor, and its networks by name."""
    of: dict[str, Any] = {"embedders": "editor_embedders"}
    if isinstance(editor, Flam):
        of |= {"kind": "generator", "generator": "generator"}
        generator = editor.manipulator.generators[0]
        return of, {"editor_embedders": editor.embedders, "generator": generator}
    nets = {"editor_embedders": trained.embedders}
    if isinstance(editor, Arithmetic):
        return of | {"kind": "arithmetic", "times": editor.times}, nets
    if isinstance(editor, Slerp):
        return of | {"kind": "slerp", "part": editor.part}, nets
    if isinstance(editor, NoEdit):
        return of | {"kind": "none"}, nets
    raise FlamError(
        f"{editor.name} cannot be exported: it stores a second vector per photo. Choose the row "
        "again with other methods, e.g. methods=[cls_concat,flam_plus]"
    )


def kind_of(net: nn.Module) -> str:
    kinds: dict[type, str] = {
        AttributeEmbedders: "embedders",
        ConcatClassifiers: "classifiers",
        Generator: "generator",
    }
    return kinds.get(type(net), "backbone")


def shape_of(net: nn.Module, trained: TrainedRun) -> dict[str, Any]:
    """The arguments that build a network again."""
    if isinstance(net, AttributeEmbedders):
        layers = net.by_type[0].members[0].layers
        return space_of(net) | {
            "embedding_dim": net.embedding_dim // net.members,
            "hidden": layers[0].out_features,
            "dropout": layers[2].p,
            "members": net.members,
        }
    if isinstance(net, ConcatClassifiers):
        first = net.by_type[0]
        return space_of(net) | {
            "width": first.head.in_features,
            "hidden": first.layers[0].out_features if len(first.layers) > 2 else None,
            "dropout": first.dropout.p,
            "learned": isinstance(first.prototypes, nn.Parameter),
        }
    if isinstance(net, Generator):
        linear = [layer for layer in net.trunk if isinstance(layer, nn.Linear)]
        return {
            "dimension": net.head.out_features,
            "condition": linear[0].in_features - net.head.out_features,
            "hidden": net.head.in_features,
            "depth": len(linear),
            "gated": net.gate is not None,
        }
    shape = dict(trained.records["backbone"].architecture)
    return shape | {"image_size": shape.pop("preprocess")["size"]}


def space_of(net: AttributeEmbedders | ConcatClassifiers) -> dict[str, Any]:
    space = net.space
    return {
        "dimension": space.mean.numel(),
        "working_dim": space.dimension if space.reduced else None,
    }


def tensors_of(net: nn.Module) -> dict[str, np.ndarray]:
    return {n: t.detach().cpu().contiguous().numpy() for n, t in net.state_dict().items()}


def calibration_of(run: Run, trained: TrainedRun, posteriors: Posteriors) -> dict[str, Any] | None:
    """Platt scaling of the probabilities that a gallery stores, fitted on validation photos."""
    dense, _ = validation_sets(run, trained)
    if len(dense.queries) < 2:
        return None
    with torch.inference_mode():
        outcomes = Outcomes.of(trained.best, posteriors, dense)
    if not len(outcomes.item):
        return None
    found = Calibration.fit(outcomes.raw, outcomes.true, "")
    scalings: dict[str, Platt] = {kind: getattr(found, kind) for kind in KINDS}
    lines = {kind: list(dataclasses.astuple(of)) for kind, of in scalings.items()}
    return lines | {"threshold": found.threshold}


def figures_of(run: Run, trained: TrainedRun) -> dict[str, Any]:
    """What the report measured of the best row; empty without a report of these networks."""
    path, row = report_folder(run.config) / "metrics.json", trained.best.name
    if not path.is_file():
        return {}
    metrics = read_json(path, dict[str, Any], "Run make evaluate for this run.", nan=True)
    if metrics.get("inputs") != measured_from(run, trained):
        log(f"{path} was measured of other networks or photos: the model card has no figures")
        return {}
    edits = metrics.get("edits", {}).get(row, {}).get("all", {})
    found = {
        name: of
        for part in (edits, metrics.get("counterfactual", {}).get(row, {}), metrics["instance"])
        for name, of in part.items()
        if name in ("T@1", "T@10", "T@50", "P@10", "as_it_was@10", "CF@1", "CF@10", "R@1")
    }
    return {
        name: {key: None if value != value else value for key, value in of.items()}
        for name, of in found.items()
    }
