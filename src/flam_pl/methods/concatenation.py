"""Edits a concatenation of one vector per attribute type: Cls-Concat, Emb-Concat, ADDE-M."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from flam_pl.attributes import AttributeSchema
from flam_pl.editing.editor import Editor
from flam_pl.editing.edits import Edit, in_order
from flam_pl.editing.targets import blend, wanted_vector
from flam_pl.methods.registry import OpenMethod, Place
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.concat import ConcatClassifiers
from flam_pl.retrieval.posteriors import Posteriors
from flam_pl.training.trained_networks import restore


class ConcatEditor(Editor):
    """Searches by one part of a vector per attribute type; an edit changes its type's part."""

    def __init__(
        self,
        name: str,
        schema: AttributeSchema,
        blocks: Callable[[Tensor], Tensor],
        prototypes: Callable[[str], Tensor],
        classes: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        """Args:
        blocks: features ``(B, D)`` -> unit vectors ``(B, types, width)``.
        prototypes: attribute type -> one vector per class, ``(classes, width)``.
        classes: features -> predicted classes ``(B, types)``. With it (ADDE-M) an edit subtracts
            the predicted prototype from the query's part and adds the wanted one; without it
            the wanted prototype replaces the part.
        """
        self.name, self.schema = name, schema
        self.blocks, self.prototypes, self.classes = blocks, prototypes, classes

    def represent(self, features: Tensor) -> Tensor:
        return self.blocks(features).flatten(start_dim=1)

    def edit(self, features: Tensor, edits: Sequence[Edit]) -> Tensor:
        parts = self.blocks(features).clone()
        for edit in in_order(edits, self.schema):
            t = self.schema.types.index(edit.attribute_type)
            prototypes = self.prototypes(edit.attribute_type)
            wanted = wanted_vector(edit, self.schema, prototypes, self.blocks)
            changed = wanted.expand_as(parts[:, t])
            if self.classes:
                changed = parts[:, t] - prototypes[self.classes(features)[:, t]] + wanted
            parts[:, t] = blend(parts[:, t], changed, edit.strength)
        return parts.flatten(start_dim=1)


def open_classifiers(place: Place) -> OpenMethod:
    assert place.record is not None, "a concatenation is trained"
    net = restore(ConcatClassifiers, place.folder, place.record)
    classes = net.classify if place.name == "adde_m" else None
    editor = ConcatEditor(place.name, net.schema, net.blocks, net.prototypes, classes)
    return OpenMethod(editor, Posteriors.of_classifiers(net), net)


def open_wide_embedders(place: Place) -> OpenMethod:
    assert place.record is not None, "a concatenation is trained"
    net = restore(AttributeEmbedders, place.folder, place.record)
    editor = ConcatEditor(place.name, net.schema, net, lambda kind: net.of(kind).dictionary)
    return OpenMethod(editor, Posteriors.of_embedders(net), net)
