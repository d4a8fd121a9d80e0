"""Cls-Concat and Emb-Concat: search by a concatenation of a part a type; an edit replaces some."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from flam_pl.attributes import AttributeSchema
from flam_pl.editing.wishes import Wish, asked_vector, blend, in_order


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

    def edit(self, features: Tensor, wishes: Sequence[Wish]) -> Tensor:
        parts = self.blocks(features).clone()
        for wish in in_order(wishes, self.schema):
            name = wish.attribute_type
            t = self.schema.types.index(name)

            def block(example: Tensor, t: int = t) -> Tensor:
                return self.blocks(example)[:, t]

            asked = asked_vector(wish, self.schema, self.prototypes(name), block)
            parts[:, t] = blend(parts[:, t], asked.expand_as(parts[:, t]), wish.strength)
        return parts.flatten(start_dim=1)
