"""Ratios and differences of two methods, against a loop over resamples."""

from __future__ import annotations

import numpy as np
import pytest

from flam_pl.metrics.bootstrap import PairedShares

KS = (1, 5)
QUERIES, SEED = 60, 4
ITEMS = np.repeat(np.arange(20), 3)
"""Three photos per item, which are drawn together."""


Hits = tuple[np.ndarray, np.ndarray]
"""Of each edit of each query whether it is hit, ``(Q, edits, len(KS))``, and whether it counts,
``(Q, edits)``."""


def results(share: float, hard: np.ndarray, counted: np.ndarray) -> Hits:
    """Hits at random; a query that is hard is hit half as often, by every method."""
    luck = np.random.default_rng(int(100 * share)).uniform(size=counted.shape)
    luck = luck / np.where(hard, 0.5, 1.0)[:, None]
    return np.stack([luck < share, luck < 2 * share], axis=2), counted


def sums_of(of: Hits) -> tuple[np.ndarray, np.ndarray]:
    """Of each query the hits of its edits ``(Q, len(KS))`` and their number ``(Q,)``."""
    hits, counted = of
    return (hits & counted[:, :, None]).sum(axis=1), counted.sum(axis=1)


def pair(both: dict[str, Hits], resamples: int, seed: int) -> PairedShares:
    sums = {name: sums_of(of)[0] for name, of in both.items()}
    counts, names = sums_of(both["weak"])[1], [f"T@{k}" for k in KS]
    return PairedShares(sums, counts, names, ITEMS, (resamples, seed))


@pytest.fixture
def both() -> dict[str, Hits]:
    rng = np.random.default_rng(1)
    hard = rng.uniform(size=QUERIES) < 0.5
    counted = rng.uniform(size=(QUERIES, 12)) < 0.7
    return {"weak": results(0.2, hard, counted), "strong": results(0.4, hard, counted)}


def test_they_are_those_of_a_loop_over_resamples(both: dict[str, Hits]) -> None:
    paired = pair(both, resamples=40, seed=SEED)
    ratios, changes = paired.divided_by("weak"), paired.minus("weak")
    # the same draws
    draws = np.random.default_rng(SEED).multinomial(20, np.full(20, 1 / 20), size=40)[:, ITEMS]
    for i, k in enumerate(KS):
        shares = []
        for times in [np.ones(QUERIES, int), *draws]:
            row = []
            for hits, counted in both.values():
                hit = count = 0
                for q in range(QUERIES):
                    for c in np.flatnonzero(counted[q]):
                        hit += times[q] * int(hits[q, c, i])
                        count += times[q]
                row.append(hit / count)
            shares.append(row)
        weak, strong = np.transpose(shares)
        for found, expected in (
            (ratios["strong"][f"T@{k}"], strong / weak),
            (changes["strong"][f"T@{k}"], strong - weak),
        ):
            assert found.value == pytest.approx(expected[0])
            assert (found.low, found.high) == pytest.approx(
                tuple(np.quantile(expected[1:], [0.025, 0.975]))
            )
        assert strong[0] > weak[0] > 0


def test_a_method_beside_itself_is_one_and_zero_without_doubt(both: dict[str, Hits]) -> None:
    paired = pair(both, resamples=30, seed=0)
    same, nothing = paired.divided_by("weak")["weak"]["T@1"], paired.minus("weak")["weak"]["T@1"]
    assert (same.value, same.low, same.high) == (1, 1, 1)
    assert (nothing.value, nothing.low, nothing.high) == (0, 0, 0)
    assert same.n == both["weak"][1].sum()


def test_a_reference_that_finds_nothing_gives_no_ratio(both: dict[str, Hits]) -> None:
    hits, counted = both["weak"]
    paired = pair({**both, "nothing": (np.zeros_like(hits), counted)}, resamples=30, seed=0)
    ratio = paired.divided_by("nothing")["strong"]["T@1"]
    assert ratio.n == 0 and ratio.to_dict()["value"] is None
    change = paired.minus("nothing")["strong"]["T@5"]
    assert change.value == pytest.approx(both["strong"][0][counted].mean(axis=0)[1])
