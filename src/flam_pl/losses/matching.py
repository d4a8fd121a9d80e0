"""Equation (4) of FLAM: D must predict the embeddings that a feature should have."""

from __future__ import annotations

import torch
from torch import Tensor


def wanted_embeddings(own: Tensor, other: Tensor, target: Tensor) -> Tensor:
    """[phi_a(x-) + phi_abar(x)], the embeddings that x~ should have -> ``(B, types, k)``.

    That of the target type ``(B,)`` is x-'s ``(B, k)``, the others are x's ``(B, types, k)``.

    >>> wanted_embeddings(torch.zeros(1, 2, 2), torch.ones(1, 2), target=torch.tensor([1])).tolist()
    [[[0.0, 0.0], [1.0, 1.0]]]
    """
    wanted = own.clone()
    wanted[torch.arange(len(target), device=target.device), target] = other
    return wanted


def matching_loss(
    predicted: Tensor, wanted: Tensor, target: Tensor, with_remaining: bool = True
) -> Tensor:
    """E ||f(x) - wanted|| of embeddings ``(B, types, k)``, either term of equation (4) -> scalar.

    Euclidean norms of all types are summed ("M" in Table 3); without ``with_remaining`` ("S") only
    that of the target type ``(B,)`` counts. The paper leaves the norm open.

    >>> matching_loss(torch.ones(1, 3, 4), torch.zeros(1, 3, 4), target=torch.tensor([0]))
    tensor(6.)
    """
    # the constant gives the root a finite gradient at 0
    distances = ((predicted - wanted).pow(2).sum(dim=-1) + 1e-12).sqrt()  # (B, types)
    if with_remaining:
        return distances.sum(dim=1).mean()
    return distances.gather(1, target[:, None]).mean()
