"""The score of an edited search as one inner product. Not in the paper.

A gallery vector is the unit feature and the log-posteriors of all classes c of all types t. A query
vector is a feature (the head) and the wanted probabilities, weighted by type (the tail):

    score = head . unit x + sum_t w_t sum_c p_t(c) log p_t(c | x)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

FLOOR = 1e-3  # least posterior: one confident mistake of a classifier must not hide a photo


def log_posteriors(posteriors: Sequence[Tensor], floor: float = FLOOR) -> Tensor:
    """Tails of gallery vectors: per type ``(N, classes)`` -> ``(N, C)``.

    >>> log_posteriors([torch.tensor([[1.0, 0.0]])], floor=0.25).exp()
    tensor([[1.0000, 0.2500]])
    """
    return torch.cat([of_type.clamp_min(floor).log() for of_type in posteriors], dim=-1)


def weighted_posteriors(wanted: Sequence[Tensor], weights: Sequence[float] | Tensor) -> Tensor:
    """Tails of query vectors ``(B, C)``, for weights ``(types,)`` or ``(B, types)``.

    >>> weighted_posteriors([torch.tensor([[0.0, 1.0]])], [0.5])
    tensor([[0.0000, 0.5000]])
    """
    per_type = torch.as_tensor(weights, dtype=wanted[0].dtype, device=wanted[0].device)
    return torch.cat([per_type[..., t, None] * of for t, of in enumerate(wanted)], dim=-1)


def moved_features(
    features: Tensor, own: Sequence[Tensor], wanted: Sequence[Tensor], means: Sequence[Tensor]
) -> Tensor:
    """Features ``(B, D)`` minus the mean of their classes plus that of the wanted classes, with
    probabilities ``(B, classes)`` and mean features ``(classes, D)`` per type.

    >>> red, blue = [torch.tensor([[1.0, 0.0]])], [torch.tensor([[0.0, 1.0]])]
    >>> moved_features(torch.tensor([[5.0]]), red, blue, [torch.tensor([[1.0], [3.0]])])
    tensor([[7.]])
    """
    for before, after, of_class in zip(own, wanted, means, strict=True):
        features = features + (after - before) @ of_class
    return features
