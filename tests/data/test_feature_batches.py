"""Batches of features: full, equally often, parted among ranks, each row with its own labels."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute_world import store_of
from flam_pl.data.batches import FeatureBatches, whole_batch
from flam_pl.data.feature_store import FeatureStore

N = 30
LABELS = np.stack([np.arange(N) % 3, np.arange(N) % 5 - 1], axis=1)


def store() -> FeatureStore:
    """Feature of row i: (i, i/10)."""
    features = np.stack([np.arange(N), np.arange(N) / 10], axis=1)
    return store_of(features.astype(np.float16))


def batches(rows: np.ndarray, batch_size: int, **options: int) -> FeatureBatches:
    return FeatureBatches(store(), rows, LABELS, batch_size, **options)


@settings(max_examples=40)
@given(
    count=st.integers(1, N),
    batch_size=st.integers(1, 12),
    number=st.integers(1, 9),
    epochs=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_batches_are_full_and_rows_come_equally_often(
    count: int, batch_size: int, number: int, epochs: int, seed: int
) -> None:
    rows = np.random.default_rng(seed).permutation(N)[:count]
    walk = batches(rows, batch_size, batches=number, seed=seed)
    seen: list[int] = []
    for _ in range(epochs):
        epoch = [batch["index"].tolist() for batch in walk]
        assert [len(b) for b in epoch] == [min(batch_size, count)] * number
        seen += [row for b in epoch for row in b]
    times = Counter(seen)
    assert set(times) <= set(rows.tolist())
    # whole passes, then one that may be cut off: no row is ever ahead by more than one
    counts = [times[row] for row in rows.tolist()]
    assert max(counts) - min(counts) <= 1


def test_features_and_labels_are_those_of_the_index() -> None:
    for batch in batches(np.arange(5, 25), 7, batches=4):
        index = batch["index"]
        torch.testing.assert_close(batch["features"][:, 0], index.float())
        torch.testing.assert_close(batch["features"][:, 1], index / 10, atol=2e-3, rtol=0)
        assert batch["features"].dtype == torch.float32
        assert np.array_equal(batch["labels"].numpy(), LABELS[index.numpy()])
        assert batch["labels"].dtype == torch.int64


@pytest.mark.parametrize(("rows", "world"), [(24, 2), (25, 2), (29, 3), (5, 2)])
def test_ranks_part_the_one_process_stream(rows: int, world: int) -> None:
    """One process with batches of world * 4 walks the same way as ``world`` ranks with 4 each."""
    options = {"batches": 6, "seed": 9}
    ranks = [
        [b["index"].tolist() for b in batches(np.arange(rows), 4, rank=r, world=world, **options)]
        for r in range(world)
    ]
    together = [row for turn in zip(*ranks, strict=True) for part in turn for row in part]
    stream = batches(np.arange(rows), 1, batches=len(together), seed=9)
    assert together == [int(b["index"]) for b in stream]
    assert len(together) == 6 * 4 * world


def test_an_epoch_of_all_ranks_together_is_one_pass() -> None:
    for world in (1, 2):
        parts = [batches(np.arange(N), 5, rank=r, world=world) for r in range(world)]
        assert [len(p) for p in parts] == [N // (5 * world)] * world
        seen = Counter(int(i) for p in parts for b in p for i in b["index"])
        assert seen == dict.fromkeys(range(N), 1)


def test_passes_differ_and_the_seed_repeats_them() -> None:
    walk, again = batches(np.arange(N), N, seed=1), batches(np.arange(N), N, seed=1)
    first, second = ([b["index"].tolist() for b in walk] for _ in range(2))
    assert first != second and sorted(first[0]) == sorted(second[0])
    assert [b["index"].tolist() for b in again] == first
    assert [b["index"].tolist() for b in batches(np.arange(N), N, seed=2)] != first


def test_no_row_is_refused() -> None:
    with pytest.raises(ValueError, match="no rows"):
        batches(np.zeros(0, np.int64), 4)


def test_a_whole_batch_is_all_chosen_rows_in_order_every_time() -> None:
    rows = np.array([7, 3, 11])
    whole = whole_batch(store(), rows, LABELS)
    for _ in range(2):
        (batch,) = whole
        assert batch["index"].tolist() == [7, 3, 11]
        assert batch["features"][:, 0].tolist() == [7, 3, 11]
        assert np.array_equal(batch["labels"].numpy(), LABELS[rows])
    assert len(whole) == 1
