"""Neighbour distillation: the cosine to x~ learns the ranking of a full score. Not in the paper."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

SAME = 1 - 1e-4  # cosine above which a photo of the bank is the query itself


def distillation_loss(
    edited: Tensor,
    bank: Tensor,
    scores: Tensor,
    itself: Tensor,
    teacher_temperature: float,
    student_temperature: float,
) -> Tensor:
    """Cross-entropy between a teacher's and a student's softmax over a bank of photos -> scalar.

    The teacher has scores ``(B, N)``, the student cosines of x~ ``(B, D)`` and bank ``(N, D)``.
    ``itself (B, N)`` marks photos to leave out.

    >>> import torch
    >>> bank, scores, itself = torch.eye(2), torch.tensor([[9.0, -9.0]]), torch.zeros(1, 2).bool()
    >>> distillation_loss(bank[:1], bank, scores, itself, 1.0, 1.0)
    tensor(0.3133)
    """
    # -1e4 instead of -infinity: 0 x infinity is nan
    teacher = (scores / teacher_temperature).masked_fill(itself, -1e4).softmax(dim=1)
    cosine = F.normalize(edited, dim=1) @ F.normalize(bank, dim=1).T
    student = (cosine / student_temperature).masked_fill(itself, -1e4).log_softmax(dim=1)
    return -(teacher * student).sum(dim=1).mean()
