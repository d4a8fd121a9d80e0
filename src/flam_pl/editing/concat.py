"""Cls-Concat, Emb-Concat and ADDE-M: search by one block per attribute type, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from flam_pl.attributes import AttributeSchema
from flam_pl.editing.editor import Editor
from flam_pl.editing.edits import Edit, blend, in_order, wanted_vector


class ConcatEditor(Editor):
    """The paper's "upper bound": a second vector per photo, which instance search cannot use."""

    def __init__(
        self,
        name: str,
        schema: AttributeSchema,
        blocks: Callable[[Tensor], Tensor],
        prototypes: Callable[[str], Tensor],
        classes: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        """Args:
        blocks: stored features ``(B, D)`` -> unit blocks ``(B, types, width)``.
        prototypes: type -> unit vectors of its classes, ``(classes, width)``.
        classes: stored features ``(B, D)`` -> likeliest classes ``(B, types)``. With it (ADDE-M) an
            edit subtracts the prototype of the likeliest class and adds the wanted one; without it
            the wanted one replaces the block.
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
