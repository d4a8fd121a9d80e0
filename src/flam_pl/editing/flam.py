"""The paper's method: x-tilde = G(x, d_{a,i}) searches among the features as they are stored."""

from __future__ import annotations

import torch
from torch import Tensor

from flam_pl.nets.embedder import Embedders
from flam_pl.nets.manipulator import Manipulator


class Flam:
    """Query time of section 3.3. The gallery is the stored features themselves: one vector serves
    both tasks, and nothing about a photo is computed again for an edit."""

    def __init__(self, embedders: Embedders, manipulator: Manipulator, name: str = "flam") -> None:
        self.embedders, self.manipulator, self.name = embedders, manipulator, name
        self.schema = embedders.schema

    def represent(self, features: Tensor) -> Tensor:
        return features

    def edit(self, features: Tensor, target_type: str, target_class: str) -> Tensor:
        wanted = self.embedders.of(target_type).dictionary[
            self.schema.index(target_type, target_class)
        ]
        target = torch.full(
            (len(features),), self.schema.types.index(target_type), device=features.device
        )
        space = self.embedders.space
        wishes = wanted.expand(len(features), -1)
        edited = self.manipulator.edit(space(features), wishes, target)
        return self.manipulator.stored(features, edited, space)
