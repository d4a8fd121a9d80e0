"""The contract that every method of editing a search meets, so that all are measured alike."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Editor(Protocol):
    """Turns stored features into gallery vectors, and a query plus a wish into a query vector.

    Search is by cosine between the two; both have the method's own dimension R.
    """

    name: str

    def represent(self, features: Tensor) -> Tensor:
        """Stored features ``(B, D)`` -> gallery vectors ``(B, R)``."""
        ...

    def edit(self, features: Tensor, target_type: str, target_class: str) -> Tensor:
        """Stored features ``(B, D)`` -> query vectors ``(B, R)`` with one attribute changed.

        Raises:
            SchemaError: a type or class that the schema does not know.
        """
        ...
