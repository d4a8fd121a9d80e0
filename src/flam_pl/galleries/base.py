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
        """Scores and ids of the best stored vectors ``(Q, n)`` for queries ``(Q, V)``.

        n is ``result_count``. No query finds its id in ``exclude`` ``(Q,)``; -1 is no id.
        """
        ...


def result_count(size: int, k: int, exclude: Tensor | None) -> int:
    """Results per query: k, or as many as every query can get.

    >>> import torch
    >>> result_count(5, 10, torch.tensor([-1, -1])), result_count(5, 10, torch.tensor([-1, 3]))
    (5, 4)
    """
    if k < 1:
        raise ValueError(f"k is {k}; expected 1 or more results of {size} gallery vectors")
    return min(k, size - (exclude is not None and bool((exclude >= 0).any())))
