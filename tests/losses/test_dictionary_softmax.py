"""The softmax over the dictionary against a slow loop."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from flam_pl.losses.dictionary_softmax import dictionary_loss

TEMPERATURE = torch.tensor(0.3)


def drawn() -> tuple[torch.Tensor, torch.Tensor]:
    embeddings, dictionary = (F.normalize(torch.randn(n, 5), dim=1) for n in (7, 3))
    return embeddings, dictionary


def slow_loss(embeddings: torch.Tensor, wanted: torch.Tensor, dictionary: torch.Tensor) -> float:
    """Mean cross-entropy of the wanted probabilities ``(B, classes)``."""
    total = 0.0
    for e, p in zip(embeddings, wanted, strict=True):
        logits = [float(e @ d) / 0.3 for d in dictionary]
        normal = math.log(sum(math.exp(v) for v in logits))
        total -= sum(float(q) * (v - normal) for q, v in zip(p, logits, strict=True))
    return total / len(embeddings)


def test_the_loss_of_classes_is_their_cross_entropy() -> None:
    embeddings, dictionary = drawn()
    labels = torch.tensor([0, 1, 2, 2, 1, 0, 0])
    expected = slow_loss(embeddings, F.one_hot(labels, 3), dictionary)
    got = dictionary_loss(embeddings, labels, dictionary, TEMPERATURE)
    assert float(got) == pytest.approx(expected, rel=1e-5) and expected > 0.5
    assert float(dictionary_loss(embeddings[:0], labels[:0], dictionary, TEMPERATURE)) == 0


def test_autocast_does_not_reduce_the_precision() -> None:
    embeddings, dictionary = drawn()
    labels = torch.tensor([0, 1, 2, 2, 1, 0, 0])
    whole = dictionary_loss(embeddings, labels, dictionary, TEMPERATURE)
    with torch.autocast("cpu", torch.bfloat16):
        assert dictionary_loss(embeddings, labels, dictionary, TEMPERATURE) == whole


def test_the_loss_of_a_teacher_s_probabilities_is_their_cross_entropy() -> None:
    embeddings, dictionary = drawn()
    teacher = torch.randn(7, 3).softmax(dim=1)
    expected = slow_loss(embeddings, teacher, dictionary)
    got = dictionary_loss(embeddings, teacher, dictionary, TEMPERATURE)
    assert float(got) == pytest.approx(expected, rel=1e-5)
    hard = dictionary_loss(embeddings, teacher.argmax(dim=1), dictionary, TEMPERATURE)
    assert abs(float(hard) - expected) > 0.01
