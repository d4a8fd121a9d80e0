"""The one inner product against loops over photos, types and classes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from flam_pl.retrieval.vectors import (
    FLOOR,
    log_posteriors,
    moved_features,
    weighted_posteriors,
)

SIZES = st.lists(st.integers(2, 6), min_size=1, max_size=5)
"""Classes of each type: any number of both."""


def shares(rng: np.random.Generator, rows: int, classes: int) -> Tensor:
    """Probabilities, some of them 0 and 1."""
    drawn = rng.dirichlet(np.full(classes, 0.4), size=rows)
    certain = rng.random(rows) < 0.2
    drawn[certain] = np.eye(classes)[rng.integers(classes, size=int(certain.sum()))]
    return torch.from_numpy(drawn)


def cross_entropy(wanted: Tensor, seen: Tensor, floor: float) -> float:
    """Of one photo in one type: how badly what is seen fits what is wanted."""
    return -sum(
        float(p) * math.log(max(float(q), floor)) for p, q in zip(wanted, seen, strict=True)
    )


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    sizes=SIZES,
    queries=st.integers(1, 4),
    photos=st.integers(1, 6),
    floor=st.sampled_from([1e-3, 0.02]),
    per_query=st.booleans(),
)
def test_the_score_is_the_cosine_less_the_weighted_cross_entropies(
    seed: int, sizes: list[int], queries: int, photos: int, floor: float, per_query: bool
) -> None:
    rng = np.random.default_rng(seed)
    heads, features = (torch.from_numpy(rng.normal(size=(n, 4))) for n in (queries, photos))
    wanted = [shares(rng, queries, size) for size in sizes]
    seen = [shares(rng, photos, size) for size in sizes]
    weights = rng.uniform(0, 3, size=(queries, len(sizes)) if per_query else len(sizes))
    given = torch.from_numpy(weights) if per_query else weights.tolist()
    q = torch.cat([F.normalize(heads, dim=1), weighted_posteriors(wanted, given)], dim=1)
    v = torch.cat([F.normalize(features, dim=1), log_posteriors(seen, floor)], dim=1)
    assert q.shape == (queries, 4 + sum(sizes)) and v.shape == (photos, 4 + sum(sizes))
    scores = q @ v.T
    for row in range(queries):
        of_query = weights[row] if per_query else weights
        for photo in range(photos):
            expected = float(F.cosine_similarity(heads[row], features[photo], dim=0))
            for t in range(len(sizes)):
                expected -= of_query[t] * cross_entropy(wanted[t][row], seen[t][photo], floor)
            assert float(scores[row, photo]) == pytest.approx(expected, abs=1e-9)


def test_the_parts_of_a_vector_stand_in_the_order_of_the_types() -> None:
    first, second = torch.tensor([[0.25, 0.75]]), torch.tensor([[0.5, 0.2, 0.3]])
    tail = log_posteriors([first, second])
    torch.testing.assert_close(tail.exp(), torch.tensor([[0.25, 0.75, 0.5, 0.2, 0.3]]))
    weighted = weighted_posteriors([first, second], [2.0, 0.0])
    torch.testing.assert_close(weighted, torch.tensor([[0.5, 1.5, 0, 0, 0]]))


def test_a_photo_that_a_classifier_is_sure_against_is_no_further_than_the_floor() -> None:
    never, hardly = torch.tensor([[1.0, 0.0]]), torch.tensor([[1 - 1e-9, 1e-9]])
    wanted = weighted_posteriors([torch.tensor([[0.0, 1.0]])], [1.0])
    for seen in (never, hardly):
        assert float(wanted @ log_posteriors([seen]).T) == pytest.approx(math.log(FLOOR))
        assert float(wanted @ log_posteriors([seen], 0.1).T) == pytest.approx(math.log(0.1))
    assert torch.isfinite(log_posteriors([never])).all()
    # above the floor nothing is changed
    torch.testing.assert_close(
        log_posteriors([torch.tensor([[0.4, 0.6]])]), torch.tensor([[0.4, 0.6]]).log()
    )


def test_of_photos_that_are_equally_near_those_with_the_wanted_class_score_best() -> None:
    """The cross-entropy is least where what is seen is what is wanted (Gibbs)."""
    wanted = torch.tensor([[0.7, 0.2, 0.1]])
    seen = torch.cat([wanted, torch.eye(3), torch.full((1, 3), 1 / 3)])
    scores = weighted_posteriors([wanted], [1.0]) @ log_posteriors([seen]).T
    assert int(scores.argmax()) == 0


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), sizes=SIZES, rows=st.integers(1, 5))
def test_a_moved_feature_is_the_feature_less_its_means_plus_the_wanted_ones(
    seed: int, sizes: list[int], rows: int
) -> None:
    rng = np.random.default_rng(seed)
    features = torch.from_numpy(rng.normal(size=(rows, 3)))
    own, wanted = ([shares(rng, rows, size) for size in sizes] for _ in range(2))
    means = [torch.from_numpy(rng.normal(size=(size, 3))) for size in sizes]
    before = features.clone()
    got = moved_features(features, own, wanted, means)
    assert torch.equal(features, before)
    for row in range(rows):
        for d in range(3):
            expected = float(features[row, d])
            for t, size in enumerate(sizes):
                for c in range(size):
                    expected -= float(own[t][row, c]) * float(means[t][c, d])
                    expected += float(wanted[t][row, c]) * float(means[t][c, d])
            assert float(got[row, d]) == pytest.approx(expected, abs=1e-9)
    torch.testing.assert_close(moved_features(features, own, own, means), features)


def test_a_type_without_its_means_is_refused() -> None:
    own = [torch.tensor([[0.5, 0.5]])] * 2
    with pytest.raises(ValueError, match="shorter"):
        moved_features(torch.zeros(1, 3), own, own, [torch.zeros(2, 3)])
