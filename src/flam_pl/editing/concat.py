"""Cls-Concat, Emb-Concat and ADDE-M: search by a concatenation of one part per type, of which an
edit changes some."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from flam_pl.attributes import AttributeSchema
from flam_pl.editing.edits import Edit, asked_vector, blend, in_order


class ConcatEditor:
    """The paper's "upper bound": a second vector a photo is stored, which FIR cannot use."""

    def __init__(
        self,
        name: str,
        schema: AttributeSchema,
        blocks: Callable[[Tensor], Tensor],
        prototypes: Callable[[str], Tensor],
        classes: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        """Args:
        blocks: stored features ``(B, D)`` -> ``(B, types, width)``, each of unit length.
        prototypes: attribute type -> what stands for each of its classes, ``(classes, width)``:
            the class mean (Cls-Concat), the dictionary vector (Emb-Concat) or that of the memory
            (ADDE-M).
        classes: stored features ``(B, D)`` -> the class that each type is taken for,
            ``(B, types)``. With it (ADDE-M) an edit subtracts the prototype of the query's class
            from the query's part and adds what is asked for; without it the part is replaced.
        """
        self.name, self.schema = name, schema
        self.blocks, self.prototypes, self.classes = blocks, prototypes, classes

    def represent(self, features: Tensor) -> Tensor:
        return self.blocks(features).flatten(start_dim=1)

    def edit(self, features: Tensor, edits: Sequence[Edit]) -> Tensor:
        parts = self.blocks(features).clone()
        for edit in in_order(edits, self.schema):
            name = edit.attribute_type
            t = self.schema.types.index(name)

            def block(example: Tensor, t: int = t) -> Tensor:
                return self.blocks(example)[:, t]

            asked = asked_vector(edit, self.schema, self.prototypes(name), block)
            changed = asked.expand_as(parts[:, t])
            if self.classes:
                own = self.prototypes(name)[self.classes(features)[:, t]]
                changed = parts[:, t] - own + asked
            parts[:, t] = blend(parts[:, t], changed, edit.strength)
        return parts.flatten(start_dim=1)
