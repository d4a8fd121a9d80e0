"""Neighbour distillation against slow loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from flam_pl.losses.neighbour_distillation import distillation_loss


def slow_loss(
    edited: torch.Tensor, bank: torch.Tensor, scores: torch.Tensor, itself: torch.Tensor
) -> float:
    """Cross-entropy of two soft rankings of the photos that are not the query."""
    total = 0.0
    for b in range(len(edited)):
        others = [n for n in range(len(bank)) if not itself[b, n]]
        teacher = {n: math.exp(float(scores[b, n]) / 0.5) for n in others}
        cosines = {n: float(F.cosine_similarity(edited[b], bank[n], dim=0)) / 0.05 for n in others}
        normal = math.log(sum(math.exp(c) for c in cosines.values()))
        for n in others:
            total -= teacher[n] / sum(teacher.values()) * (cosines[n] - normal)
    return total / len(edited)


def drawn(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    edited, bank = torch.randn(3, 6, generator=draw), 4 * torch.randn(5, 6, generator=draw)
    return edited, bank, torch.randn(3, 5, generator=draw)


def test_the_loss_is_the_cross_entropy_of_two_soft_rankings() -> None:
    edited, bank, scores = drawn()
    nobody = torch.zeros(3, 5, dtype=torch.bool)
    got = distillation_loss(edited, bank, scores, nobody, 0.5, 0.05)
    assert math.isclose(float(got), slow_loss(edited, bank, scores, nobody), rel_tol=1e-4)


def test_the_query_itself_counts_in_neither_ranking() -> None:
    """Teacher and student would both rank it first."""
    edited, bank, scores = drawn(1)
    itself = torch.zeros(3, 5, dtype=torch.bool)
    itself[0, 2] = itself[1, 4] = itself[1, 0] = True
    scores[itself] = 50.0
    got = distillation_loss(edited, bank, scores, itself, 0.5, 0.05)
    expected = slow_loss(edited, bank, scores, itself)
    assert math.isclose(float(got), expected, rel_tol=1e-4)
    counted = distillation_loss(edited, bank, scores, torch.zeros_like(itself), 0.5, 0.05)
    assert float(counted) != pytest.approx(expected, rel=0.1)
    scores[itself] = -3.0  # its score does not matter
    assert float(distillation_loss(edited, bank, scores, itself, 0.5, 0.05)) == float(got)


def test_the_gradient_is_that_of_a_bank_without_the_query() -> None:
    edited, bank, scores = drawn(2)
    itself = torch.zeros(3, 5, dtype=torch.bool)
    itself[:, 1] = True
    grads = []
    for rows, mask in ([0, 1, 2, 3, 4], itself), ([0, 2, 3, 4], itself[:, :4] & False):
        leaf = edited.clone().requires_grad_()
        distillation_loss(leaf, bank[rows], scores[:, rows], mask, 0.5, 0.05).backward()
        assert leaf.grad is not None and torch.isfinite(leaf.grad).all()
        grads.append(leaf.grad)
    torch.testing.assert_close(*grads, atol=1e-4, rtol=1e-4)
    assert grads[0].norm() > 0.1


def test_the_gradient_pulls_towards_the_best_score() -> None:
    bank = torch.eye(4)
    scores = torch.tensor([[0.0, -9.0, -9.0, -9.0]])
    edited = torch.full((1, 4), 0.5, requires_grad=True)
    nobody = torch.zeros(1, 4, dtype=torch.bool)
    distillation_loss(edited, bank, scores, nobody, 0.5, 0.05).backward()
    assert (
        edited.grad is not None and int(edited.grad.argmin()) == 0
    )  # descent raises this component
