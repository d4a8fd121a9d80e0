"""Every gallery finds what the exact one finds, which finds what a sort of all scores finds."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flam_pl.errors import FlamError
from flam_pl.galleries.exact import ExactGallery
from flam_pl.galleries.faiss import FaissGallery

GALLERIES = (ExactGallery, FaissGallery)


@settings(max_examples=100)
@given(
    seed=st.integers(0, 10_000),
    queries=st.integers(0, 6),
    size=st.integers(1, 12),
    k=st.integers(1, 15),
    data=st.data(),
)
def test_all_galleries_agree(
    seed: int, queries: int, size: int, k: int, data: st.DataObject
) -> None:
    draw = torch.Generator().manual_seed(seed)
    q, v = torch.randn(queries, 4, generator=draw), torch.randn(size, 4, generator=draw)
    ids = st.lists(st.integers(-1, size - 1), min_size=queries, max_size=queries)
    exclude = data.draw(st.one_of(st.none(), ids))
    expected = [
        sorted((p for p in range(size) if exclude is None or p != exclude[n]), key=lambda p: -of[p])
        for n, of in enumerate((q @ v.T).tolist())
    ]
    # every query of a batch gets as many results as the one that can get the fewest
    count = min(k, size - any(id_ >= 0 for id_ in exclude or []))
    for kind in GALLERIES:
        gallery = kind(v)
        own = None if exclude is None else torch.tensor(exclude, dtype=torch.long)
        scores, found = gallery.search(q, k, own)
        assert len(gallery) == size
        assert scores.shape == found.shape == (queries, count) and found.dtype == torch.long
        assert found.tolist() == [order[:count] for order in expected]
        np.testing.assert_allclose(scores, (q @ v.T).gather(1, found), atol=1e-5)


@pytest.mark.parametrize("kind", GALLERIES)
def test_a_k_below_1_is_refused(kind: type[ExactGallery] | type[FaissGallery]) -> None:
    with pytest.raises(ValueError, match="k is 0; expected 1 or more"):
        kind(torch.randn(3, 2)).search(torch.randn(1, 2), 0)


@pytest.mark.parametrize("kind", GALLERIES)
def test_vectors_that_need_a_gradient_and_strided_ones_are_taken(
    kind: type[ExactGallery] | type[FaissGallery],
) -> None:
    v = torch.randn(4, 9, requires_grad=True).T
    found = kind(v.detach()).search(torch.randn(3, 4, requires_grad=True), 9)[1]
    assert sorted(found[0].tolist()) == list(range(9))


def test_without_faiss_the_extra_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(FlamError, match=r"flam-pl\[cpu\]"):
        FaissGallery(torch.randn(4, 3))
