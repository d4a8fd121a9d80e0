"""hits_at against a loop, and against torchmetrics' hit rate."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.retrieval import RetrievalHitRate

from flam_pl.galleries.exact import top_k
from flam_pl.metrics.hit_rate import hits_at


def codes(seed: int, queries: int, depth: int, kinds: int) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return (
        torch.randint(kinds, (queries, depth), generator=draw),
        torch.randint(kinds, (queries,), generator=draw),
    )


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    queries=st.integers(1, 6),
    depth=st.integers(1, 9),
    ks=st.lists(st.integers(1, 15), min_size=1, max_size=5),
)
def test_hits_at_is_membership_in_the_first_k(
    seed: int, queries: int, depth: int, ks: list[int]
) -> None:
    retrieved, wanted = codes(seed, queries, depth, kinds=6)
    expected = [[int(wanted[q]) in retrieved[q].tolist()[:k] for k in ks] for q in range(queries)]
    assert hits_at(retrieved, wanted, ks).tolist() == expected


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_a_hit_stays_a_hit_at_every_larger_k(seed: int) -> None:
    retrieved, wanted = codes(seed, 8, 10, kinds=8)
    hits = hits_at(retrieved, wanted, range(1, 13)).int()
    assert (hits.diff(dim=1) >= 0).all()


def test_a_cut_off_beyond_the_results_means_all_of_them() -> None:
    retrieved, wanted = torch.tensor([[4, 5, 6], [4, 5, 6]]), torch.tensor([6, 7])
    assert hits_at(retrieved, wanted, [2, 3, 50]).tolist() == [[False, True, True], [False] * 3]


@pytest.mark.parametrize("k", [1, 3, 10])
def test_search_and_hits_agree_with_torchmetrics(k: int) -> None:
    draw = torch.Generator().manual_seed(k)
    queries = torch.randn(30, 4, generator=draw)
    gallery = F.normalize(torch.randn(40, 4, generator=draw), dim=1)
    item = torch.randint(12, (40,), generator=draw)
    asked = item[torch.randint(40, (30,), generator=draw)]
    _, found = top_k(queries, gallery, k)
    got = hits_at(item[found], asked, [k]).float().mean()
    scores = F.normalize(queries, dim=1) @ gallery.T
    oracle = RetrievalHitRate(top_k=k)
    number = torch.arange(30)[:, None].expand(30, 40)
    expected = oracle(scores.flatten(), (item == asked[:, None]).flatten(), number.flatten())
    assert 0.02 < float(expected) < 0.98
    assert float(got) == pytest.approx(float(expected))
