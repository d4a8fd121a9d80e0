"""The batch-wise softmax loss of TIRG (Vo et al., CVPR 2019, equation 4)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def composition_loss(edited: Tensor, answers: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of each row's own answer among all answers -> scalar; 0 without rows.

    The logits are cosine / temperature of x~ ``(B, D)`` and real features ``(B, D)``.

    >>> composition_loss(torch.eye(2), torch.eye(2), temperature=1.0)
    tensor(0.3133)
    """
    cosines = F.normalize(edited, dim=1) @ F.normalize(answers, dim=1).T
    own = torch.arange(len(cosines), device=cosines.device)
    return F.cross_entropy(cosines / temperature, own, reduction="sum") / max(1, len(own))
