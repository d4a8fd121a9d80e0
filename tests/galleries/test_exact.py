"""Exact search against an argsort of every row."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from flam_pl.galleries.exact import top_k


def vectors(seed: int, queries: int, gallery: int, dimension: int = 5) -> tuple[Tensor, Tensor]:
    """Of any length."""
    draw = torch.Generator().manual_seed(seed)
    return (
        torch.randn(queries, dimension, generator=draw, dtype=torch.float64),
        torch.randn(gallery, dimension, generator=draw, dtype=torch.float64),
    )


def slow_top_k(
    queries: Tensor, gallery: Tensor, k: int, exclude: list[int] | None = None
) -> tuple[list[list[float]], list[list[int]]]:
    scores, positions = [], []
    for number, query in enumerate(queries.numpy()):
        scored = []
        for position, candidate in enumerate(gallery.numpy()):
            if exclude is None or exclude[number] != position:
                product = sum(float(a) * float(b) for a, b in zip(query, candidate, strict=True))
                scored.append((-product, position))
        best = sorted(scored)[:k]
        scores.append([-score for score, _ in best])
        positions.append([position for _, position in best])
    return scores, positions


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    queries=st.integers(1, 9),
    gallery=st.integers(2, 12),
    k=st.integers(1, 11),
    chunk=st.integers(1, 10),
    excluded=st.booleans(),
)
def test_top_k_is_the_head_of_the_sorted_inner_products(
    seed: int, queries: int, gallery: int, k: int, chunk: int, excluded: bool
) -> None:
    q, g = vectors(seed, queries, gallery)
    k = min(k, gallery - excluded)
    exclude = None
    if excluded:
        exclude = np.random.default_rng(seed).integers(-1, gallery, size=queries).tolist()
    scores, positions = slow_top_k(q, g, k, exclude)
    got = top_k(q, g, k, exclude=torch.tensor(exclude) if exclude else None, chunk=chunk)
    assert got[1].tolist() == positions
    np.testing.assert_allclose(got[0].numpy(), scores, atol=1e-12)


def test_length_of_a_query_scales_its_scores_and_that_of_a_gallery_vector_its_place() -> None:
    q, g = vectors(1, 4, 10)
    short, long = top_k(q, g, 5), top_k(8 * q, g, 5)
    assert torch.equal(short[1], long[1]) and torch.equal(8 * short[0], long[0])
    longer = g.clone()
    longer[3] *= 100
    found = top_k(q, longer, 10)[1]
    sign = (q @ g[3]) > 0
    for row in range(4):
        assert int(found[row, 0 if sign[row] else -1]) == 3


def test_where_both_are_unit_vectors_the_score_is_the_cosine() -> None:
    q, g = vectors(7, 4, 10)
    scores, found = top_k(F.normalize(q, dim=1), F.normalize(g, dim=1), 10)
    for row in range(4):
        torch.testing.assert_close(scores[row], F.cosine_similarity(q[row][None], g[found[row]]))


def test_a_query_of_the_gallery_finds_itself_unless_it_is_excluded() -> None:
    g = F.normalize(vectors(2, 1, 20)[1], dim=1)
    own = torch.arange(20)
    assert torch.equal(top_k(g, g, 1)[1][:, 0], own)
    found = top_k(g, g, 19, exclude=own)[1]
    for position in range(20):
        assert sorted(found[position].tolist()) == [p for p in range(20) if p != position]


def test_minus_one_excludes_nothing() -> None:
    """Not the last gallery row, which is what -1 means to an index."""
    g = F.normalize(vectors(3, 1, 6)[1], dim=1)
    found = top_k(g[5:], g, 1, exclude=torch.tensor([-1]))[1]
    assert found.tolist() == [[5]]


@pytest.mark.parametrize(("k", "exclude"), [(7, None), (100, [-1, -1]), (6, [0, -1])])
def test_a_k_beyond_the_gallery_finds_all_that_every_query_can_find(
    k: int, exclude: list[int] | None
) -> None:
    q, g = vectors(4, 2, 6)
    found = top_k(q, g, k, exclude=torch.tensor(exclude) if exclude else None)[1]
    assert found.shape == (2, 5 if exclude == [0, -1] else 6)
    assert found[1].tolist() == (q @ g.T)[1].argsort(descending=True)[: found.shape[1]].tolist()


def test_a_k_below_1_is_refused() -> None:
    with pytest.raises(ValueError, match="k is 0.*6 gallery vectors"):
        top_k(*vectors(4, 2, 6), 0)


def test_no_query_gives_an_empty_result() -> None:
    q, g = vectors(5, 1, 6)
    scores, positions = top_k(q[:0], g, 3)
    assert scores.shape == positions.shape == (0, 3) and positions.dtype == torch.long


def test_the_given_vectors_are_left_as_they_were() -> None:
    q, g = vectors(6, 3, 6)
    copies = q.clone(), g.clone()
    top_k(q, g, 2, exclude=torch.tensor([0, 1, 2]))
    assert torch.equal(q, copies[0]) and torch.equal(g, copies[1])
