"""Equations (1) and (2) against loops over every triplet."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from flam_pl.losses.triplet import cosine_distance, embedding_loss, triplet_loss


def slow_cosine_distance(a: Tensor, b: Tensor) -> float:
    dot = sum(float(x) * float(y) for x, y in zip(a, b, strict=True))
    lengths = math.sqrt(sum(float(x) ** 2 for x in a)) * math.sqrt(sum(float(y) ** 2 for y in b))
    return 1 - dot / lengths


def slow_embedding_loss(
    embeddings: Tensor, labels: Tensor, dictionary: Tensor, margin: float
) -> tuple[float, float, int, int]:
    """Both terms of equation (2), and how many triplets of each term are satisfied."""
    rows, classes = range(len(embeddings)), range(len(dictionary))
    dictionary_anchors, embedding_anchors = [], []
    for positive in rows:
        anchor = dictionary[labels[positive]]
        for negative in rows:
            if labels[negative] != labels[positive]:
                near = slow_cosine_distance(anchor, embeddings[positive])
                far = slow_cosine_distance(anchor, embeddings[negative])
                dictionary_anchors.append(max(0.0, near - far + margin))
    for row in rows:
        for other in classes:
            if other != labels[row]:
                near = slow_cosine_distance(embeddings[row], dictionary[labels[row]])
                far = slow_cosine_distance(embeddings[row], dictionary[other])
                embedding_anchors.append(max(0.0, near - far + margin))
    violated = [[v for v in values if v > 0] for values in (dictionary_anchors, embedding_anchors)]
    first, second = (sum(v) / len(v) if v else 0.0 for v in violated)
    satisfied = (
        len(dictionary_anchors) - len(violated[0]),
        len(embedding_anchors) - len(violated[1]),
    )
    return first, second, *satisfied


def batch(seed: int, rows: int = 9, classes: int = 4, k: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return (
        torch.randn(rows, k, generator=draw, dtype=torch.float64),
        torch.randint(classes, (rows,), generator=draw),
        torch.randn(classes, k, generator=draw, dtype=torch.float64),
    )


def test_cosine_distance_of_equal_orthogonal_and_opposite_vectors() -> None:
    a = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    b = torch.tensor([[7.0, 0.0], [0.0, 2.0], [-3.0, 0.0]])
    assert cosine_distance(a, b).tolist() == pytest.approx([0.0, 1.0, 2.0])


def test_triplet_loss_by_hand() -> None:
    anchor = torch.tensor([[1.0, 0.0]])
    same, orthogonal = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 5.0]])
    # satisfied by far: 0 - 1 + 0.4 < 0; the wrong way round: 1 - 0 + 0.4
    assert triplet_loss(anchor, same, orthogonal, 0.4).tolist() == [0.0]
    assert triplet_loss(anchor, orthogonal, same, 0.4).tolist() == pytest.approx([1.4])
    assert triplet_loss(anchor, orthogonal, orthogonal, 0.4).tolist() == pytest.approx([0.4])


@pytest.mark.parametrize("seed", range(4))
def test_embedding_loss_is_the_mean_over_all_violated_triplets(seed: int) -> None:
    embeddings, labels, dictionary = batch(seed)
    first, second, *satisfied = slow_embedding_loss(embeddings, labels, dictionary, 0.3)
    # else the test could not tell the mean over violated triplets from that over all triplets
    assert min(satisfied) > 0 and min(first, second) > 0.05 and abs(first - second) > 1e-3
    got = embedding_loss(embeddings, labels, dictionary, 0.3)
    assert [float(v) for v in got] == pytest.approx([first, second], abs=1e-9)


def test_embedding_loss_with_repeated_embeddings_counts_every_row() -> None:
    embeddings, labels, dictionary = batch(7)
    embeddings, labels = embeddings[[0, 0, 1, 2, 3, 3]], labels[[0, 0, 1, 2, 3, 3]]
    first, second, *_ = slow_embedding_loss(embeddings, labels, dictionary, 0.5)
    got = embedding_loss(embeddings, labels, dictionary, 0.5)
    assert [float(v) for v in got] == pytest.approx([first, second], abs=1e-9)


def test_both_terms_move_dictionary_and_embeddings() -> None:
    embeddings, labels, dictionary = batch(1)
    for term in (0, 1):
        e, d = embeddings.clone().requires_grad_(), dictionary.clone().requires_grad_()
        embedding_loss(e, labels, d, 0.5)[term].backward()
        assert e.grad is not None and e.grad.norm() > 1e-3
        assert d.grad is not None and d.grad.norm() > 1e-3


def test_gradient_pulls_an_embedding_towards_the_vector_of_its_class() -> None:
    embeddings, labels, dictionary = batch(2)
    embeddings.requires_grad_()
    optimizer = torch.optim.SGD([embeddings], lr=2.0)
    before = cosine_distance(embeddings, dictionary[labels]).mean().item()
    for _ in range(100):
        optimizer.zero_grad()
        sum(embedding_loss(embeddings, labels, dictionary, 0.5)).backward()
        optimizer.step()
    assert cosine_distance(embeddings, dictionary[labels]).mean().item() < before - 0.3


@pytest.mark.parametrize("rows", [0, 3])
def test_no_triplet_gives_zero_and_a_finite_gradient(rows: int) -> None:
    """An empty batch, and a batch of one class whose rows lie at the vector of their class."""
    dictionary = torch.eye(3, requires_grad=True)
    embeddings = torch.eye(3)[torch.zeros(rows, dtype=torch.long)].requires_grad_()
    labels = torch.zeros(rows, dtype=torch.long)
    terms = embedding_loss(embeddings, labels, dictionary, 0.2)
    assert [float(v) for v in terms] == [0.0, 0.0]
    sum(terms).backward()
    for tensor in (embeddings, dictionary):
        assert tensor.grad is not None and torch.isfinite(tensor.grad).all()
        assert not tensor.grad.any()


def test_one_class_still_teaches_against_the_other_dictionary_vectors() -> None:
    embeddings, _, dictionary = batch(3)
    labels = torch.zeros(len(embeddings), dtype=torch.long)
    to_embeddings, to_dictionary = embedding_loss(embeddings, labels, dictionary, 0.5)
    assert float(to_embeddings) == 0 and float(to_dictionary) > 0.1


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(1, 8),
    classes=st.integers(2, 5),
    margin=st.floats(0.01, 1.5),
    stretch=st.floats(0.05, 20.0),
)
def test_embedding_loss_is_never_negative_and_ignores_length(
    seed: int, rows: int, classes: int, margin: float, stretch: float
) -> None:
    embeddings, labels, dictionary = batch(seed, rows, classes)
    terms = embedding_loss(embeddings, labels, dictionary, margin)
    assert all(0 <= float(v) <= 2 + margin for v in terms)
    scale = torch.linspace(1, stretch, rows, dtype=torch.float64)[:, None]
    stretched = embedding_loss(embeddings * scale, labels, dictionary * stretch, margin)
    assert [float(v) for v in stretched] == pytest.approx([float(v) for v in terms], abs=1e-9)
