"""The contract that every method of editing a search meets, so that all are measured alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from flam_pl.editing.edits import Edit


class Editor(Protocol):
    """Turns stored features into gallery vectors, and a query plus edits into a query vector.

    Search is by cosine between the two; both have the method's own dimension R.
    """

    name: str

    def represent(self, features: Tensor) -> Tensor:
        """Stored features ``(B, D)`` -> gallery vectors ``(B, R)``."""
        ...

    def edit(self, features: Tensor, edits: Sequence[Edit]) -> Tensor:
        """Stored features ``(B, D)`` -> query vectors ``(B, R)`` with some attributes changed.

        The order of the edits does not matter; without any, or with the strength 0, it is
        ``represent``.

        Raises:
            SchemaError: a type or class that the schema does not know.
            EditError: two edits for one type.
        """
        ...


class NoEdit:
    """The plain search: the edits are ignored."""

    name = "no_edit"

    def represent(self, features: Tensor) -> Tensor:
        return features

    def edit(self, features: Tensor, edits: Sequence[Edit]) -> Tensor:
        return features
