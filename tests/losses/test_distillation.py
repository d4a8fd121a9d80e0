"""Neighbour distillation and the softmax over the dictionary against slow loops."""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F

from flam_pl.losses.distillation import LEAST, agreement, distillation_loss
from flam_pl.losses.softmax import class_log_probabilities, dictionary_loss


def probabilities(rows: int, classes: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, classes, generator=generator).softmax(dim=1)


def test_agreement_is_the_log_probability_that_every_type_is_as_asked() -> None:
    wanted = [probabilities(3, 4, 0), probabilities(3, 2, 1)]
    found = [probabilities(5, 4, 2), probabilities(5, 2, 3)]
    got = agreement(wanted, found)
    for b in range(3):
        for n in range(5):
            expected = 0.0
            for w, f in zip(wanted, found, strict=True):
                same = sum(float(w[b, c]) * float(f[n, c]) for c in range(w.shape[1]))
                expected += math.log(same + LEAST)
            assert math.isclose(float(got[b, n]), expected, rel_tol=1e-4)


def test_the_loss_is_the_cross_entropy_of_two_soft_rankings() -> None:
    torch.manual_seed(0)
    edited, bank = torch.randn(3, 6), torch.randn(5, 6) * 4
    fits = torch.randn(3, 5)
    total = 0.0
    for b in range(3):
        teacher = [math.exp(float(v) / 0.5) for v in fits[b]]
        cosines = [float(F.cosine_similarity(edited[b], g, dim=0)) / 0.05 for g in bank]
        normal = math.log(sum(math.exp(c) for c in cosines))
        for n in range(5):
            total -= teacher[n] / sum(teacher) * (cosines[n] - normal)
    got = distillation_loss(edited, bank, fits, 0.5, 0.05)
    assert math.isclose(float(got), total / 3, rel_tol=1e-4)


def test_the_loss_pulls_towards_what_fits() -> None:
    bank = torch.eye(4)
    fits = torch.tensor([[0.0, -9.0, -9.0, -9.0]])
    edited = torch.full((1, 4), 0.5, requires_grad=True)
    distillation_loss(edited, bank, fits, 0.5, 0.05).backward()
    assert edited.grad is not None and int(edited.grad.argmin()) == 0  # a step against it raises it


def test_the_softmax_of_the_dictionary_is_that_of_torch() -> None:
    torch.manual_seed(1)
    e, d = (F.normalize(torch.randn(n, 5), dim=1) for n in (7, 3))
    labels = torch.tensor([0, 1, 2, 2, 1, 0, 0])
    temperature = torch.tensor(0.3)
    expected = F.cross_entropy(e @ d.T / 0.3, labels)
    torch.testing.assert_close(dictionary_loss(e, labels, d, temperature), expected)
    summed = class_log_probabilities(e, d, temperature).exp().sum(dim=1)
    torch.testing.assert_close(summed, torch.ones(7))
    nothing = dictionary_loss(e[:0], labels[:0], d, temperature)
    assert float(nothing) == 0
