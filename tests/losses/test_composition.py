"""TIRG's batch-wise softmax and the losses of ADDE-M's memory, against slow loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from flam_pl.losses.attribute_memory import memory_loss
from flam_pl.losses.composition import composition_loss


def cosine(a: Tensor, b: Tensor) -> float:
    return float(a @ b / a.norm() / b.norm())


def test_each_row_finds_its_own_answer_among_those_of_the_batch() -> None:
    torch.manual_seed(0)
    edited, answers = torch.randn(4, 6), 3 * torch.randn(4, 6)
    expected = 0.0
    for i in range(4):
        logits = [cosine(edited[i], answers[j]) / 0.2 for j in range(4)]
        expected -= logits[i] - math.log(sum(math.exp(of) for of in logits))
    assert float(composition_loss(edited, answers, 0.2)) == pytest.approx(expected / 4, rel=1e-4)
    assert float(composition_loss(10 * answers, answers, 0.01)) < 1e-3
    assert float(composition_loss(edited[:0], answers[:0], 0.2)) == 0


def test_the_memory_learns_by_consistency_labels_and_edits() -> None:
    torch.manual_seed(1)
    blocks = F.normalize(torch.randn(7, 5), dim=1)
    prototypes, labels = F.normalize(torch.randn(3, 5), dim=1), torch.tensor([0, 1, 2, 0, 1, 0, 0])
    torch.manual_seed(2)
    other = torch.randperm(7).tolist()
    torch.manual_seed(2)
    got = memory_loss(blocks, labels, prototypes, margin=0.3)
    consistency = of_labels = of_edits = 0.0
    violated = edits = 0
    for i, y in enumerate(labels.tolist()):
        consistency += float((blocks[i] - prototypes[y]).pow(2).sum()) / 7
        for c in {0, 1, 2} - {y}:
            loss = cosine(blocks[i], prototypes[c]) - cosine(blocks[i], prototypes[y]) + 0.3
            of_labels += max(0.0, loss)
            violated += loss > 0
        z = int(labels[other[i]])
        if z != y:
            moved = blocks[i] - prototypes[y] + prototypes[z]
            edits += 1
            loss = cosine(moved, blocks[i]) - cosine(moved, blocks[other[i]]) + 0.3
            of_edits += max(0.0, loss)
    assert edits > 2
    expected = consistency + of_labels / violated + of_edits / edits
    assert float(got) == pytest.approx(expected, rel=1e-4)
    nothing = memory_loss(blocks[:0], labels[:0], prototypes, 0.3)
    assert float(nothing) == 0


def test_a_memory_at_its_classes_has_nothing_left_to_learn() -> None:
    prototypes = torch.eye(4)
    labels = torch.tensor([0, 1, 2, 3, 0])
    assert float(memory_loss(prototypes[labels], labels, prototypes, 0.5)) == 0
