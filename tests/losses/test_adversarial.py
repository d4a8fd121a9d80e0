"""Equation (3) against -log D written out."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flam_pl.losses.adversarial import discriminator_loss, generator_loss

REAL, FAKE = [2.0, -0.5, 0.3], [-1.0, 0.7, 0.1]


def probability(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def column(values: list[float]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def test_discriminator_loss_is_the_textbook_form() -> None:
    expected = -sum(math.log(probability(v)) for v in REAL) / 3
    expected -= sum(math.log(1 - probability(v)) for v in FAKE) / 3
    assert expected > 0.5
    assert float(discriminator_loss(column(REAL), column(FAKE))) == pytest.approx(expected)


def test_generator_loss_is_minus_log_d() -> None:
    expected = -sum(math.log(probability(v)) for v in FAKE) / 3
    assert float(generator_loss(column(FAKE))) == pytest.approx(expected)


def test_an_undecided_discriminator_costs_two_log_two() -> None:
    zero = torch.zeros(5, 1)
    assert float(discriminator_loss(zero, zero)) == pytest.approx(2 * math.log(2))
    assert float(generator_loss(zero)) == pytest.approx(math.log(2))


def test_the_generator_has_a_gradient_where_the_printed_form_has_none() -> None:
    """Where D recognizes the fake, -log D has slope -1 and log(1 - D) has slope 0."""
    fake = torch.tensor([[-30.0]], requires_grad=True)
    generator_loss(fake).backward()
    assert fake.grad is not None and float(fake.grad) == pytest.approx(-1.0, abs=1e-6)
    printed = torch.tensor([[-30.0]], requires_grad=True)
    torch.log(1 - torch.sigmoid(printed)).mean().backward()
    assert printed.grad is not None and abs(float(printed.grad)) < 1e-6


@settings(max_examples=40)
@given(st.lists(st.floats(-500, 500), min_size=1, max_size=8))
def test_losses_are_never_negative_and_finite_at_extreme_logits(values: list[float]) -> None:
    logits = column(values)
    for loss in (generator_loss(logits), discriminator_loss(logits, logits)):
        assert torch.isfinite(loss) and loss >= 0


def test_each_network_has_the_opposite_aim() -> None:
    """D gains where real and fake differ, G where D takes the fake for real."""
    good, bad = column([3.0]), column([-3.0])
    assert discriminator_loss(good, bad) < discriminator_loss(bad, good)
    assert generator_loss(good) < generator_loss(bad)
