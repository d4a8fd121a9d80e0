"""Equation (5): editing there and back again must return the feature that one started from."""

from __future__ import annotations

from torch import Tensor


def cycle_loss(features: Tensor, recovered: Tensor) -> Tensor:
    """E ||x - x-hat||, divided by sqrt(D) -> scalar.

    The paper leaves the norm open. The Euclidean norm over sqrt(D) is the root mean square of the
    difference, so that one weight means the same at every feature dimension.

    Args:
        features: x, in the working space, ``(B, D)``.
        recovered: x-hat = G(G(x, e^-), e), ``(B, D)``.
    """
    return ((features - recovered).pow(2).mean(dim=1) + 1e-12).sqrt().mean()
