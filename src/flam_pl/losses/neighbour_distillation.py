"""Neighbour distillation: x-tilde must rank real photos by its cosine alone as the score does.

Not in the paper. D judges one feature at a time; what a search needs is that the right photos come
first. The teacher ranks a bank of real photos by the whole score of an edited search
(``retrieval.inner_product``), the student by cosine to x-tilde; the loss is the cross-entropy
between the two soft rankings. Whoever can afford only a few candidates then finds them by the
feature alone.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

SAME = 1 - 1e-4
"""Cosine above which a photo of the bank is the query itself, which no search may find."""


def distillation_loss(
    edited: Tensor,
    bank: Tensor,
    scores: Tensor,
    itself: Tensor,
    teacher_temperature: float,
    student_temperature: float,
) -> Tensor:
    """Cross-entropy of the student's ranking of the bank under the teacher's -> scalar.

    Args:
        edited: x-tilde as it will be searched with, ``(B, D)``.
        bank: real stored features, ``(N, D)``.
        scores: of the teacher, ``(B, N)``.
        itself: whether a photo of the bank is the query, which neither may find, ``(B, N)`` bool.
        teacher_temperature: of the scores; the lower, the more only the best count.
        student_temperature: of the cosine.
    """
    # a large number instead of infinity: 0 x infinity would be no number
    teacher = (scores / teacher_temperature).masked_fill(itself, -1e4).softmax(dim=1)
    cosine = F.normalize(edited, dim=1) @ F.normalize(bank, dim=1).T
    student = (cosine / student_temperature).masked_fill(itself, -1e4).log_softmax(dim=1)
    return -(teacher * student).sum(dim=1).mean()
