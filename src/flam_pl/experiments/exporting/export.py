"""Exports a finished run as a bundle."""

from __future__ import annotations

from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate
from torch import nn

from flam_pl.attributes import AttributeSchema
from flam_pl.config.loading import load_run_config
from flam_pl.config.saved_files import read_json
from flam_pl.distributed import log
from flam_pl.editing.editor import Editor, NoEdit
from flam_pl.errors import FlamError
from flam_pl.experiments.evaluate import measured_from, reopen, report_folder
from flam_pl.experiments.selection import calibrated
from flam_pl.experiments.trained_run import TrainedRun
from flam_pl.methods.arithmetic import Arithmetic
from flam_pl.methods.generator import Flam
from flam_pl.methods.slerp import Slerp
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.backbone import Backbone
from flam_pl.models.manipulator import Generator
from flam_pl.retrieval.applicability import Applicability
from flam_pl.retrieval.chosen_weights import FILE as SCORING
from flam_pl.retrieval.chosen_weights import FILTER
from flam_pl.retrieval.posteriors import KINDS
from flam_pl.serving.bundle import Bundle, Contents, write_bundle
from flam_pl.serving.words import default_synonyms, usable_synonyms
from flam_pl.training.records import versions
from flam_pl.training.run import Run

MEANINGS = {
    "T@1": "edits whose first result has exactly the wanted classes",
    "T@10": "the same among the first ten results",
    "T@50": "the same among the first fifty",
    "P@10": "share of the first ten results with the wanted class",
    "as_it_was@10": "share of the first ten results that ignore the edit",
    "CF@1": "edits that find the same garment, changed, first",
    "CF@10": "the same among the first ten results",
    "R@1": "searches without an edit that find the item first",
}

TEXT = """---
library_name: flam-pl
tags: [image-retrieval, fashion]
license: apache-2.0
---

# {name}: fashion search with edits

A photo becomes one vector. An edit such as "color=red" changes the query's vector, never the image.
The method is {row}, trained on the data set {data}.

```python
from flam_pl import Searcher
searcher = Searcher.load("this folder", gallery="shop.db")
searcher.search("photo.jpg", text="in red")
```

## Attributes

{attributes}

## Measured on the evaluation photos of {data}

{figures}

Brackets hold the 95 % interval by item. The figures are of that data set: other photos need their
own evaluation (`flam-pl evaluate run={name} data.root=... report=other`).

## Files

`config.json` has the architecture, the weights of the score and the calibration; each network is a
`.safetensors` file; `manifest.json` has the SHA-256 of each file. No file is a pickle.
"""


def export(overrides: list[str], bundle: str | None = None, onnx: bool = False) -> Bundle:
    """Write the bundle of a run, by default to ``<run>/bundle``.

    Raises:
        FlamError: the run cannot be exported, or the folder holds other files.
    """
    run, trained = reopen(*load_run_config(overrides), write=False)
    folder = Path(bundle) if bundle else run.folder / "bundle"
    return write(run, trained, folder, onnx)


