"""Equations (3) to (5) of FLAM, the losses of G and D, and online sampling (section 4.1)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

TINY = 1e-12
"""Gives a square root a finite gradient at 0."""


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Equation (3) for D: -E[log D(x)] - E[log(1 - D(x~))], from logits ``(B, 1)`` -> scalar.

    >>> discriminator_loss(torch.zeros(4, 1), torch.zeros(4, 1))  # 2 log 2
    tensor(1.3863)
    """
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_loss(fake: Tensor) -> Tensor:
    """Equation (3) for G: -E[log D(x~)], from logits ``(B, 1)`` -> scalar. The paper's E[log(1 -
    D(x~))] has almost no gradient while D recognizes every x~.

    >>> generator_loss(torch.zeros(4, 1))  # log 2
    tensor(0.6931)
    """
    return F.softplus(-fake).mean()


def wanted_embeddings(own: Tensor, other: Tensor, target: Tensor) -> Tensor:
    """[phi_a(x-) + phi_abar(x)] -> ``(B, types, k)``: x-'s embedding ``(B, k)`` in the target type
    ``(B,)``, x's ``(B, types, k)`` in the others.

    >>> wanted_embeddings(torch.zeros(1, 2, 2), torch.ones(1, 2), target=torch.tensor([1])).tolist()
    [[[0.0, 0.0], [1.0, 1.0]]]
    """
    wanted = own.clone()
    wanted[torch.arange(len(target), device=target.device), target] = other
    return wanted


def matching_loss(
    predicted: Tensor, wanted: Tensor, target: Tensor, with_remaining: bool = True
) -> Tensor:
    """Equation (4): E ||f(x) - wanted|| of embeddings ``(B, types, k)`` -> scalar.

    Our choice: Euclidean norms, summed over all types ("M" in Table 3), or without
    ``with_remaining`` ("S") that of the target type ``(B,)`` alone.

    >>> matching_loss(torch.ones(1, 3, 4), torch.zeros(1, 3, 4), target=torch.tensor([0]))
    tensor(6.)
    """
    distances = ((predicted - wanted).pow(2).sum(dim=-1) + TINY).sqrt()  # (B, types)
    if with_remaining:
        return distances.sum(dim=1).mean()
    return distances.gather(1, target[:, None]).mean()


def cycle_loss(features: Tensor, recovered: Tensor) -> Tensor:
    """Equation (5): mean of ||x - G(G(x, e-), e)|| / sqrt(D), features ``(B, D)`` -> scalar.

    >>> cycle_loss(torch.zeros(2, 9), torch.full((2, 9), 3.0))
    tensor(3.)
    """
    return ((features - recovered).pow(2).mean(dim=1) + TINY).sqrt().mean()


def nearest_of_other_class(
    embeddings: Tensor, labels: Tensor, target: Tensor, online: bool = True
) -> Tensor:
    """Per row the position of x-, the example of an edit: a row of another class of the target type
    -> ``(B,)``; its own position if there is none.

    x- has the most similar embeddings ``(B, types, k)`` in the other types, or without ``online``
    is random. Labels ``(B, types)``, target ``(B,)``.

    >>> labels = torch.tensor([[0, 0], [1, 1], [1, 0]])
    >>> nearest_of_other_class(torch.eye(2)[labels], labels, target=torch.tensor([0, 0, 0]))
    tensor([2, 0, 0])
    """
    rows = torch.arange(len(labels), device=labels.device)
    other = labels.T[target] != labels[rows, target][:, None]  # (B, B): classes of b and j differ
    if online:
        similarity = torch.einsum("btk,jtk->bjt", embeddings, embeddings)
        similarity[rows, :, target] = 0
        score = similarity.sum(dim=2)
    else:
        score = torch.rand(other.shape, device=labels.device)
    score = score.masked_fill(~other, -torch.inf)
    return torch.where(other.any(dim=1), score.argmax(dim=1), rows)
