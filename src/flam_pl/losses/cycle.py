"""Equation (5) of FLAM: editing back gives the query again."""

from __future__ import annotations

from torch import Tensor

TINY = 1e-12  # gives a square root a finite gradient at 0


def cycle_loss(features: Tensor, recovered: Tensor) -> Tensor:
    """Equation (5): mean of ||x - G(G(x, e-), e)|| / sqrt(D), features ``(B, D)`` -> scalar.

    >>> import torch
    >>> cycle_loss(torch.zeros(2, 9), torch.full((2, 9), 3.0))
    tensor(3.)
    """
    return ((features - recovered).pow(2).mean(dim=1) + TINY).sqrt().mean()