def write(run: Run, trained: TrainedRun, folder: Path, onnx: bool = False) -> Bundle:
    if not trained.scoring.key:
        raise FlamError(
            f"{run.folder / SCORING} is missing or was written for other methods than "
            f"{run.config.methods}: without it, the bundle would search by the cosine alone. Run "
            "make train-flam again; it selects anew and trains only what is missing."
        )
    row, schema = trained.best, run.catalog.schema
    embedders, classifiers = trained.posterior_networks
    if row.name.endswith("+own"):  # of the rows with one vector per photo, FLAM's own
        embedders, classifiers = trained.embedders, None
    editor, nets = editor_of(row.editor, trained)
    nets = {"backbone": trained.backbone, "embedders": embedders, **nets}
    if classifiers is not None:
        nets["classifiers"] = classifiers
    if nets["editor_embedders"] is embedders:
        del nets["editor_embedders"]
        editor["embedders"] = "embedders"
    counts = Applicability.of(schema, run.catalog.labels[run.catalog.rows(split="train")])
    found = calibrated(run, trained, row.posteriors or trained.posteriors, "")
    lines = {kind: list(astuple(getattr(found, kind))) for kind in KINDS} if found else {}
    contents = Contents(
        name=run.config.name,
        row=row.name,
        networks={
            name: {"kind": name.removeprefix("editor_"), "architecture": shape_of(net, trained)}
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
        calibration=lines | {"threshold": found.threshold} if found else None,
        images=[of.tolist() for of in counts.images],
        labelled=[of.tolist() for of in counts.labelled],
        figures=figures_of(run, trained),
        versions=versions(),
    )
    synonyms = usable_synonyms(schema, default_synonyms())
    tensors = {name: tensors_of(net) for name, net in nets.items()}
    card = model_card(contents, schema, run.catalog.name)
    written = write_bundle(folder, contents, schema, synonyms, tensors, card)
    if not onnx:
        return written
    from flam_pl.experiments.exporting.onnx_export import onnx_files

    files = onnx_files(written, log)
    return write_bundle(folder, contents, schema, synonyms, tensors, card, files)


def editor_of(editor: Editor, trained: TrainedRun) -> tuple[dict[str, Any], dict[str, Any]]:
    """An editor's entry in ``config.json``, and its networks by name."""
    of: dict[str, Any] = {"embedders": "editor_embedders"}
    nets: dict[str, Any] = {"editor_embedders": trained.embedders}
    match editor:
        case Flam():
            of |= {"kind": "generator", "generator": "generator"}
            generator = editor.manipulator.generators[0]
            nets = {"editor_embedders": editor.embedders, "generator": generator}
        case Arithmetic():
            of |= {"kind": "arithmetic", "times": editor.times}
        case Slerp():
            of |= {"kind": "slerp", "part": editor.part}
        case NoEdit():
            of |= {"kind": "none"}
        case _:
            raise FlamError(
                f"{editor.name} cannot be exported: it stores a second vector per photo. Choose "
                "the row again with other methods, e.g. methods=[cls_concat,flam_plus]"
            )
    return of, nets


def shape_of(net: Any, trained: TrainedRun) -> dict[str, Any]:
    """The arguments that rebuild a network."""
    if isinstance(net, Backbone):
        shape = dict(trained.records["backbone"].architecture)
        return shape | {"image_size": shape.pop("preprocess")["size"]}
    if isinstance(net, Generator):
        linear = [layer for layer in net.trunk if isinstance(layer, nn.Linear)]
        return {
            "dimension": net.head.out_features,
            "condition": linear[0].in_features - net.head.out_features,
            "hidden": net.head.in_features,
            "depth": len(linear),
            "gated": net.gate is not None,
        }
    working = net.space.dimension if net.space.reduced else None
    space, first = {"dimension": net.space.mean.numel(), "working_dim": working}, net.by_type[0]
    if isinstance(net, AttributeEmbedders):
        layers = first.members[0].layers
        return space | {
            "embedding_dim": net.embedding_dim // net.members,
            "hidden": layers[0].out_features,
            "dropout": layers[2].p,
            "members": net.members,
        }
    return space | {
        "width": first.head.in_features,
        "hidden": first.layers[0].out_features if len(first.layers) > 2 else None,
        "dropout": first.dropout.p,
        "learned": isinstance(first.prototypes, nn.Parameter),
    }


def tensors_of(net: nn.Module) -> dict[str, np.ndarray]:
    return {n: t.detach().cpu().contiguous().numpy() for n, t in net.state_dict().items()}


def figures_of(run: Run, trained: TrainedRun) -> dict[str, Any]:
    """The best row's figures in the report; empty for a report of other networks or photos."""
    path, row = report_folder(run.config) / "metrics.json", trained.best.name
    if not path.is_file():
        return {}
    metrics = read_json(path, dict[str, Any], "Run make evaluate for this run.")
    if metrics.get("inputs") != measured_from(run, trained):
        log(f"{path} was measured of other networks or photos: the model card has no figures")
        return {}
    found = metrics["edits"].get(row, {}).get("all", {})
    found = found | metrics["counterfactual"].get(row, {}) | metrics["instance"]
    return {name: of for name, of in found.items() if name in MEANINGS}


def model_card(contents: Contents, schema: AttributeSchema, data: str) -> str:
    rows = [
        [name, f"{of['value']:.3f}", interval(of), meaning]
        for name, meaning in MEANINGS.items()
        if (of := contents.figures.get(name)) and of["value"] is not None
    ]
    head = ["measure", "value", "interval", "meaning"]
    table = tabulate(rows, head, tablefmt="github", disable_numparse=True)
    classes = [f"- {name}: {', '.join(schema.of(name))}" for name in schema.types]
    return TEXT.format(
        name=contents.name,
        row=contents.row,
        data=data,
        attributes="\n".join(classes),
        figures=table if rows else "Not evaluated.",
    )


def interval(of: dict[str, float | None]) -> str:
    low, high = of.get("low"), of.get("high")
    return "" if low is None or high is None else f"[{low:.3f}, {high:.3f}]"
