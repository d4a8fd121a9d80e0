"""Opens what a run has trained: networks with their weights, and the Editors made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from flam_pl.attributes import AttributeSchema
from flam_pl.data.images import Preprocess
from flam_pl.editing.baselines import Arithmetic, NoEdit
from flam_pl.editing.editor import Editor
from flam_pl.editing.flam import Flam
from flam_pl.nets.backbone import Backbone
from flam_pl.nets.embedder import Embedders
from flam_pl.nets.manipulator import Manipulator
from flam_pl.stages.handoff import StageRecord, load_into, require, require_child


@dataclass
class Trained:
    """All stages of a finished run, checked to fit each other, ready for inference."""

    backbone: Backbone
    preprocess: Preprocess
    embedders: Embedders
    manipulator: Manipulator
    records: dict[str, StageRecord]

    @property
    def schema(self) -> AttributeSchema:
        return self.embedders.schema

    @classmethod
    def open(cls, folder: Path) -> Trained:
        """Args:
        folder: of the run, e.g. ``runs/wardrobe``.

        Raises:
            HandoffError: a stage that is missing, or that does not fit its parent.
        """
        records = {s: require(folder / s, s) for s in ("backbone", "embedder", "manipulator")}
        schema = AttributeSchema.from_dict(records["embedder"].schema)
        require_child(records["embedder"], records["backbone"].checkpoint, schema)
        require_child(records["manipulator"], records["embedder"].checkpoint, schema)
        backbone, preprocess = restore_backbone(folder / "backbone", records["backbone"])
        return cls(
            backbone,
            preprocess,
            restore_embedders(folder / "embedder", records["embedder"]),
            restore_manipulator(folder / "manipulator", records["manipulator"]),
            records,
        )

    def to(self, device: torch.device) -> None:
        for net in (self.backbone, self.embedders, self.manipulator):
            net.to(device)

    def editors(self) -> list[Editor]:
        """Every method of the run, the plain ones first."""
        return [NoEdit(), Arithmetic(self.embedders), Flam(self.embedders, self.manipulator)]


def restore_backbone(folder: Path, record: StageRecord) -> tuple[Backbone, Preprocess]:
    """The network with its best weights, and how images must be prepared for it."""
    shape = record.architecture
    size = shape["preprocess"]["size"]
    net = Backbone(shape["model"], shape["feature_dim"], size)
    load_into(net, folder, "net.")
    return net.eval().requires_grad_(False), Preprocess(**shape["preprocess"])


def restore_embedders(folder: Path, record: StageRecord) -> Embedders:
    embedders = Embedders(AttributeSchema.from_dict(record.schema), **record.architecture)
    load_into(embedders, folder, "embedders.")
    return embedders.eval().requires_grad_(False)


def restore_manipulator(folder: Path, record: StageRecord) -> Manipulator:
    manipulator = Manipulator(AttributeSchema.from_dict(record.schema), **record.architecture)
    load_into(manipulator, folder, "manipulator.")
    return manipulator.eval().requires_grad_(False)
