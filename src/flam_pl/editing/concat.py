"""Cls-Concat and Emb-Concat: search by a concatenation of a part a type; an edit replaces one."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from flam_pl.attributes import AttributeSchema


class ConcatEditor:
    """The paper's "upper bound": a second vector a photo is stored, which FIR cannot use."""

    def __init__(
        self,
        name: str,
        schema: AttributeSchema,
        blocks: Callable[[Tensor], Tensor],
        prototypes: Callable[[str], Tensor],
    ) -> None:
        """Args:
        blocks: stored features ``(B, D)`` -> ``(B, types, width)``, each of unit length.
        prototypes: attribute type -> what stands for each of its classes, ``(classes, width)``:
            the class mean (Cls-Concat) or the dictionary vector (Emb-Concat).
        """
        self.name, self.schema = name, schema
        self.blocks, self.prototypes = blocks, prototypes

    def represent(self, features: Tensor) -> Tensor:
        return self.blocks(features).flatten(start_dim=1)

    def edit(self, features: Tensor, target_type: str, target_class: str) -> Tensor:
        position = self.schema.index(target_type, target_class)
        parts = self.blocks(features).clone()
        parts[:, self.schema.types.index(target_type)] = self.prototypes(target_type)[position]
        return parts.flatten(start_dim=1)
