"""Cross-entropies of a softmax. None is in the paper."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SAME = 1 - 1e-4  # cosine above which a photo of the bank is the query itself


def dictionary_loss(
    embeddings: Tensor, labels: Tensor, dictionary: Tensor, temperature: Tensor | float
) -> Tensor:
    """Cross-entropy of the labels under softmax(cosine / temperature) -> scalar; 0 without rows.

    Unit embeddings ``(B, k)``, unit dictionary ``(classes, k)``; labels are classes ``(B,)`` or
    probabilities ``(B, classes)``.

    >>> dictionary_loss(torch.eye(2), torch.tensor([0, 1]), torch.eye(2), torch.tensor(1.0))
    tensor(0.3133)
    """
    logits = (embeddings @ dictionary.T) / temperature
    return F.cross_entropy(logits, labels, reduction="sum") / max(1, len(labels))


def composition_loss(edited: Tensor, answers: Tensor, temperature: float) -> Tensor:
    """Equation (4) of TIRG (Vo et al., CVPR 2019): edited features ``(B, D)`` find their own
    answers ``(B, D)`` among all answers -> scalar; 0 without rows.

    >>> composition_loss(torch.eye(2), torch.eye(2), temperature=1.0)
    tensor(0.3133)
    """
    own = torch.arange(len(edited), device=edited.device)
    answers = F.normalize(answers, dim=1)
    return dictionary_loss(F.normalize(edited, dim=1), own, answers, temperature)


def distillation_loss(
    edited: Tensor,
    bank: Tensor,
    scores: Tensor,
    itself: Tensor,
    teacher_temperature: float,
    student_temperature: float,
) -> Tensor:
    """Neighbour distillation: x~ alone must rank a bank of photos as the whole score does.

    The teacher has scores ``(B, N)``, the student cosines of x~ ``(B, D)`` and bank ``(N, D)``.
    ``itself (B, N)`` leaves photos out. -> scalar

    >>> bank, scores, itself = torch.eye(2), torch.tensor([[9.0, -9.0]]), torch.zeros(1, 2).bool()
    >>> distillation_loss(bank[:1], bank, scores, itself, 1.0, 1.0)
    tensor(0.3133)
    """
    # -1e4 instead of -infinity: 0 x infinity is nan
    teacher = (scores / teacher_temperature).masked_fill(itself, -1e4).softmax(dim=1)
    cosine = F.normalize(edited, dim=1) @ F.normalize(bank, dim=1).T
    student = (cosine / student_temperature).masked_fill(itself, -1e4).log_softmax(dim=1)
    return -(teacher * student).sum(dim=1).mean()
