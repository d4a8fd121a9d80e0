"""Frozen networks with the weights of a trained stage."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from torch import nn

from flam_pl.attributes import AttributeSchema
from flam_pl.images import Preprocess
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.backbone import Backbone
from flam_pl.models.concat import ConcatClassifiers
from flam_pl.models.manipulator import Manipulator
from flam_pl.training.records import StageRecord, load_into

Net = TypeVar("Net", bound=nn.Module)


def restore_backbone(folder: Path, record: StageRecord) -> tuple[Backbone, Preprocess]:
    shape = dict(record.architecture)
    preprocess = Preprocess(**shape.pop("preprocess"))
    net = Backbone(**shape, image_size=preprocess.size)
    return frozen(net, folder, "net."), preprocess


def restore_embedders(folder: Path, record: StageRecord) -> AttributeEmbedders:
    net = AttributeEmbedders(schema_of(record), **record.architecture)
    return frozen(net, folder, "embedders.")


def restore_manipulator(folder: Path, record: StageRecord) -> Manipulator:
    """Generator and discriminator."""
    # older records say whether all types share G; one that does not has other tensors: refused
    shape = {name: of for name, of in record.architecture.items() if name != "shared"}
    return frozen(Manipulator(schema_of(record), **shape), folder, "manipulator.")


def restore_classifiers(folder: Path, record: StageRecord) -> ConcatClassifiers:
    return frozen(ConcatClassifiers(schema_of(record), **record.architecture), folder, "net.")


def schema_of(record: StageRecord) -> AttributeSchema:
    return AttributeSchema.from_dict(record.schema)


def frozen(net: Net, folder: Path, prefix: str) -> Net:
    load_into(net, folder, prefix)
    return net.eval().requires_grad_(False)
