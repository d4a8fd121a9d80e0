"""Equation (3): the adversarial loss, on logits of D."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """-(E[log D(x)] + E[log(1 - D(x-tilde))]) from the logits ``(B, 1)`` of each -> scalar.

    The text prints log(1 - G(x, e)); it means log(1 - D(G(x, e))).
    """
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_loss(fake: Tensor) -> Tensor:
    """-E[log D(x-tilde)], the non-saturating form, from logits ``(B, 1)`` -> scalar.

    The printed form, E[log(1 - D(x-tilde))], has no gradient left while D wins.
    """
    return F.softplus(-fake).mean()
