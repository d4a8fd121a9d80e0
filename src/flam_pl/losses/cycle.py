"""Equation (5) of FLAM: an edit and its inverse must return the feature."""

from __future__ import annotations

from torch import Tensor


def cycle_loss(features: Tensor, recovered: Tensor) -> Tensor:
    """Mean of ||x - x-hat|| / sqrt(D); x and x-hat = G(G(x, e-), e) are ``(B, D)`` -> scalar.

    The paper leaves the norm open.

    >>> import torch
    >>> cycle_loss(torch.zeros(2, 9), torch.full((2, 9), 3.0))
    tensor(3.)
    """
    # the constant gives the root a finite gradient at 0
    return ((features - recovered).pow(2).mean(dim=1) + 1e-12).sqrt().mean()
