"""Opens what a run has trained: networks with their weights, and the methods made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import nn

from flam_pl.attributes import AttributeSchema
from flam_pl.config.methods import METHODS, OWN_EMBEDDERS, OWN_VECTORS
from flam_pl.editing.baselines import Arithmetic, NoEdit, Slerp
from flam_pl.editing.concat import ConcatEditor
from flam_pl.editing.editor import Editor
from flam_pl.editing.generator import Flam
from flam_pl.images import Preprocess
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.backbone import Backbone
from flam_pl.models.concat import ConcatClassifiers
from flam_pl.models.manipulator import Manipulator
from flam_pl.retrieval.confidence import Calibration
from flam_pl.retrieval.posteriors import Posteriors
from flam_pl.retrieval.scoring import FILTER, Scoring
from flam_pl.retrieval.vectors import SearchVectors
from flam_pl.training.records import StageRecord, load_into, require, require_child
from flam_pl.training.stage import say

METHODS_FOLDER = "methods"
"""Under the run's folder: what was trained beside FLAM, a folder per method."""


@dataclass
class Method:
    """A method beside FLAM.

    Attributes:
        editor: what it makes of a query.
        own: its own classifiers, by which photos can be scored; None: it has none.
        net: its networks.
    """

    editor: Editor
    own: Posteriors | None
    net: nn.Module


@dataclass
class TrainedRun:
    """All stages of a finished run, checked to fit each other, ready for inference."""

    backbone: Backbone
    preprocess: Preprocess
    embedders: AttributeEmbedders
    manipulator: Manipulator
    records: dict[str, StageRecord]
    """Of every stage and of every further method."""
    methods: dict[str, Method] = field(default_factory=dict)
    """Beside FLAM, by name."""
    scoring: Scoring = field(default_factory=Scoring)
    """What was chosen on validation."""
    sureness: Calibration | None = None
    """Of the best row, where it was measured: how sure its searches are."""

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
        found = self.methods.get("cls_concat")
        return found.net if found and isinstance(found.net, ConcatClassifiers) else None

    @property
    def posteriors(self) -> Posteriors:
        """The classifiers that photos are scored by: FLAM+'s where it was trained, else FLAM's."""
        plus = self.methods.get("flam_plus")
        return (plus and plus.own) or Posteriors.of_embedders(self.embedders)

    @classmethod
    def open(cls, folder: Path, backbone_folder: Path | None = None) -> TrainedRun:
        """Args:
        folder: of the run, e.g. ``runs/wardrobe``.
        backbone_folder: of stage 1, where it is not the run's own.

        Raises:
            RecordError: a stage that is missing, or that does not fit its parent.
        """
        backbone_folder = backbone_folder or folder / "backbone"
        records = {s: require(folder / s, s) for s in ("embedder", "manipulator")}
        records = {"backbone": require(backbone_folder, "backbone"), **records}
        schema = AttributeSchema.from_dict(records["embedder"].schema)
        require_child(records["embedder"], records["backbone"].checkpoint, schema)
        require_child(records["manipulator"], records["embedder"].checkpoint, schema)
        backbone, preprocess = restore_backbone(backbone_folder, records["backbone"])
        embedders = restore_embedders(folder / "embedder", records["embedder"])
        beside = method_records(folder / METHODS_FOLDER, records)
        found = cls(
            backbone,
            preprocess,
            embedders,
            restore_manipulator(folder / "manipulator", records["manipulator"]),
            records | beside,
            {
                name: restore_method(folder / METHODS_FOLDER / name, record, embedders)
                for name, record in beside.items()
            },
        )
        scoring, rows = Scoring.load(folder), {row.name for row in found.editors()}
        # a row that another version of the program had is chosen anew
        if scoring.checkpoints == found.checkpoints and scoring.best in rows | {*found.scorers()}:
            found.scoring = scoring
            found.sureness = Calibration.load(folder, scoring.key)
        return found

    @property
    def checkpoints(self) -> dict[str, str]:
        """SHA-256 of every stage and method."""
        return {name: record.checkpoint for name, record in self.records.items()}

    def to(self, device: torch.device) -> None:
        """Move every network, in place."""
        others = [method.net for method in self.methods.values()]
        for net in (self.backbone, self.embedders, self.manipulator, *others):
            net.to(device)

    def editors(self) -> list[Editor]:
        """Every method of the run without any scoring, the plain ones first."""
        others = {name: method.editor for name, method in self.methods.items()}
        last = [others.pop(name) for name in OWN_EMBEDDERS if name in others]
        plain: list[Editor] = [NoEdit(), Arithmetic(self.embedders), Slerp(self.embedders)]
        return [*plain, *others.values(), self.flam, *last]

    def scorers(self) -> dict[str, tuple[Editor, Posteriors]]:
        """Every pair of an Editor and a classifier that can score its results: the row's name ->
        both. ``+own`` is scored by the method's own classifiers, ``+posteriors`` by those of the
        run (``posteriors``)."""
        shared = self.posteriors
        own = {name: method.own for name, method in self.methods.items() if method.own}
        flams = Posteriors.of_embedders(self.embedders)
        own |= {"arithmetic": flams, "flam": flams}
        found: dict[str, tuple[Editor, Posteriors]] = {}
        for editor in self.editors():
            classifier = own.get(editor.name)
            shares = classifier is None or "flam_plus" not in self.methods
            if classifier is not None and not shares and editor.name not in OWN_EMBEDDERS:
                found[f"{editor.name}+own"] = editor, classifier
            found[f"{editor.name}+posteriors"] = editor, shared
        found[FILTER] = NoEdit(), shared.hardened()
        return found

    def rows(self) -> list[SearchVectors]:
        """Every row of the tables: each method unscored, then the scored ones; the best last."""
        rows = [SearchVectors(editor) for editor in self.editors()]
        rows += [
            SearchVectors(editor, posteriors, self.scoring.weights[name], name)
            for name, (editor, posteriors) in self.scorers().items()
            if name in self.scoring.weights
        ]
        return sorted(rows, key=lambda row: row.name == self.scoring.best)

    @property
    def best(self) -> SearchVectors:
        """The row that searches: the best on validation, or the paper's FLAM."""
        return self.rows()[-1]


