"""Equation (4), both terms and both variants, against loops."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from flam_pl.losses.matching import matching_loss, wanted_embeddings


def tensors(seed: int, rows: int = 6, types: int = 3, k: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    predicted, wanted = torch.randn(2, rows, types, k, generator=draw, dtype=torch.float64)
    return predicted, wanted, torch.randint(types, (rows,), generator=draw)


def slow_matching_loss(
    predicted: Tensor, wanted: Tensor, target: Tensor, with_remaining: bool
) -> float:
    total = 0.0
    for row in range(len(predicted)):
        for t in range(predicted.shape[1]):
            if with_remaining or t == int(target[row]):
                difference = [float(v) for v in predicted[row, t] - wanted[row, t]]
                total += math.sqrt(sum(v * v for v in difference))
    return total / len(predicted)


@pytest.mark.parametrize("with_remaining", [True, False])
def test_matching_loss_is_the_norm_of_each_type_summed(with_remaining: bool) -> None:
    predicted, wanted, target = tensors(0)
    expected = slow_matching_loss(predicted, wanted, target, with_remaining)
    assert expected > 1 and len(target.unique()) == 3
    got = matching_loss(predicted, wanted, target, with_remaining)
    assert float(got) == pytest.approx(expected, abs=1e-6)


def test_s_has_no_gradient_on_the_remaining_types_and_m_has() -> None:
    predicted, wanted, target = tensors(1)
    rows = torch.arange(len(target))
    for with_remaining in (True, False):
        p = predicted.clone().requires_grad_()
        matching_loss(p, wanted, target, with_remaining).backward()
        assert p.grad is not None
        touched = p.grad.norm(dim=2) > 0
        assert touched[rows, target].all()
        others = touched.clone()
        others[rows, target] = False
        assert int(others.sum()) == (2 * len(target) if with_remaining else 0)


def test_wanted_embeddings_replace_the_target_type_only() -> None:
    _, own, target = tensors(2)
    other = torch.randn(len(target), own.shape[2], dtype=own.dtype)
    before = own.clone()
    wanted = wanted_embeddings(own, other, target)
    for row in range(len(target)):
        for t in range(own.shape[1]):
            expected = other[row] if t == int(target[row]) else own[row, t]
            assert torch.equal(wanted[row, t], expected)
    assert torch.equal(own, before)  # the real term uses the same tensor


def test_gradient_is_finite_where_predicted_and_wanted_are_equal() -> None:
    predicted, _, target = tensors(3)
    p = predicted.clone().requires_grad_()
    loss = matching_loss(p, predicted, target)
    loss.backward()
    assert p.grad is not None and torch.isfinite(p.grad).all()
    assert 0 <= float(loss) < 1e-5


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 6), types=st.integers(1, 4))
def test_m_is_at_least_s_and_neither_is_negative(seed: int, rows: int, types: int) -> None:
    predicted, wanted, target = tensors(seed, rows, types)
    everything = float(matching_loss(predicted, wanted, target))
    only_target = float(matching_loss(predicted, wanted, target, with_remaining=False))
    assert 0 <= only_target <= everything + 1e-12
    if types == 1:
        assert everything == pytest.approx(only_target)
