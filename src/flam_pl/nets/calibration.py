"""Temperature scaling (Guo et al., ICML 2017): probabilities that mean what they say."""

from __future__ import annotations

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
