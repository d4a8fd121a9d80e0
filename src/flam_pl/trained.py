"""Opens what a run has trained: networks with their weights, and the Editors made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from torch import nn

from flam_pl.attributes import AttributeSchema
from flam_pl.config.methods import (
    BEST_CONCAT,
    METHODS,
    PLUS_ABLATIONS,
    PLUS_FAMILY,
)
from flam_pl.data.images import Preprocess
from flam_pl.editing.baselines import Arithmetic, NoEdit
from flam_pl.editing.concat import ConcatEditor
from flam_pl.editing.editor import Editor
from flam_pl.editing.flam import Flam
from flam_pl.editing.memory import MemoryEditor
from flam_pl.editing.scored import SCORED, Scored
from flam_pl.editing.scores import Weights
from flam_pl.editing.sureness import Sureness
from flam_pl.nets.backbone import Backbone
from flam_pl.nets.concat import ConcatClassifiers
from flam_pl.nets.embedder import Embedders
from flam_pl.nets.manipulator import Manipulator
from flam_pl.nets.memory import Memory
from flam_pl.stages.handoff import RECORD, StageRecord, load_into, require, require_child
from flam_pl.stages.training import say

PLUS_ROWS = (
    "scored_only",
    "flam_plus_unscored",
    "flam_plus_by_agreement",
    "flam_plus_at_once",
    "flam_plus",
)
"""Rows that the method ``flam_plus`` fills."""

SCORED_ROWS = tuple(row for row in PLUS_ROWS if row != "flam_plus_unscored")
"""Those of them whose results are scored."""

METHODS_FOLDER = "methods"
"""Under the run's folder: what was trained beside FLAM, a folder a method."""


@dataclass
class Trained:
    """All stages of a finished run, checked to fit each other, ready for inference."""

    backbone: Backbone
    preprocess: Preprocess
    embedders: Embedders
    manipulator: Manipulator
    records: dict[str, StageRecord]
    """Of every stage and of every further method."""
    others: list[tuple[list[Editor], nn.Module]]
    """Further methods of the run: the rows that each fills, and its network."""
    sureness: Sureness | None = None
    """Of the last Editor, where it was measured: how sure its searches are."""

    @property
    def schema(self) -> AttributeSchema:
        """Attribute types and classes that the run knows."""
        return self.embedders.schema

    @property
    def flam(self) -> Flam:
        """The paper's method."""
        return Flam(self.embedders, self.manipulator)

    @property
    def classifiers(self) -> ConcatClassifiers | None:
        """Those of Cls-Concat, where it was trained."""
        return next((net for _, net in self.others if isinstance(net, ConcatClassifiers)), None)

    @classmethod
    def open(cls, folder: Path, backbone_folder: Path | None = None) -> Trained:
        """Args:
        folder: of the run, e.g. ``runs/wardrobe``.
        backbone_folder: of stage 1, where it is not the run's own.

        Raises:
            HandoffError: a stage that is missing, or that does not fit its parent.
        """
        backbone_folder = backbone_folder or folder / "backbone"
        records = {s: require(folder / s, s) for s in ("embedder", "manipulator")}
        records = {"backbone": require(backbone_folder, "backbone"), **records}
        schema = AttributeSchema.from_dict(records["embedder"].schema)
        require_child(records["embedder"], records["backbone"].checkpoint, schema)
        require_child(records["manipulator"], records["embedder"].checkpoint, schema)
        backbone, preprocess = restore_backbone(backbone_folder, records["backbone"])
        embedders = restore_embedders(folder / "embedder", records["embedder"])
        methods = method_records(folder / METHODS_FOLDER, records)
        return cls(
            backbone,
            preprocess,
            embedders,
            restore_manipulator(folder / "manipulator", records["manipulator"]),
            records | methods,
            [
                restore_method(folder / METHODS_FOLDER / name, record, embedders)
                for name, record in methods.items()
            ],
            sureness_of(folder / METHODS_FOLDER / "flam_plus", methods.get("flam_plus")),
        )

    def to(self, device: torch.device) -> None:
        """Move every network, in place."""
        others = [net for _, net in self.others]
        for net in (self.backbone, self.embedders, self.manipulator, *others):
            net.to(device)

    def editors(self) -> list[Editor]:
        """Every method of the run, the plain ones first."""
        others = [editor for editors, _ in self.others for editor in editors]
        rows: list[Editor] = [NoEdit(), Arithmetic(self.embedders), *others, self.flam]
        # the better recipe last, before it what a step less of it does
        better = (*PLUS_ABLATIONS, *PLUS_ROWS)
        return sorted(rows, key=lambda e: better.index(e.name) if e.name in better else -1)


