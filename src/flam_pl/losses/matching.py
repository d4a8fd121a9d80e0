"""Equation (4) of FLAM: the embeddings that D reads in a feature."""

from __future__ import annotations

import torch
from torch import Tensor

TINY = 1e-12  # gives a square root a finite gradient at 0


def wanted_embeddings(own: Tensor, other: Tensor, target: Tensor) -> Tensor:
    """[phi_a(x-) + phi_abar(x)] -> ``(B, types, k)``: x-'s embedding ``other (B, k)`` in the target
    type ``(B,)``, x's embeddings ``own (B, types, k)`` in the others.

    >>> wanted_embeddings(torch.zeros(1, 2, 2), torch.ones(1, 2), target=torch.tensor([1])).tolist()
    [[[0.0, 0.0], [1.0, 1.0]]]
    """
    wanted = own.clone()
    wanted[torch.arange(len(target), device=target.device), target] = other
    return wanted


def matching_loss(
    predicted: Tensor, wanted: Tensor, target: Tensor, with_remaining: bool = True
) -> Tensor:
    """Equation (4): E ||predicted - wanted|| of embeddings ``(B, types, k)`` -> scalar.

    Our choice: Euclidean norms, summed over all types ("M" in Table 3); without ``with_remaining``
    ("S"), the norm of the target type ``(B,)`` alone.

    >>> matching_loss(torch.ones(1, 3, 4), torch.zeros(1, 3, 4), target=torch.tensor([0]))
    tensor(6.)
    """
    distances = ((predicted - wanted).pow(2).sum(dim=-1) + TINY).sqrt()  # (B, types)
    if with_remaining:
        return distances.sum(dim=1).mean()
    return distances.gather(1, target[:, None]).mean()
