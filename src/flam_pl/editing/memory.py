"""Edits by the linear memory: the old class's row out, the new one's in."""

from __future__ import annotations

import torch
from torch import Tensor

from flam_pl.nets.embedder import Embedders
from flam_pl.nets.memory import Memory


class MemoryEditor:
    """The old class is what the embedders take the query for, as in ``Arithmetic``."""

    name = "memory"

    def __init__(self, embedders: Embedders, memory: Memory) -> None:
        self.embedders, self.memory, self.schema = embedders, memory, embedders.schema

    def represent(self, features: Tensor) -> Tensor:
        return features

    def edit(self, features: Tensor, target_type: str, target_class: str) -> Tensor:
        t = self.schema.types.index(target_type)
        space = self.embedders.space
        z = space(features)
        old = self.embedders.classify(self.embedders.embed(z))[:, t]
        new = torch.full_like(old, self.schema.index(target_type, target_class))
        edited = self.memory.edit(z, torch.full_like(old, t), old, new)
        return features + space.inverse(edited) - space.inverse(z)