def method_records(folder: Path, stages: Mapping[str, StageRecord]) -> dict[str, StageRecord]:
    """Every method in ``folder`` that was trained on these stages; others are passed over."""
    found = {}
    for name in METHODS:
        if StageRecord.load(folder / name) is None:
            continue
        record = require(folder / name, name)
        parent = "backbone" if "_concat" in name else "embedder"
        needed = stages[parent].checkpoint
        if name in PLUS_FAMILY:  # on other embedders than the run's
            own = require(plus_teacher(folder, name), "embedder")
            parent, needed = "backbone", stages["backbone"].checkpoint
            record = replace(record, parent=own.parent if record.parent == own.checkpoint else None)
        if record.parent != needed:
            say(f"{name}: trained on another {parent}, left out; train it again")
            continue
        if record.data != stages["embedder"].data:  # a frozen backbone stays the same
            say(f"{name}: trained on other labels or another split, left out; train it again")
            continue
        found[name] = record
    return found


def restore_method(
    folder: Path, record: StageRecord, embedders: Embedders
) -> tuple[list[Editor], nn.Module]:
    """The Editors of a method beside FLAM, and its network."""
    schema, name = AttributeSchema.from_dict(record.schema), record.stage
    if "_concat" in name:
        editor, net = restore_concat(folder, record)
        return [editor], net
    if name == "memory":
        memory = Memory(schema, **record.architecture)
        load_into(memory, folder, "memory.")
        return [MemoryEditor(embedders, memory.eval().requires_grad_(False))], memory
    manipulator = restore_manipulator(folder, record)
    if name in PLUS_FAMILY:
        teacher = plus_teacher(folder.parent, name)
        own = restore_embedders(teacher, require(teacher, "embedder"))
        rows = plus_rows(own, manipulator, record)
        if name in PLUS_ABLATIONS:
            *_, whole = rows
            whole.name = name
            rows = [whole]
        return rows, nn.ModuleList([own, manipulator])
    return [Flam(embedders, manipulator, name)], manipulator


def sureness_of(folder: Path, record: StageRecord | None) -> Sureness | None:
    """What was measured on validation images with this checkpoint of the method, if it was."""
    return Sureness.load(folder, record.checkpoint) if record else None


def restore_concat(folder: Path, record: StageRecord) -> tuple[ConcatEditor, nn.Module]:
    """The Editor of a concatenation, and its network."""
    schema, name = AttributeSchema.from_dict(record.schema), record.stage
    if BEST_CONCAT.get(name, name) == "cls_concat":
        classifiers = ConcatClassifiers(schema, **record.architecture)
        load_into(classifiers, folder, "net.")
        classifiers.eval().requires_grad_(False)
        return ConcatEditor(name, schema, classifiers.blocks, classifiers.prototypes), classifiers
    wide = restore_embedders(folder, record)
    return ConcatEditor(name, schema, wide, lambda kind: wide.of(kind).dictionary), wide


def plus_teacher(folder: Path, name: str) -> Path:
    """Where the embedders of a method of the FLAM+ family are: its own, or those of ``flam_plus``.

    Args:
        folder: of all methods.
    """
    own = folder / name / "embedder"
    return own if (own / RECORD).is_file() else folder / "flam_plus" / "embedder"


def plus_rows(embedders: Embedders, manipulator: Manipulator, record: StageRecord) -> list[Editor]:
    """Of the better recipe: the scoring without G, G without the scoring, with that by agreement
    alone, with that of each result by itself, and with all of it.

    Args:
        record: of the manipulator; its metrics hold what the scoring weighs.
    """
    flam = Flam(embedders, manipulator, "flam_plus_unscored")
    rows: list[Editor] = [
        Scored(
            NoEdit() if row == "scored_only" else flam,
            embedders,
            Weights(
                **{part: record.metrics.get(key, 0.0) for part, key in weight_keys(row).items()}
            ),
            SCORED,
            row,
            in_turn=row != "flam_plus_at_once",
        )
        for row in SCORED_ROWS
    ]
    return [rows[0], flam, *rows[1:]]


def weight_keys(row: str) -> dict[str, str]:
    """What each of the ``Weights`` of a row is called among the metrics of its manipulator."""
    # "weight/..." in older records weighed the likeness to the query as it is: chosen anew
    return {part.name: f"weights/{row}/{part.name}" for part in fields(Weights)}


def restore_backbone(folder: Path, record: StageRecord) -> tuple[Backbone, Preprocess]:
    """The network with its best weights, and how images must be prepared for it."""
    shape = dict(record.architecture)
    preprocess = Preprocess(**shape.pop("preprocess"))
    net = Backbone(**shape, image_size=preprocess.size)
    load_into(net, folder, "net.")
    return net.eval().requires_grad_(False), preprocess


def restore_embedders(folder: Path, record: StageRecord) -> Embedders:
    """The embedders with their best weights, frozen."""
    embedders = Embedders(AttributeSchema.from_dict(record.schema), **record.architecture)
    load_into(embedders, folder, "embedders.")
    return embedders.eval().requires_grad_(False)


def restore_manipulator(folder: Path, record: StageRecord) -> Manipulator:
    """Generator and discriminator with their best weights, frozen."""
    manipulator = Manipulator(AttributeSchema.from_dict(record.schema), **record.architecture)
    load_into(manipulator, folder, "manipulator.")
    return manipulator.eval().requires_grad_(False)
