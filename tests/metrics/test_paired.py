"""Ratios and differences of two methods, against a loop over resamples."""

from __future__ import annotations

import numpy as np
import pytest

from flam_pl.evaluation.hits import EditResults
from flam_pl.metrics.paired import PairedShares

KS = (1, 5)
QUERIES, SEED = 60, 4
ITEMS = np.repeat(np.arange(20), 3)
"""Three photos per item, which are drawn together."""


def results(chance: float, hard: np.ndarray, asked: dict[str, np.ndarray]) -> EditResults:
    """Random hits; every method hits a hard query half as often."""
    rng = np.random.default_rng(int(100 * chance))
    hits = {}
    for name, of in asked.items():
        luck = rng.uniform(size=of.shape) / np.where(hard, 0.5, 1.0)[:, None]
        hits[name] = np.stack([luck < chance, luck < 2 * chance], axis=2)
    return EditResults(KS, hits, asked, 0, ITEMS, {name: np.zeros(0) for name in asked})


def pair(both: dict[str, EditResults], resamples: int, seed: int) -> PairedShares:
    """T@k of both methods."""
    sums = {name: of.sums()[0] for name, of in both.items()}
    counts, names = both["weak"].sums()[1], [f"T@{k}" for k in KS]
    return PairedShares(sums, counts, names, items=ITEMS, resamples=resamples, seed=seed)


@pytest.fixture
def both() -> dict[str, EditResults]:
    rng = np.random.default_rng(1)
    hard = rng.uniform(size=QUERIES) < 0.5
    asked = {name: rng.uniform(size=(QUERIES, n)) < 0.7 for name, n in (("shape", 3), ("color", 9))}
    return {"weak": results(0.2, hard, asked), "strong": results(0.4, hard, asked)}


def test_ratios_and_differences_are_those_of_a_loop_over_draws(
    both: dict[str, EditResults],
) -> None:
    paired = pair(both, resamples=40, seed=SEED)
    ratios, changes = paired.divided_by("weak"), paired.minus("weak")
    # the same draws
    draws = np.random.default_rng(SEED).multinomial(20, np.full(20, 1 / 20), size=40)[:, ITEMS]
    for i, k in enumerate(KS):
        shares = []
        for times in [np.ones(QUERIES, int), *draws]:
            row = []
            for of in both.values():
                hit = count = 0
                for q in range(QUERIES):
                    for name, asked in of.asked.items():
                        for c in np.flatnonzero(asked[q]):
                            hit += times[q] * int(of.hits[name][q, c, i])
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


def test_a_method_against_itself_has_ratio_1_and_difference_0(
    both: dict[str, EditResults],
) -> None:
    paired = pair(both, resamples=30, seed=0)
    same, nothing = paired.divided_by("weak")["weak"]["T@1"], paired.minus("weak")["weak"]["T@1"]
    assert (same.value, same.low, same.high) == (1, 1, 1)
    assert (nothing.value, nothing.low, nothing.high) == (0, 0, 0)
    assert same.n == both["weak"].evaluated


def test_a_reference_without_hits_gives_no_ratio(both: dict[str, EditResults]) -> None:
    weak = both["weak"]
    misses = {name: np.zeros_like(hits) for name, hits in weak.hits.items()}
    nothing = EditResults(KS, misses, weak.asked, 0, ITEMS, weak.wanted)
    paired = pair({**both, "nothing": nothing}, resamples=30, seed=0)
    ratio = paired.divided_by("nothing")["strong"]["T@1"]
    assert ratio.n == 0 and ratio.to_dict()["value"] is None
    change = paired.minus("nothing")["strong"]["T@5"]
    assert change.value == both["strong"].shares()["T@5"]


def test_sums_per_query_add_up_to_the_shares(both: dict[str, EditResults]) -> None:
    for of in both.values():
        hits, counts = of.sums()
        assert hits.shape == (QUERIES, len(KS)) and counts.shape == (QUERIES,)
        assert (hits.sum(axis=0) / counts.sum()).tolist() == pytest.approx([*of.shares().values()])
