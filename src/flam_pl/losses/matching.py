"""Equation (4): what D reads off a feature must be the embeddings that the feature should have."""

from __future__ import annotations

import torch
from torch import Tensor


def wanted_embeddings(own: Tensor, other: Tensor, target: Tensor) -> Tensor:
    """[phi_a(x^-) + phi_abar(x)]: the target type's embedding from x^-, the remaining from x.

    Args:
        own: embeddings of x, ``(B, types, k)``.
        other: the target embedding that is asked for, ``(B, k)``.
        target: index of the type that each row changes, ``(B,)``.
    """
    wanted = own.clone()
    wanted[torch.arange(len(target), device=target.device), target] = other
    return wanted


def matching_loss(
    predicted: Tensor, wanted: Tensor, target: Tensor, with_remaining: bool = True
) -> Tensor:
    """E ||f(x) - wanted||, either term of equation (4) -> scalar.

    The norm is the Euclidean norm of each type's difference, summed over the types: a mean over
    components is sqrt(k) and more times weaker and is lost beside the cycle loss.

    Args:
        predicted: f, the embedding branch of D, ``(B, types, k)``.
        wanted: the embeddings to be matched, ``(B, types, k)``.
        target: index of the target type, ``(B,)``.
        with_remaining: True is "M" of the paper's Table 3; False ("S") keeps the target type only.
    """
    # the small constant keeps the gradient of the norm finite where the two are equal
    distances = ((predicted - wanted).pow(2).sum(dim=-1) + 1e-12).sqrt()  # (B, types)
    if with_remaining:
        return distances.sum(dim=1).mean()
    return distances.gather(1, target[:, None]).mean()
