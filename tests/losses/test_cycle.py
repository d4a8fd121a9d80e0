"""Equation (5) against NumPy's norm."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flam_pl.losses.cycle import cycle_loss


def test_cycle_loss_is_the_norm_over_the_root_of_the_dimension() -> None:
    x, back = torch.randn(2, 7, 16, dtype=torch.float64)
    norms = np.linalg.norm((x - back).numpy(), axis=1)
    assert norms.min() > 1
    assert float(cycle_loss(x, back)) == pytest.approx(norms.mean() / 4, abs=1e-9)


def test_the_same_difference_everywhere_costs_that_difference_at_every_dimension() -> None:
    for dimension in (1, 8, 512):
        x = torch.randn(3, dimension, dtype=torch.float64)
        assert float(cycle_loss(x, x - 0.25)) == pytest.approx(0.25, abs=1e-6)


def test_gradient_is_finite_at_equality_and_points_back_elsewhere() -> None:
    x = torch.randn(4, 5)
    same = x.clone().requires_grad_()
    loss = cycle_loss(x, same)
    loss.backward()
    assert 0 <= float(loss) < 1e-5
    assert same.grad is not None and torch.isfinite(same.grad).all()
    off = (x + 1.0).requires_grad_()
    cycle_loss(x, off).backward()
    assert off.grad is not None and (off.grad > 0).all()


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), scale=st.floats(0, 1e3))
def test_cycle_loss_is_never_negative_and_symmetric(seed: int, scale: float) -> None:
    draw = torch.Generator().manual_seed(seed)
    a, b = scale * torch.randn(2, 3, 6, generator=draw)
    assert float(cycle_loss(a, b)) >= 0
    assert float(cycle_loss(a, b)) == pytest.approx(float(cycle_loss(b, a)), rel=1e-6)
