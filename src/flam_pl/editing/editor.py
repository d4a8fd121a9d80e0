"""The interface of a method that edits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from flam_pl.editing.edits import Edit


class Editor(Protocol):
    """Makes gallery features and query features of dimension R, compared by their cosine."""

    name: str

    def represent(self, features: Tensor) -> Tensor:
        """Stored features ``(B, D)`` -> gallery features ``(B, R)``."""
        return features

    def edit(self, features: Tensor, edits: Sequence[Edit]) -> Tensor:
        """Stored features ``(B, D)`` -> query features ``(B, R)``, whatever the order of the edits.
        Without edits, or with strength 0: ``represent(features)``. Raises as ``in_order``."""
        ...


class NoEdit(Editor):
    """The plain search: it ignores the edits."""

    name = "no_edit"

    def edit(self, features: Tensor, edits: Sequence[Edit]) -> Tensor:
        return features
