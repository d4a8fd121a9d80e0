"""A finished run: its networks, methods, and rows of the tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
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
from flam_pl.training.records import StageRecord, require, require_child
from flam_pl.training.trained_networks import restore_backbone, restore_embedders, schema_of


@dataclass
class TrainedRun:
    """Every stage and method of a finished run, checked to fit each other."""

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
        """Open a run from its folder, e.g. ``runs/wardrobe``.

        ``backbone_folder`` is that of another run which shares its stage 1. ``names`` are the
        methods to open beside those of every run; None: every trained one.

        Raises:
            RecordError: a stage is missing, or does not fit its parent.
        """
        backbone_folder = backbone_folder or folder / "backbone"
        stages = {
            "backbone": require(backbone_folder, "backbone"),
            "embedder": require(folder / "embedder", "embedder"),
            "manipulator": require(folder / "manipulator", "manipulator"),
        }
        schema = schema_of(stages["embedder"])
        require_child(stages["embedder"], stages["backbone"].checkpoint, schema)
        require_child(stages["manipulator"], stages["embedder"].checkpoint, schema)
        backbone, preprocess = restore_backbone(backbone_folder, stages["backbone"])
        embedders = restore_embedders(folder / "embedder", stages["embedder"])
        trained = method_records(folder / FOLDER, stages, names)
        found = {}
        for name, method in registered().items():
            place, record = folder / method.place, trained.get(name)
            if name == "flam":
                place, record = folder / "manipulator", stages["manipulator"]
            if record or not method.training:
                found[name] = method.open(Place(name, place, record, embedders))
        run = cls(backbone, preprocess, embedders, stages | trained, found)
        scoring = Scoring.load(folder)
        rows = {*run.methods, *(run.scorers().keys() & scoring.weights.keys())}
        # a choice that was made for other methods does not count
        if scoring.checkpoints == run.checkpoints and scoring.best in rows:
            run.scoring, run.calibration = scoring, Calibration.load(folder, scoring.key)
        return run

    @property
    def schema(self) -> AttributeSchema:
        return self.embedders.schema

    @property
    def classifiers(self) -> ConcatClassifiers | None:
        """The networks of Cls-Concat; None where it is not trained."""
        found = self.methods.get("cls_concat")
        return found.nets if found and isinstance(found.nets, ConcatClassifiers) else None

    @property
    def posterior_networks(self) -> tuple[AttributeEmbedders, ConcatClassifiers | None]:
        """What scores photos: FLAM+'s embedders and, if trained, Cls-Concat's classifiers.

        Without FLAM+: the embedders of FLAM alone.
        """
        plus = self.methods.get("flam_plus")
        if plus is None or not isinstance(plus.editor, Flam):
            return self.embedders, None
        return plus.editor.embedders, self.classifiers

    @property
    def posteriors(self) -> Posteriors:
        """The posteriors of ``posterior_networks``: of two, their geometric mean."""
        embedders, classifiers = self.posterior_networks
        found = Posteriors.of_embedders(embedders)
        if classifiers is None:
            return found
        return found.averaged_with(Posteriors.of_classifiers(classifiers))

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
        """Every pair of an editor and the classifiers that score its results, by row name.

        ``<method>+own`` is scored by the method's own classifiers, ``<method>+posteriors`` by the
        shared ones (``posteriors``), ``filter`` by the predicted classes alone.
        """
        found: dict[str, tuple[Editor, Posteriors]] = {}
        specs, shared = registered(), self.posteriors
        for name, method in self.methods.items():
            has_own = method.classifiers and not specs[name].own_embedders
            if has_own and "flam_plus" in self.methods:
                assert method.classifiers
                found[f"{name}+own"] = method.editor, method.classifiers
            found[f"{name}+posteriors"] = method.editor, shared
        found[FILTER] = NoEdit(), shared.hardened()
        return found

    def rows(self) -> list[SearchVectors]:
        """The methods by cosine alone, then the scored ones; the best row last."""
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


def method_records(
    folder: Path, stages: Mapping[str, StageRecord], names: Collection[str] | None = None
) -> dict[str, StageRecord]:
    """Records of the methods in ``folder`` that were trained on these stages."""
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
            continue
        if record.data != stages["embedder"].data:  # a frozen backbone stays the same
            log(f"{name}: trained on other labels or another split, left out; train it again")
            continue
        found[name] = record
    return found
