"""Exact search with torch: the reference of every other gallery."""

from __future__ import annotations

import torch
from torch import Tensor

from flam_pl.galleries.base import result_count


class ExactGallery:
    """Vectors ``(G, V)`` in the memory of their device.

    >>> ExactGallery(torch.eye(3)).search(torch.tensor([[0.1, 0.9, 0.5]]), k=2)
    (tensor([[0.9000, 0.5000]]), tensor([[1, 2]]))
    """

    def __init__(self, vectors: Tensor) -> None:
        self.vectors = vectors

    def __len__(self) -> int:
        return len(self.vectors)

    def search(
        self, vectors: Tensor, k: int, exclude: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        return top_k(vectors.to(self.vectors.device), self.vectors, k, exclude=exclude)


def top_k(
    queries: Tensor,
    gallery: Tensor,
    k: int,
    *,
    exclude: Tensor | None = None,
    chunk: int | None = None,
) -> tuple[Tensor, Tensor]:
    """``Gallery.search`` of queries ``(Q, V)`` in a gallery ``(G, V)``, in chunks of queries."""
    count = result_count(len(gallery), k, exclude)
    chunk = chunk or queries_at_once(len(gallery))
    scores, ids = [queries.new_empty((0, count))], [queries.new_empty((0, count)).long()]
    for start in range(0, len(queries), chunk):
        part = queries[start : start + chunk] @ gallery.T
        if exclude is not None:
            own = exclude[start : start + chunk].to(part.device)
            rows = (own >= 0).nonzero(as_tuple=True)[0]
            part[rows, own[rows]] = -torch.inf
        best = part.topk(count, dim=1)
        scores.append(best.values)
        ids.append(best.indices)
    return torch.cat(scores), torch.cat(ids)


def queries_at_once(gallery: int) -> int:
    """Number of queries whose scores fit into 128 MB, up to 1,024.

    >>> queries_at_once(20_000), queries_at_once(1_000_000)
    (1024, 33)
    """
    return min(1024, max(1, 2**25 // max(1, gallery)))
