"""Neighbour distillation: x-tilde must rank real features as the embedders rank them.

Not in the paper. D judges one feature at a time; what a search needs is that the right photos come
first. The teacher ranks a bank of real photos by how well their embeddings fit the wish, the
student by cosine to x-tilde; the loss is the cross-entropy between the two soft rankings.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

LEAST = 1e-4
"""Probability below which classes are as good as impossible: keeps logarithms finite."""


def agreement(wanted: list[Tensor], found: list[Tensor]) -> Tensor:
    """Log-probability that each photo has the wanted class in every type -> ``(B, N)``.

    Args:
        wanted: of each type, how likely each class is asked for, ``(B, classes)``; a row sums to 1.
        found: of each type, how likely each photo has each class, ``(N, classes)``.
    """
    return torch.stack([(w @ f.T + LEAST).log() for w, f in zip(wanted, found, strict=True)]).sum(
        dim=0
    )


def distillation_loss(
    edited: Tensor,
    bank: Tensor,
    agreement: Tensor,
    teacher_temperature: float,
    student_temperature: float,
) -> Tensor:
    """Cross-entropy of the student's ranking of the bank under the teacher's -> scalar.

    Args:
        edited: x-tilde as it will be searched with, ``(B, D)``.
        bank: real stored features, ``(N, D)``.
        agreement: log-probability that each of the bank is what is wanted, ``(B, N)``.
        teacher_temperature: of the agreement; below 1 only the best count.
        student_temperature: of the cosine.
    """
    teacher = (agreement / teacher_temperature).softmax(dim=1)
    cosine = F.normalize(edited, dim=1) @ F.normalize(bank, dim=1).T
    return -(teacher * (cosine / student_temperature).log_softmax(dim=1)).sum(dim=1).mean()
