"""Editors with a known effect, for tests of what is measured of edited searches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from attribute_world import SCHEMA
from flam_pl.editing.edits import Edit


class Moved:
    """Each edit moves the feature, by ``moved`` and as far as its strength says."""

    name = "moved"

    def represent(self, features: Tensor) -> Tensor:
        return features

    def edit(self, features: Tensor, edits: Sequence[Edit]) -> Tensor:
        for edit in edits:
            assert isinstance(edit.wanted, str)
            moved = self.moved(features, edit.attribute_type, edit.wanted)
            features = moved if edit.strength == 1 else torch.lerp(features, moved, edit.strength)
        return features

    def moved(self, features: Tensor, target_type: str, target_class: str) -> Tensor:
        raise NotImplementedError


class Shift(Moved):
    """Adds a random direction for each class: searches that are neither good nor all alike."""

    name = "shift"

    def __init__(self, seed: int, dimension: int) -> None:
        draw = torch.Generator().manual_seed(seed)
        self.directions = {
            (name, c): torch.randn(dimension, generator=draw)
            for name in SCHEMA.types
            for c in SCHEMA.of(name)
        }

    def moved(self, features: Tensor, target_type: str, target_class: str) -> Tensor:
        return features + self.directions[target_type, target_class]


class Towards(Moved):
    """Adds the world's own direction of the wanted class: right often, but not always."""

    name = "towards"

    def __init__(self, directions: Sequence[Tensor], share: float = 1.0) -> None:
        """Args:
        directions: of each type, ``(classes, D)``.
        share: of the direction that is added.
        """
        self.directions, self.share = directions, share

    def moved(self, features: Tensor, target_type: str, target_class: str) -> Tensor:
        t, c = SCHEMA.types.index(target_type), SCHEMA.index(target_type, target_class)
        return features + self.share * self.directions[t][c]
