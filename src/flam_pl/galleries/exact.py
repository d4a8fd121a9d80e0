"""Exact search by inner product: the head of the ranking, in chunks, where the vectors are."""

from __future__ import annotations

import torch
from torch import Tensor


def top_k(
    queries: Tensor,
    gallery: Tensor,
    k: int,
    *,
    exclude: Tensor | None = None,
    chunk: int = 1024,
) -> tuple[Tensor, Tensor]:
    """The k gallery vectors with the largest inner product with each query.

    Args:
        queries: ``(Q, R)``.
        gallery: ``(G, R)``. Where both are of unit length the inner product is the cosine.
        k: how many; at most G - 1 when ``exclude`` is given, else G.
        exclude: for each query the gallery position that it must not find (itself), -1 for none,
            ``(Q,)``.
        chunk: queries scored at once: memory is ``chunk * G`` floats, whatever Q is.

    Returns:
        Inner products and gallery positions, both ``(Q, k)``, best first.

    Raises:
        ValueError: k is larger than the gallery allows.
    """
    most = len(gallery) - (exclude is not None)
    if not 1 <= k <= most:
        raise ValueError(f"k is {k}, but {len(gallery)} gallery vectors allow 1 to {most}")
    scores, positions = [], []
    for start in range(0, len(queries), chunk):
        part = queries[start : start + chunk] @ gallery.T
        if exclude is not None:
            own = exclude[start : start + chunk]
            rows = (own >= 0).nonzero(as_tuple=True)[0]
            part[rows, own[rows]] = -torch.inf
        best = part.topk(k, dim=1)
        scores.append(best.values)
        positions.append(best.indices)
    if not scores:
        return queries.new_empty((0, k)), queries.new_empty((0, k), dtype=torch.long)
    return torch.cat(scores), torch.cat(positions)
