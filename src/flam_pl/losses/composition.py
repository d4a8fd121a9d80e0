"""The batch-wise softmax of TIRG (Vo et al., CVPR 2019, equation 4): each edited feature finds its
own answer among those of the whole batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def composition_loss(edited: Tensor, answers: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of each row's own answer under the softmax over all answers -> scalar; zero
    without rows.

    Args:
        edited: x-tilde as it will be searched with, ``(B, D)``.
        answers: of each row a real feature that has what the edit asks for, ``(B, D)``.
        temperature: of the cosines.
    """
    cosines = F.normalize(edited, dim=1) @ F.normalize(answers, dim=1).T
    own = torch.arange(len(cosines), device=cosines.device)
    return F.cross_entropy(cosines / temperature, own, reduction="sum") / max(1, len(own))