def method_records(folder: Path, stages: Mapping[str, StageRecord]) -> dict[str, StageRecord]:
    """Every method in ``folder`` that was trained on these stages; others are passed over."""
    found = {}
    for name in METHODS:
        if StageRecord.load(folder / name) is None:
            continue
        record = require(folder / name, name)
        parent = "backbone" if name in OWN_VECTORS else "embedder"
        needed = stages[parent].checkpoint
        if name in OWN_EMBEDDERS:
            own = require(folder / name / "embedder", "embedder")
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


def restore_method(folder: Path, record: StageRecord, embedders: AttributeEmbedders) -> Method:
    """A method beside FLAM, with its networks."""
    if record.stage in OWN_VECTORS:
        return restore_concat(folder, record)
    manipulator = restore_manipulator(folder, record)
    if record.stage not in OWN_EMBEDDERS:
        editor = Flam(embedders, manipulator, record.stage)
        return Method(editor, Posteriors.of_embedders(embedders), manipulator)
    own = restore_embedders(folder / "embedder", require(folder / "embedder", "embedder"))
    nets = nn.ModuleList([own, manipulator])
    return Method(Flam(own, manipulator, record.stage), Posteriors.of_embedders(own), nets)


def restore_concat(folder: Path, record: StageRecord) -> Method:
    """A method with its own vectors."""
    schema, name = AttributeSchema.from_dict(record.schema), record.stage
    if name != "emb_concat":
        classifiers = ConcatClassifiers(schema, **record.architecture)
        load_into(classifiers, folder, "net.")
        classifiers.eval().requires_grad_(False)
        classes = classifiers.classify if name == "adde_m" else None
        editor = ConcatEditor(name, schema, classifiers.blocks, classifiers.prototypes, classes)
        return Method(editor, Posteriors.of_classifiers(classifiers), classifiers)
    wide = restore_embedders(folder, record)
    editor = ConcatEditor(name, schema, wide, lambda kind: wide.of(kind).dictionary)
    return Method(editor, Posteriors.of_embedders(wide), wide)


def restore_backbone(folder: Path, record: StageRecord) -> tuple[Backbone, Preprocess]:
    """The network with its best weights, and how images must be prepared for it."""
    shape = dict(record.architecture)
    preprocess = Preprocess(**shape.pop("preprocess"))
    net = Backbone(**shape, image_size=preprocess.size)
    load_into(net, folder, "net.")
    return net.eval().requires_grad_(False), preprocess


def restore_embedders(folder: Path, record: StageRecord) -> AttributeEmbedders:
    """The embedders with their best weights, frozen."""
    embedders = AttributeEmbedders(AttributeSchema.from_dict(record.schema), **record.architecture)
    load_into(embedders, folder, "embedders.")
    return embedders.eval().requires_grad_(False)


def restore_manipulator(folder: Path, record: StageRecord) -> Manipulator:
    """Generator and discriminator with their best weights, frozen."""
    manipulator = Manipulator(AttributeSchema.from_dict(record.schema), **record.architecture)
    load_into(manipulator, folder, "manipulator.")
    return manipulator.eval().requires_grad_(False)
