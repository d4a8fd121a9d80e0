"""The choice of x- against a loop over all rows of a batch."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from flam_pl.losses.miners import nearest_of_other_class


def batch(seed: int, rows: int, kinds: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    embeddings = F.normalize(torch.randn(rows, 3, 4, generator=draw, dtype=torch.float64), dim=2)
    labels = torch.randint(kinds, (rows, 3), generator=draw)
    return embeddings, labels, torch.randint(3, (rows,), generator=draw)


def slow_nearest(
    embeddings: torch.Tensor, labels: torch.Tensor, target: torch.Tensor
) -> list[int | None]:
    """Per row the position of the most similar candidate, None without a candidate."""
    chosen: list[int | None] = []
    for row, t in enumerate(target.tolist()):
        best, best_score = None, -np.inf
        for other in range(len(labels)):
            if labels[other, t] == labels[row, t]:
                continue
            remaining = [kind for kind in range(labels.shape[1]) if kind != t]
            score = sum(float(embeddings[row, r] @ embeddings[other, r]) for r in remaining)
            if score > best_score:
                best, best_score = other, score
        chosen.append(best)
    return chosen


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 9), kinds=st.integers(1, 3))
def test_online_sampling_takes_the_most_similar_row_in_the_other_types(
    seed: int, rows: int, kinds: int
) -> None:
    embeddings, labels, target = batch(seed, rows, kinds)
    expected = slow_nearest(embeddings, labels, target)
    other = nearest_of_other_class(embeddings, labels, target)
    # without a candidate a row gets its own position
    assert other.tolist() == [row if e is None else e for row, e in enumerate(expected)]


def test_autocast_does_not_change_the_choice() -> None:
    embeddings, labels, target = batch(0, 300, 2)
    with torch.autocast("cpu", torch.bfloat16):
        other = nearest_of_other_class(embeddings.float(), labels, target)
    assert other.tolist() == slow_nearest(embeddings, labels, target)


def test_similarity_in_the_target_type_does_not_count() -> None:
    """Row 1 is like row 0 in the target type only, row 2 in the other types only."""
    a, b = [1.0, 0.0], [0.0, 1.0]
    embeddings = torch.tensor([[a, a, a], [a, b, b], [b, a, a]])
    labels = torch.tensor([[0, 0, 0], [1, 0, 0], [1, 0, 0]])
    other = nearest_of_other_class(embeddings, labels, torch.zeros(3, dtype=torch.long))
    assert other.tolist()[0] == 2


@pytest.mark.parametrize("online", [True, False])
def test_in_a_batch_of_one_class_each_row_gets_its_own_position(online: bool) -> None:
    embeddings, labels, _ = batch(0, 8)
    labels[:, 1] = 2
    target = torch.full((8,), 1, dtype=torch.long)
    other = nearest_of_other_class(embeddings, labels, target, online)
    assert other.tolist() == list(range(8))
    other = nearest_of_other_class(embeddings, labels, torch.zeros_like(target), online)
    assert (labels[other, 0] != labels[:, 0]).all() and len(labels[:, 0].unique()) > 1


def test_without_online_sampling_all_rows_of_another_class_are_equally_likely() -> None:
    """1,000 draws over 5 candidates: 200 each, sd 12.6; the bound is five of them: 64."""
    embeddings, labels, _ = batch(1, 8)
    labels[:, 0] = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2])
    target = torch.zeros(8, dtype=torch.long)
    drawn = Counter(
        int(nearest_of_other_class(embeddings, labels, target, online=False)[0])
        for _ in range(1000)
    )
    assert set(drawn) == {3, 4, 5, 6, 7}
    assert all(abs(times - 200) <= 64 for times in drawn.values())


def test_the_embeddings_are_not_changed() -> None:
    embeddings, labels, target = batch(2, 6)
    copy = embeddings.clone()
    nearest_of_other_class(embeddings, labels, target)
    assert torch.equal(embeddings, copy)
