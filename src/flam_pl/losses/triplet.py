"""Equations (1) and (2): the triplet loss, and its use on embeddings and dictionary vectors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def cosine_distance(a: Tensor, b: Tensor) -> Tensor:
    """1 - cosine similarity of ``a (..., k)`` and ``b (..., k)`` -> ``(...)``, in [0, 2]."""
    return 1 - F.cosine_similarity(a, b, dim=-1)


def triplet(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """Equation (1): max(0, dist(f, f+) - dist(f, f-) + margin) for each row, ``(...)``."""
    return F.relu(cosine_distance(anchor, positive) - cosine_distance(anchor, negative) + margin)


def embedding_loss(
    embeddings: Tensor, labels: Tensor, dictionary: Tensor, margin: float
) -> tuple[Tensor, Tensor]:
    """Equation (2): the dictionary vectors and the embeddings each stand as anchors.

    Every triplet that the batch holds is formed. The paper does not say how the triplets are
    averaged; we average over those that are violated, so that the many easy ones of a late batch
    do not drown the few that still teach.

    Args:
        embeddings: e_a, ``(B, k)``.
        labels: class of each row, ``(B,)``, all of them known (no -1).
        dictionary: d_a, ``(classes, k)``.
        margin: mu of equation (1).

    Returns:
        The two terms, l(d, e+, e-) and l(e, d+, d-), each a scalar; zero where no triplet exists.
    """
    with torch.autocast(embeddings.device.type, enabled=False):  # cosines want all their digits
        digits = torch.promote_types(embeddings.dtype, torch.float32)
        unit, known = (F.normalize(v.to(digits), dim=-1) for v in (embeddings, dictionary))
        similarity = unit @ known.T  # (B, C)
    own = similarity.gather(1, labels[:, None])  # (B, 1): each row with the vector of its class
    # l(e, d+, d-): row b against the vector of every other class
    other_class = torch.arange(dictionary.shape[0], device=labels.device) != labels[:, None]
    to_dictionary = F.relu(similarity - own + margin) * other_class
    # l(d, e+, e-): the vector of row p's class, row p as e+, every row n of another class as e-
    to_rows = similarity[:, labels].T  # (B, B): [p, n] = cosine(d of p's class, e_n)
    different = labels[:, None] != labels[None, :]
    to_embeddings = F.relu(to_rows - own + margin) * different
    return mean_of_violated(to_embeddings), mean_of_violated(to_dictionary)


def mean_of_violated(losses: Tensor) -> Tensor:
    """Mean over the entries above zero; zero (with a gradient path) where there is none."""
    return losses.sum() / (losses > 0).sum().clamp_min(1)
