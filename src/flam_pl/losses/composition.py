"""The loss of TIRG (Vo et al., CVPR 2019): each edited feature finds its answer in the batch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from flam_pl.losses.dictionary_softmax import dictionary_loss


def composition_loss(edited: Tensor, answers: Tensor, temperature: float) -> Tensor:
    """Equation (4) of TIRG (Vo et al., CVPR 2019): cross-entropy of each edited feature's answer
    among all; edited ``(B, D)``, answers ``(B, D)`` -> scalar; 0 for B = 0.

    >>> composition_loss(torch.eye(2), torch.eye(2), temperature=1.0)
    tensor(0.3133)
    """
    own = torch.arange(len(edited), device=edited.device)
    answers = F.normalize(answers, dim=1)
    return dictionary_loss(F.normalize(edited, dim=1), own, answers, temperature)
