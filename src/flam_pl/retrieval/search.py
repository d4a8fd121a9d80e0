"""Exact search by cosine: the head of the ranking, in chunks, on the device of the vectors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def top_k(
    queries: Tensor,
    gallery: Tensor,
    k: int,
    *,
    exclude: Tensor | None = None,
    chunk: int = 1024,
) -> tuple[Tensor, Tensor]:
    """The k gallery vectors nearest to each query.

    Args:
        queries: ``(Q, R)``, of any length; cosine is what counts.
        gallery: ``(G, R)``, **of unit length** (normalise once, search often).
        k: how many; at most G - 1 when ``exclude`` is given, else G.
        exclude: for each query the gallery position that it must not find (itself), -1 for none,
            ``(Q,)``.
        chunk: queries scored at once: memory is ``chunk * G`` floats, whatever Q is.

    Returns:
        Cosines and gallery positions, both ``(Q, k)``, best first.

    Raises:
        ValueError: k is larger than the gallery allows.
    """
    most = len(gallery) - (exclude is not None)
    if not 1 <= k <= most:
        raise ValueError(f"k is {k}, but {len(gallery)} gallery vectors allow 1 to {most}")
    scores, positions = [], []
    for start in range(0, len(queries), chunk):
        part = F.normalize(queries[start : start + chunk], dim=-1) @ gallery.T
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


def cosines_at(queries: Tensor, gallery: Tensor, positions: Tensor) -> Tensor:
    """Of each query its cosines with some gallery vectors of its own, ``(Q, N)``.

    A gallery many times as large as N is not compared with whole; a smaller one is, since that is
    faster than to collect each query's vectors.

    Args:
        queries: ``(Q, R)``, **of unit length**, as is ``gallery (G, R)``.
        positions: of those vectors, ``(Q, N)``.
    """
    whole = len(gallery) < 20 * positions.shape[1]
    chunk = 1024 if whole else 64  # memory is chunk * G floats, or chunk * N * R
    parts = zip(torch.split(queries, chunk), torch.split(positions, chunk), strict=True)
    if whole:
        return torch.cat([(q @ gallery.T).gather(1, at) for q, at in parts])
    return torch.cat([torch.einsum("qr,qnr->qn", q, gallery[at]) for q, at in parts])
