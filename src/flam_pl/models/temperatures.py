"""Temperature scaling: Guo et al., "On calibration of modern neural networks", ICML 2017."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F


@torch.no_grad()
def fit_temperatures(
    logits: Iterable[Tensor], temperatures: Iterable[Tensor], labels: Tensor
) -> None:
    """Fit each type's t, in place: softmax(logits / t) makes the held-out labels most likely.

    Logits ``(N, classes)`` per type; labels ``(N, types)``, -1 where unlabelled.

    >>> t = torch.tensor(1.0)
    >>> fit_temperatures([torch.tensor([[1.0, 0.0]] * 3)], [t], torch.tensor([[0], [0], [1]]))
    >>> (1 / t).exp().round(decimals=1)
    tensor(2.)
    """
    for of_type, temperature, classes in zip(logits, temperatures, labels.T, strict=True):
        rows = classes >= 0
        if rows.any():
            candidates = torch.logspace(-2, 1.5, 176, device=of_type.device)
            losses = [F.cross_entropy(of_type[rows] / t, classes[rows]) for t in candidates]
            temperature.copy_(candidates[torch.stack(losses).argmin()])
