"""Temperature scaling (Guo et al., ICML 2017): probabilities that mean what they say."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F


def likeliest_temperature(logits: Tensor, labels: Tensor) -> Tensor:
    """The temperature under which the softmax of ``logits / temperature`` holds the labels of
    photos that were not trained on most likely -> positive scalar.

    Args:
        logits: ``(N, classes)``, N at least 1.
        labels: ``(N,)``, each a class.

    Example:
        Two photos in three have the class that the logits favor, so they should favor it by log 2:

        >>> logits = torch.tensor([[1.0, 0.0]] * 3)
        >>> round(float(1 / likeliest_temperature(logits, torch.tensor([0, 0, 1]))), 1)
        0.7
    """
    tried = torch.logspace(-2, 1.5, 176, device=logits.device)
    losses = [F.cross_entropy(logits / temperature, labels) for temperature in tried]
    return tried[torch.stack(losses).argmin()]


@torch.no_grad()
def set_temperatures(types: Iterable[tuple[Tensor, Tensor]], labels: Tensor) -> None:
    """Set the temperature of each attribute type, in place.

    Args:
        types: per type the logits of the photos, ``(N, classes)``, and the temperature, a scalar.
        labels: ``(N, types)``, -1 where unlabelled; a type without any keeps its temperature.
    """
    for t, (logits, temperature) in enumerate(types):
        known = labels[:, t] >= 0
        if known.any():
            temperature.copy_(likeliest_temperature(logits[known], labels[known, t]))
