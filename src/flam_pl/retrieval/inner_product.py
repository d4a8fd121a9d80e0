"""One inner product that says how well a photo answers an edited search. Not in the paper.

Per photo ``v = [unit x ; l(x)]``: the unit feature and, beside it, the log-posteriors of the
classes of every attribute type. Per query ``q = [head ; w_t p]``: a unit feature and, beside it,
the wanted probability of each class times the weight of its type. Then ``q . v`` is the cosine of
the features plus, per type, ``-w_t`` times the cross-entropy of the photo's posteriors under the
wanted ones:

    q . v = cos(head, x) + sum_t w_t sum_c p_t(c) log p_t(c | x)

It scores every photo of a gallery at once, and any index of inner products can search by it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

FLOOR = 1e-3
"""Posteriors below this count as this: one photo that a classifier is wrongly sure of must not lie
infinitely far from a query."""


def log_posteriors(posteriors: Sequence[Tensor], floor: float = FLOOR) -> Tensor:
    """The tail of gallery vectors.

    Args:
        posteriors: per type the probability of each class, ``(N, classes)``; rows sum to 1.
        floor: the least probability that counts.

    Returns:
        ``(N, C)``, C being the number of classes of all types together.

    Example:
        >>> log_posteriors([torch.tensor([[1.0, 0.0]])]).exp()
        tensor([[1.0000, 0.0010]])
    """
    return torch.cat([of_type.clamp_min(floor).log() for of_type in posteriors], dim=-1)


def weighted_posteriors(wanted: Sequence[Tensor], weights: Sequence[float] | Tensor) -> Tensor:
    """The tail of query vectors.

    Args:
        wanted: per type the wanted probability of each class, ``(B, classes)``.
        weights: of each type, one number for all queries or ``(B, types)``.

    Returns:
        ``(B, C)``.

    Example:
        >>> weighted_posteriors([torch.tensor([[0.0, 1.0]])], [0.5])
        tensor([[0.0000, 0.5000]])
    """
    per_type = torch.as_tensor(weights, dtype=wanted[0].dtype, device=wanted[0].device)
    return torch.cat([per_type[..., t, None] * of for t, of in enumerate(wanted)], dim=-1)


def moved_features(
    features: Tensor, own: Sequence[Tensor], wanted: Sequence[Tensor], means: Sequence[Tensor]
) -> Tensor:
    """The features less the mean of the classes that they have, plus that of the wanted classes.

    Args:
        features: ``(B, D)``.
        own, wanted: per type the probability of each class, ``(B, classes)``.
        means: per type the mean feature of each class, ``(classes, D)``.

    Returns:
        ``(B, D)``.
    """
    for before, after, of_class in zip(own, wanted, means, strict=True):
        features = features + (after - before) @ of_class
    return features
