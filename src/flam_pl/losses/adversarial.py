"""Equation (3) of FLAM: D tells real features from edited ones, G deceives D."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Equation (3) for D: -E[log D(x)] - E[log(1 - D(x~))], from logits ``(B, 1)`` -> scalar.

    >>> import torch
    >>> discriminator_loss(torch.zeros(4, 1), torch.zeros(4, 1))  # 2 log 2
    tensor(1.3863)
    """
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_loss(fake: Tensor) -> Tensor:
    """Equation (3) for G: -E[log D(x~)], from logits ``(B, 1)`` -> scalar. The paper's E[log(1 -
    D(x~))] has almost no gradient while D recognizes every x~.

    >>> import torch
    >>> generator_loss(torch.zeros(4, 1))  # log 2
    tensor(0.6931)
    """
    return F.softplus(-fake).mean()
