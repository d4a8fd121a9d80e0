"""Bootstrap intervals against closed forms and slow loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flam_pl.metrics.bootstrap import (
    Estimate,
    bootstraps,
    estimate_of,
    macro_bootstraps,
    ratio,
    resampled,
)


def bootstrap(
    hits: np.ndarray,
    counts: np.ndarray,
    resamples: int = 1000,
    seed: int = 0,
    items: np.ndarray | None = None,
) -> Estimate:
    """The bootstrap of a single figure, from hits ``(Q,)``; every query is an item by default."""
    items = np.arange(len(hits)) if items is None else items
    return bootstraps(hits[:, None], counts, ["T@1"], items, (resamples, seed))["T@1"]


def normal_width(share: float, n: int) -> float:
    """Width of the 95 % interval of a share of ``n`` independent trials."""
    return 2 * 1.96 * math.sqrt(share * (1 - share) / n)


def test_independent_queries_give_the_normal_interval() -> None:
    hits = np.array([1] * 150 + [0] * 350)
    estimate = bootstrap(hits, np.ones(500), resamples=4000)
    assert estimate.value == 0.3 and estimate.n == 500
    expected = normal_width(0.3, 500)  # 0.080
    assert estimate.high - estimate.low == pytest.approx(expected, rel=0.1)
    assert (estimate.low + estimate.high) / 2 == pytest.approx(0.3, abs=0.1 * expected)


def test_edits_of_one_query_are_not_counted_as_independent() -> None:
    """100 queries of 9 edits that succeed together count as 100 edits, not as 900."""
    hits = 9 * np.array([1] * 40 + [0] * 60)
    estimate = bootstrap(hits, np.full(100, 9), resamples=4000)
    assert estimate.value == pytest.approx(0.4) and estimate.n == 900
    assert estimate.high - estimate.low == pytest.approx(normal_width(0.4, 100), rel=0.12)
    naive = bootstrap(np.repeat(hits // 9, 9), np.ones(900), resamples=4000)
    assert naive.value == pytest.approx(estimate.value)
    assert estimate.high - estimate.low > 2.5 * (naive.high - naive.low)  # in theory 3 times


def test_queries_weigh_by_their_number_of_edits() -> None:
    estimate = bootstrap(np.array([0, 10]), np.array([30, 10]), resamples=100)
    assert estimate.value == 0.25 and estimate.n == 40


def test_the_interval_covers_the_truth_about_95_times_in_100() -> None:
    """Bound chosen in advance: 300 trials at 0.95 have a standard error of 0.013, and a percentile
    interval of 80 queries is known to fall a little short."""
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(300):
        hits = rng.random(80) < 0.35
        estimate = bootstrap(hits, np.ones(80), resamples=300, seed=trial)
        covered += estimate.low <= 0.35 <= estimate.high
    assert 0.90 <= covered / 300 <= 0.985


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    hits, counts = np.random.default_rng(1).integers(0, 4, size=(2, 60))
    hits = np.minimum(hits, counts)
    first = bootstrap(hits, counts, seed=5)
    assert first == bootstrap(hits, counts, seed=5)
    other = bootstrap(hits, counts, seed=6)
    assert other.value == first.value and (other.low, other.high) != (first.low, first.high)


def test_the_interval_holds_the_value_and_stays_within_0_and_1() -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        counts = rng.integers(0, 5, size=12)
        counts[0] = 1
        estimate = bootstrap(rng.binomial(counts, 0.5), counts, resamples=200)
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_queries_without_edits_change_nothing() -> None:
    hits, counts = np.array([3, 0, 1] * 30), np.array([4, 2, 2] * 30)
    padded = bootstrap(np.append(hits, [0, 0]), np.append(counts, [0, 0]), resamples=2000)
    plain = bootstrap(hits, counts, resamples=2000)
    assert padded.value == plain.value == 0.5 and padded.n == plain.n
    assert padded.high - padded.low == pytest.approx(plain.high - plain.low, rel=0.15)


@pytest.mark.parametrize("queries", [0, 3])
def test_nothing_counted_is_nan_with_n_0(queries: int) -> None:
    estimate = bootstrap(np.zeros(queries), np.zeros(queries))
    assert estimate.n == 0
    assert all(math.isnan(v) for v in (estimate.value, estimate.low, estimate.high))


def test_without_a_draw_that_holds_a_case_there_is_no_interval() -> None:
    """With seed 3 the only draw takes the second item twice."""
    found = bootstraps(np.array([[1], [0]]), np.array([1, 0]), ["T@1"], np.arange(2), (1, 3))
    assert found["T@1"].value == 1 and math.isnan(found["T@1"].low)


def test_an_estimate_is_written_as_the_report_needs_it() -> None:
    plain = bootstrap(np.array([1, 0]), np.array([1, 1])).to_dict()
    assert list(plain) == ["value", "low", "high", "n"] and plain["n"] == 2


def test_resamples_are_the_same_however_many_are_drawn_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hits, counts = np.arange(40) % 3, np.full(40, 3)
    blocks = bootstrap(hits, counts, resamples=130)
    monkeypatch.setattr("flam_pl.metrics.bootstrap.BLOCK", 130)
    assert bootstrap(hits, counts, resamples=130) == blocks


def test_totals_as_measured_come_first_and_resamples_draw_whole_queries() -> None:
    sums = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0]])
    totals = resampled(sums, np.arange(3), (400, 3))
    assert totals.shape == (401, 2) and totals[0].tolist() == [7.0, 70.0]
    assert np.array_equal(totals[:, 1], 10 * totals[:, 0])  # the columns of a query stay together
    assert set(totals[1:, 0]) <= {
        float(a + b + c) for a in (1, 2, 4) for b in (1, 2, 4) for c in (1, 2, 4)
    }
    assert totals[1:, 0].mean() == pytest.approx(7, abs=0.4)  # its standard error is 0.11


def test_an_estimate_of_totals_is_that_of_the_bootstrap() -> None:
    hits, counts = np.arange(40) % 3, np.full(40, 3)
    totals = resampled(np.stack([hits, counts], axis=1), np.arange(40), (200, 4))
    estimate = estimate_of(ratio(totals[:, 0], totals[:, 1]), 120)
    assert estimate == bootstrap(hits, counts, resamples=200, seed=4)


def test_a_ratio_of_two_methods_is_paired() -> None:
    """One method is twice as good on every query: the ratio has no uncertainty."""
    rng = np.random.default_rng(0)
    plain, counts = rng.random(50), np.ones(50)
    totals = resampled(np.stack([2 * plain, plain, counts], axis=1), np.arange(50), (100, 0))
    doubled = estimate_of(ratio(totals[:, 0], totals[:, 1]), 50)
    assert (doubled.value, doubled.low, doubled.high) == pytest.approx((2, 2, 2))
    one = estimate_of(ratio(totals[:, 1], totals[:, 2]), 50)
    assert one.high - one.low > 0.1


def test_a_ratio_to_nothing_is_no_estimate() -> None:
    values = ratio(np.array([1.0, 2.0]), np.array([0.0, 4.0]))
    assert math.isnan(values[0]) and values[1] == 0.5
    assert estimate_of(values, 3).n == 0 and estimate_of(values[1:], 0).n == 0


# --- by item


def slow_by_item(
    sums: np.ndarray, items: np.ndarray, resamples: int, seed: int
) -> list[list[float]]:
    """Totals of every draw: whole items are drawn, with all their photos."""
    codes = sorted(set(items.tolist()))
    photos = {code: [row for row in range(len(items)) if items[row] == code] for code in codes}
    even = np.full(len(codes), 1 / len(codes))
    totals = []
    for times in np.random.default_rng(seed).multinomial(len(codes), even, size=resamples):
        drawn = [sums[p] for n, code in zip(times, codes, strict=True) for p in n * photos[code]]
        totals.append(np.sum(drawn, axis=0).tolist())
    return totals


@settings(max_examples=20)
@given(seed=st.integers(0, 1000), photos=st.integers(2, 30), items=st.integers(1, 12))
def test_resamples_by_item_are_those_of_a_loop_over_items(
    seed: int, photos: int, items: int
) -> None:
    """Photos of an item are not adjacent; codes have gaps and may be negative."""
    rng = np.random.default_rng(seed)
    codes = 7 * rng.integers(items, size=photos) - 20
    sums = rng.uniform(size=(photos, 2))
    totals = resampled(sums, codes, (60, seed))
    assert totals[0] == pytest.approx(sums.sum(axis=0))
    np.testing.assert_allclose(totals[1:], slow_by_item(sums, codes, 60, seed))
    counts = rng.integers(1, 5, size=photos)
    hits = rng.binomial(counts, 0.4)
    estimate = bootstrap(hits, counts, resamples=50, seed=seed, items=codes)
    drawn = slow_by_item(np.column_stack([hits, counts]), codes, 50, seed)
    assert estimate.value == pytest.approx(hits.sum() / counts.sum()) and estimate.n == counts.sum()
    ends = np.quantile([h / c for h, c in drawn], [0.025, 0.975])
    assert (estimate.low, estimate.high) == pytest.approx(tuple(ends))


def test_more_photos_of_an_item_with_the_same_result_add_nothing() -> None:
    """Four photos of each item give the interval of one photo, not half of it."""
    hits = np.array([1] * 40 + [0] * 60)
    one = bootstrap(hits, np.ones(100), resamples=500)
    four = bootstrap(
        np.repeat(hits, 4), np.ones(400), resamples=500, items=np.repeat(np.arange(100), 4)
    )
    assert (four.value, four.low, four.high) == (one.value, one.low, one.high)
    assert four.n == 4 * one.n
    apart = bootstrap(np.repeat(hits, 4), np.ones(400), resamples=500)
    assert apart.high - apart.low < 0.6 * (one.high - one.low)


def test_several_estimates_of_one_draw_equal_single_estimates() -> None:
    rng = np.random.default_rng(4)
    counts, items = rng.integers(1, 4, size=30), rng.integers(9, size=30)
    hits = np.stack([rng.binomial(counts, share) for share in (0.2, 0.7)], axis=1)
    both = bootstraps(hits, counts, ["few", "many"], items, (70, 2))
    assert list(both) == ["few", "many"]
    for column, estimate in enumerate(both.values()):
        alone = bootstrap(hits[:, column], counts, resamples=70, seed=2, items=items)
        assert estimate.n == alone.n
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx(
            (alone.value, alone.low, alone.high)
        )
    nothing = bootstraps(hits, np.zeros(30), ["few", "many"], items, (9, 0))
    assert {estimate.n for estimate in nothing.values()} == {0}


# --- macro


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), edits=st.integers(1, 25), items=st.integers(1, 6))
def test_a_macro_estimate_is_the_mean_over_groups_of_a_loop(
    seed: int, edits: int, items: int
) -> None:
    rng = np.random.default_rng(seed)
    groups, codes = rng.integers(4, size=edits), rng.integers(items, size=edits)
    hits = rng.random((edits, 2)) < 0.5
    got = macro_bootstraps(hits, groups, ["a", "b"], codes, (60, seed))
    drawn_items = sorted(set(codes.tolist()))
    even = np.full(len(drawn_items), 1 / len(drawn_items))
    draws = np.random.default_rng(seed).multinomial(len(drawn_items), even, size=60)
    for f, name in enumerate(("a", "b")):
        values = []
        for times in [np.ones(len(drawn_items), int), *draws]:
            weight = [times[drawn_items.index(code)] for code in codes]
            shares = []
            for group in set(groups.tolist()):
                rows = [e for e in range(edits) if groups[e] == group and weight[e]]
                total = sum(weight[e] for e in rows)
                if total:
                    shares.append(sum(weight[e] * hits[e, f] for e in rows) / total)
            values.append(np.mean(shares))
        expected = np.quantile(values[1:], [0.025, 0.975])
        assert got[name].value == pytest.approx(values[0]) and got[name].n == edits
        assert (got[name].low, got[name].high) == pytest.approx(tuple(expected))


def test_a_macro_estimate_of_no_edits_is_nan_with_n_0() -> None:
    nothing = macro_bootstraps(np.zeros((0, 1)), np.zeros(0), ["T@1"], np.zeros(0), (9, 0))["T@1"]
    assert nothing.n == 0 and math.isnan(nothing.value)
