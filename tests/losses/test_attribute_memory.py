"""The losses of ADDE-M's memory against slow loops."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from flam_pl.losses.attribute_memory import memory_loss


def cosine(a: Tensor, b: Tensor) -> float:
    return float(a @ b / a.norm() / b.norm())


def test_the_loss_is_the_sum_of_consistency_label_triplets_and_compositional_triplets() -> None:
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


def test_blocks_at_their_prototypes_have_no_loss() -> None:
    prototypes = torch.eye(4)
    labels = torch.tensor([0, 1, 2, 3, 0])
    assert float(memory_loss(prototypes[labels], labels, prototypes, 0.5)) == 0
