"""Probabilities in NumPy are those of ``retrieval.posteriors`` and ``retrieval.confidence``."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flam_pl.retrieval import posteriors
from flam_pl.retrieval.confidence import Platt
from flam_pl.serving.confidence import LEAST, calibrated, has_answer, has_wanted

sizes = st.lists(st.integers(2, 5), min_size=1, max_size=3)


def drawn(sizes: list[int], photos: int, seed: int, sharpness: float) -> tuple[list, list]:
    """Wanted probabilities ``(classes,)`` and those of photos ``(N, classes)``, per type."""
    rng = np.random.default_rng(seed)
    wanted = [rng.dirichlet(np.full(n, sharpness)) for n in sizes]
    return wanted, [rng.dirichlet(np.full(n, sharpness), photos) for n in sizes]


def tensors(arrays: list[np.ndarray]) -> list[torch.Tensor]:
    return [torch.from_numpy(array).float() for array in arrays]


@given(sizes, st.integers(1, 12), st.integers(0, 10**6), st.sampled_from([0.1, 1.0, 10.0]))
def test_what_a_result_has_and_whether_there_is_an_answer(
    sizes: list[int], photos: int, seed: int, sharpness: float
) -> None:
    wanted, of_photos = drawn(sizes, photos, seed, sharpness)
    types = [t for t in range(len(sizes)) if seed >> t & 1]
    raw = posteriors.raw_probabilities(
        [w[None] for w in tensors(wanted)],
        tensors(of_photos),
        torch.arange(photos)[None],
        types,
    )
    found = has_wanted(wanted, of_photos, types)
    np.testing.assert_allclose(found, raw["attribute"][0], rtol=1e-4, atol=1e-6)
    every = has_wanted(wanted, of_photos, range(len(sizes)))
    np.testing.assert_allclose(every, raw["combination"][0], rtol=1e-4, atol=1e-6)
    # torch's logarithm of 1 - p is coarse where p is nearly 1
    assert has_answer(wanted, of_photos) == pytest.approx(float(raw["answer"][0]), abs=1e-5)


@given(sizes, st.integers(1, 6), st.integers(0, 10**6))
def test_an_answer_is_the_mean_over_all_combinations(
    sizes: list[int], photos: int, seed: int
) -> None:
    """All combinations one by one: there are at most 125."""
    wanted, of_photos = drawn(sizes, photos, seed, 1.0)
    expected = 0.0
    for classes in product(*map(range, sizes)):
        share, none = 1.0, 1.0
        for t, c in enumerate(classes):
            share *= wanted[t][c]
        for photo in range(photos):
            fits = 1.0
            for t, c in enumerate(classes):
                fits *= of_photos[t][photo, c]
            none *= 1 - fits
        expected += share * (1 - none)
    assert has_answer(wanted, of_photos) == pytest.approx(expected, abs=1e-5)


def test_of_many_combinations_the_likeliest_count() -> None:
    wanted, of_photos = drawn([7, 6, 5, 4], 9, 3, 0.5)
    expected = posteriors.answer_probabilities(
        [w[None] for w in tensors(wanted)], tensors(of_photos)
    )
    assert has_answer(wanted, of_photos) == pytest.approx(float(expected[0]), abs=1e-5)


def test_known_answers() -> None:
    red, certain = [np.array([1.0, 0.0])], [np.array([[0.0, 1.0], [1.0, 0.0]])]
    assert has_answer(red, certain) == pytest.approx(1, abs=2 * LEAST)
    assert has_answer(red, [certain[0][:1]]) == 0
    assert has_answer(red, [np.full((2, 2), 0.5)]) == pytest.approx(0.75)
    assert has_wanted(red, certain, [0]).tolist() == [0, 1]
    assert has_wanted(red, certain, []).tolist() == [1, 1]
    assert LEAST == posteriors.LEAST


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=5),
    st.floats(-30, 30),
    st.floats(-10, 10),
    st.sampled_from(posteriors.KINDS),
)
def test_calibration_is_platt_scaling(
    raw: list[float], slope: float, intercept: float, kind: str
) -> None:
    of_kind = {other: [1.0, 0.0] for other in posteriors.KINDS} | {kind: [slope, intercept]}
    found = calibrated({**of_kind, "threshold": 0.5}, kind, np.array(raw))
    expected = Platt(slope, intercept)(np.array(raw))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    assert np.array_equal(calibrated(None, kind, np.array(raw)), raw)
