"""The interface of a gallery: stored vectors, searched by inner product."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Gallery(Protocol):
    """Stored vectors. The id of a vector is its position."""

    def __len__(self) -> int: ...

    def search(
        self, vectors: Tensor, k: int, exclude: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Scores and ids of the n best vectors per query, ``(Q, n)`` each.

        n is ``result_count``. No query finds its id in ``exclude`` ``(Q,)``; -1 is no id.
        """
        ...


def result_count(size: int, k: int, exclude: Tensor | None) -> int:
    """Results per query: k, or the most that every query can get. ValueError for k below 1."""
    if k < 1:
        raise ValueError(f"k is {k}; expected 1 or more results of {size} gallery vectors")
    return min(k, size - (exclude is not None and bool((exclude >= 0).any())))
