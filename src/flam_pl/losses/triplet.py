"""Equations (1) and (2) of FLAM: triplets of embeddings and dictionary vectors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def cosine_distance(a: Tensor, b: Tensor) -> Tensor:
    """1 - cosine similarity of vectors ``(..., k)`` -> ``(...)``, in [0, 2].

    >>> cosine_distance(torch.tensor([1.0, 0.0]), torch.tensor([-3.0, 0.0]))
    tensor(2.)
    """
    return 1 - F.cosine_similarity(a, b, dim=-1)


def triplet_loss(anchor: Tensor, positive: Tensor, negative: Tensor, margin: float) -> Tensor:
    """Equation (1): max(0, dist(f, f+) - dist(f, f-) + margin) of ``(..., k)`` -> ``(...)``.

    >>> x, y = torch.eye(2)
    >>> triplet_loss(x, y, x, margin=0.5), triplet_loss(x, x, y, margin=0.5)
    (tensor(1.5000), tensor(0.))
    """
    return F.relu(cosine_distance(anchor, positive) - cosine_distance(anchor, negative) + margin)


def embedding_loss(
    embeddings: Tensor, labels: Tensor, dictionary: Tensor, margin: float
) -> tuple[Tensor, Tensor]:
    """Equation (2): its terms l(d, e+, e-) and l(e, d+, d-), over every triplet of the batch.

    Embeddings ``(B, k)``, labels ``(B,)``, dictionary ``(classes, k)`` -> two scalars, means over
    the triplets with a loss above 0.

    >>> d = torch.eye(2)
    >>> embedding_loss(d, torch.tensor([1, 0]), d, margin=0.5)  # both at the wrong vector
    (tensor(1.5000), tensor(1.5000))
    """
    with torch.autocast(embeddings.device.type, enabled=False):  # cosines need full precision
        dtype = torch.promote_types(embeddings.dtype, torch.float32)
        e, d = (F.normalize(v.to(dtype), dim=-1) for v in (embeddings, dictionary))
        similarity = e @ d.T  # (B, classes)
    own = similarity.gather(1, labels[:, None])  # (B, 1): e_b and the vector of its class
    other_class = torch.arange(len(dictionary), device=labels.device) != labels[:, None]
    from_embeddings = F.relu(similarity - own + margin) * other_class
    of_pairs = similarity[:, labels].T  # (B, B): [p, n] is e_n and the vector of p's class
    from_dictionary = F.relu(of_pairs - own + margin) * (labels[:, None] != labels)
    return _mean_of_violated(from_dictionary), _mean_of_violated(from_embeddings)


def _mean_of_violated(losses: Tensor) -> Tensor:
    return losses.sum() / (losses > 0).sum().clamp_min(1)
