"""A finished run: networks, methods, and rows (methods with a score) of the tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import torch

from flam_pl.attributes import AttributeSchema
from flam_pl.distributed import log
from flam_pl.editing.editor import Editor, NoEdit
from flam_pl.images.pixels import Preprocess
from flam_pl.methods.generator import Flam
from flam_pl.methods.registry import FOLDER, OpenMethod, Place, registered
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.backbone import Backbone
from flam_pl.models.concat import ConcatClassifiers
from flam_pl.retrieval.chosen_weights import FILTER, Scoring
from flam_pl.retrieval.confidence import Calibration
from flam_pl.retrieval.posteriors import Posteriors
from flam_pl.retrieval.vectors import SearchVectors
from flam_pl.training.records import STAGES, StageRecord, require
from flam_pl.training.trained_networks import restore, restore_backbone


@dataclass
class TrainedRun:
    """The stages and methods of a finished run, trained on each other."""

    backbone: Backbone
    preprocess: Preprocess
    embedders: AttributeEmbedders
    records: dict[str, StageRecord]  # of the three stages and of every further method
    methods: dict[str, OpenMethod]  # in the order of the tables
    scoring: Scoring = field(default_factory=Scoring)  # chosen on the validation split
    calibration: Calibration | None = None  # of the best row; None: not measured

    @classmethod
    def open(
        cls, folder: Path, backbone_folder: Path | None = None, names: Collection[str] | None = None
    ) -> TrainedRun:
        """Open a run from its folder.

        ``backbone_folder``: stage 1 of another run. ``names``: methods to open, else all.

        Raises:
            RecordError: a stage is missing, or does not fit its parent.
        """
        folders = {stage: folder / stage for stage in STAGES}
        folders["backbone"] = backbone_folder or folders["backbone"]
        stages = {stage: require(place, stage) for stage, place in folders.items()}
        schema = stages["embedder"].attributes
        for parent, child in pairwise(stages.values()):
            child.require_parent(parent.checkpoint, schema)
        backbone, preprocess = restore_backbone(folders["backbone"], stages["backbone"])
        embedders = restore(AttributeEmbedders, folder / "embedder", stages["embedder"])
        trained = method_records(folder / FOLDER, stages, names)
        records = trained | {"flam": stages["manipulator"]}
        found = {}
        for name, method in registered().items():
            if method.training and name not in records:
                continue
            place, used = folder / method.place, embedders
            if method.own_embedders:
                own = place / "embedder"
                used = restore(AttributeEmbedders, own, require(own, "embedder"))
            found[name] = method.open(Place(name, place, records.get(name), used))
        run = cls(backbone, preprocess, embedders, stages | trained, found)
        scoring = Scoring.load(folder)
        rows = {*run.methods, *(run.scorers().keys() & scoring.weights.keys())}
        # a choice among other methods does not count
        if scoring.checkpoints == run.checkpoints and scoring.best in rows:
            run.scoring, run.calibration = scoring, Calibration.load(folder, scoring.key)
        return run

    @property
    def schema(self) -> AttributeSchema:
        return self.embedders.schema

    @property
    def classifiers(self) -> ConcatClassifiers | None:
        found = self.methods.get("cls_concat")
        return found.nets if found and isinstance(found.nets, ConcatClassifiers) else None

    @property
    def posterior_networks(self) -> tuple[AttributeEmbedders, ConcatClassifiers | None]:
        """Embedders of FLAM+ and, if trained, classifiers of Cls-Concat; else embedders of FLAM."""
        plus = self.methods.get("flam_plus")
        if plus is None or not isinstance(plus.editor, Flam):
            return self.embedders, None
        return plus.editor.embedders, self.classifiers

    @property
    def posteriors(self) -> Posteriors:
        """Posteriors of ``posterior_networks``: of two, the geometric mean."""
        embedders, classifiers = self.posterior_networks
        found = Posteriors.of_embedders(embedders)
        other = Posteriors.of_classifiers(classifiers) if classifiers else None
        return found.averaged_with(other) if other else found

    @property
    def checkpoints(self) -> dict[str, str]:
        return {name: record.checkpoint for name, record in self.records.items()}

    def to(self, device: torch.device) -> None:
        nets = [method.nets for method in self.methods.values() if method.nets]
        for net in (self.backbone, self.embedders, *nets):
            net.to(device)

    def editors(self) -> list[Editor]:
        return [method.editor for method in self.methods.values()]

    def scorers(self) -> dict[str, tuple[Editor, Posteriors]]:
        """Row -> editor, and the posteriors of its score: the method's ``+own``, or the run's."""
        found: dict[str, tuple[Editor, Posteriors]] = {}
        shared, plus = self.posteriors, "flam_plus" in self.methods
        for name, method in self.methods.items():
            if plus and method.classifiers and not registered()[name].own_embedders:
                found[f"{name}+own"] = method.editor, method.classifiers
            found[f"{name}+posteriors"] = method.editor, shared
        found[FILTER] = NoEdit(), shared.hardened()
        return found

    def rows(self) -> list[SearchVectors]:
        """The rows with the cosine alone, then those with posteriors; the best row last."""
        rows, weights = [SearchVectors(editor) for editor in self.editors()], self.scoring.weights
        for name, (editor, posteriors) in self.scorers().items():
            if name in weights:
                rows.append(SearchVectors(editor, posteriors, weights[name], name))
        return sorted(rows, key=lambda row: row.name == self.scoring.best)

    @property
    def best(self) -> SearchVectors:
        return self.rows()[-1]


def method_records(
    folder: Path, stages: Mapping[str, StageRecord], names: Collection[str] | None = None
) -> dict[str, StageRecord]:
    """Records of the methods that fit the stages; others are logged."""
    found = {}
    for name, method in registered().items():
        if (names is not None and name not in names) or StageRecord.load(folder / name) is None:
            continue
        record = require(folder / name, name)
        parent = "backbone" if method.own_vectors or method.own_embedders else "embedder"
        if method.own_embedders:
            own = require(folder / name / "embedder", "embedder")
            record = replace(record, parent=own.parent if record.parent == own.checkpoint else None)
        if record.parent != stages[parent].checkpoint:
            log(f"{name}: trained on another {parent}, left out; train it again")
        elif record.data != stages["embedder"].data:  # a frozen backbone stays the same
            log(f"{name}: trained on other labels or another split, left out; train it again")
        else:
            found[name] = record
    return found
