"""Frozen networks with the weights of a trained stage."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from torch import nn

from flam_pl.config.saved_files import reading
from flam_pl.images.pixels import Preprocess
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.backbone import Backbone
from flam_pl.models.concat import ConcatClassifiers
from flam_pl.models.manipulator import Manipulator
from flam_pl.training.records import RECORD, REMEDY, StageRecord, load_into

Net = TypeVar("Net", bound=nn.Module)
PREFIXES: dict[type[nn.Module], str] = {
    AttributeEmbedders: "embedders.",
    ConcatClassifiers: "net.",
    Manipulator: "manipulator.",
}
"""How the names of a network's tensors begin in a checkpoint."""


def restore_backbone(folder: Path, record: StageRecord) -> tuple[Backbone, Preprocess]:
    with reading(folder / RECORD, REMEDY):
        shape = dict(record.architecture)
        preprocess = Preprocess(**shape.pop("preprocess"))
    build = partial(Backbone, **shape, image_size=preprocess.size)
    return frozen(build, folder, "net."), preprocess


def restore(kind: type[Net], folder: Path, record: StageRecord) -> Net:
    """Embedders, classifiers, or a manipulator: generator and discriminator."""
    # older records say whether all types share G; one that does not has other tensors: refused
    shape = {name: of for name, of in record.architecture.items() if name != "shared"}
    return frozen(partial(kind, record.attributes, **shape), folder, PREFIXES[kind])


def frozen(build: Callable[[], Net], folder: Path, prefix: str) -> Net:
    with reading(folder / RECORD, REMEDY):
        net = build()
    load_into(net, folder, prefix)
    return net.eval().requires_grad_(False)
