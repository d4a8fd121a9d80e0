"""The contract of a gallery: stored vectors, searched by inner product."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Gallery(Protocol):
    """Stored vectors. The id of a vector is its position."""

    def __len__(self) -> int: ...

    def search(
        self, vectors: Tensor, k: int, exclude: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Scores and ids of the ``result_count`` best vectors per query, ``(Q, n)`` each.

        Args:
            vectors: query vectors, ``(Q, V)``.
            exclude: per query the id that must not be found, -1 for none, ``(Q,)``.
        """
        ...


def result_count(size: int, k: int, exclude: Tensor | None) -> int:
    """Results per query: k, or as many as every query of the batch can get."""
    if k < 1:
        raise ValueError(f"k is {k}; expected 1 or more results of {size} gallery vectors")
    return min(k, size - (exclude is not None and bool((exclude >= 0).any())))
