"""Edits by the linear memory: the old class's row out, the new one's in."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from flam_pl.editing.wishes import Wish, asked_shares, in_order
from flam_pl.nets.embedder import Embedders
from flam_pl.nets.memory import Memory


class MemoryEditor:
    """The old class is what the embedders take the query for, as in ``Arithmetic``."""

    name = "memory"

    def __init__(self, embedders: Embedders, memory: Memory) -> None:
        self.embedders, self.memory, self.schema = embedders, memory, embedders.schema

    def represent(self, features: Tensor) -> Tensor:
        return features

    def edit(self, features: Tensor, wishes: Sequence[Wish]) -> Tensor:
        """An edit shifts by a difference of rows: several add up, and a mix (or what an example is
        taken for) is the weighted mean of the edits to its classes."""
        space = self.embedders.space
        z = space(features)
        old = self.embedders.classify(self.embedders.embed(z))
        edited = z
        for wish in in_order(wishes, self.schema):
            t = self.schema.types.index(wish.attribute_type)
            shares = asked_shares(wish, self.embedders)
            moved = torch.zeros_like(z)
            for c in shares.nonzero(as_tuple=True)[0].tolist():
                target, new = torch.full_like(old[:, t], t), torch.full_like(old[:, t], c)
                moved = moved + shares[c] * self.memory.edit(edited, target, old[:, t], new)
            edited = torch.lerp(edited, moved, wish.strength)
        return features + space.inverse(edited) - space.inverse(z) if edited is not z else features
