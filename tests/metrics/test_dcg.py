"""NDCG@k against scikit-learn, and the ideal order against sorting."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from flam_pl.metrics.dcg import dcg_at, gain, ideal_dcg_at

KS = (1, 3, 10, 50)


def test_by_hand() -> None:
    """Gains 1, 0, 3 at the ranks 1, 2, 3; the best order is 3, 1, 0."""
    gains = gain(torch.tensor([[1.0, 0.0, 2.0]]))
    assert gains.tolist() == [[1.0, 0.0, 3.0]] and gains.dtype == torch.float64
    assert dcg_at(gains, (1, 2, 3, 9))[0].tolist() == [1.0, 1.0, 1 + 3 / 2, 1 + 3 / 2]
    ideal = ideal_dcg_at(torch.tensor([[1, 1, 1]]), torch.tensor([0.0, 1.0, 3.0]), (1, 2, 3, 9))
    assert ideal[0, 0] == 3.0
    assert ideal[0, 1:].tolist() == pytest.approx([3 + 1 / np.log2(3)] * 3)


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), images=st.integers(2, 30), levels=st.integers(1, 4))
def test_the_ratio_is_that_of_scikit_learn(seed: int, images: int, levels: int) -> None:
    """scikit-learn takes gains, not relevances, and sorts for the ideal order."""
    rng = np.random.default_rng(seed)
    grade = rng.integers(levels + 1, size=(5, images))
    grade[:, 0] = levels  # without any gain scikit-learn gives 0
    order = rng.permuted(np.tile(np.arange(images), (5, 1)), axis=1)
    gains = gain(torch.arange(levels + 1) / levels)
    counts = torch.from_numpy(np.stack([np.bincount(g, minlength=levels + 1) for g in grade]))
    ranked = torch.from_numpy(np.take_along_axis(grade, order, axis=1))
    got = dcg_at(gains[ranked], KS) / ideal_dcg_at(counts, gains, KS)
    scores = np.empty((5, images))
    np.put_along_axis(scores, order, -np.arange(images, dtype=float)[None], axis=1)
    for i, k in enumerate(KS):
        for q in range(5):
            expected = ndcg_score(gains.numpy()[grade[q : q + 1]], scores[q : q + 1], k=k)
            assert float(got[q, i]) == pytest.approx(expected, abs=1e-12)


def test_without_any_gain_the_ideal_is_0() -> None:
    assert ideal_dcg_at(torch.tensor([[7, 0]]), torch.tensor([0.0, 1.0]), (1, 5)).tolist() == [
        [0.0, 0.0]
    ]
