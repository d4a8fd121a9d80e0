"""TIRG's batch-wise softmax against a slow loop."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from flam_pl.losses.composition import composition_loss


def cosine(a: Tensor, b: Tensor) -> float:
    return float(a @ b / a.norm() / b.norm())


def test_the_loss_is_the_cross_entropy_of_each_row_s_own_answer() -> None:
    torch.manual_seed(0)
    edited, answers = torch.randn(4, 6), 3 * torch.randn(4, 6)
    expected = 0.0
    for i in range(4):
        logits = [cosine(edited[i], answers[j]) / 0.2 for j in range(4)]
        expected -= logits[i] - math.log(sum(math.exp(of) for of in logits))
    assert float(composition_loss(edited, answers, 0.2)) == pytest.approx(expected / 4, rel=1e-4)
    assert float(composition_loss(10 * answers, answers, 0.01)) < 1e-3
    assert float(composition_loss(edited[:0], answers[:0], 0.2)) == 0
