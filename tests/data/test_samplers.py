"""Which rows stand together: composition, equal frequency, and ranks."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flam_pl.data.batches import ItemBatchSampler


def item_codes(images_of: list[int], seed: int = 0, without: int = 3) -> np.ndarray:
    """Codes in a random order, with some rows that have no item."""
    codes = np.concatenate([np.repeat(np.arange(len(images_of)), images_of), [-1] * without])
    return np.random.default_rng(seed).permutation(codes)


SHAPES = {
    "images_of": st.lists(st.integers(1, 6), min_size=2, max_size=9),
    "p": st.integers(2, 6),
    "k": st.integers(1, 4),
    "seed": st.integers(0, 1000),
}


def require_p_by_k(sampler: ItemBatchSampler, items: np.ndarray, p: int, k: int) -> None:
    batches = list(sampler)
    assert len(batches) == len(sampler) >= 1
    for batch in batches:
        images = Counter(items[batch].tolist())
        assert -1 not in images
        assert images == dict.fromkeys(images, k)
        assert len(images) == min(p, len(np.unique(items[items >= 0])))
        for code in images:
            distinct = {row for row in batch if items[row] == code}
            # an image comes twice only where the item has too few
            assert len(distinct) == min(k, int((items == code).sum()))


@settings(max_examples=40)
@given(**SHAPES)
def test_every_batch_holds_k_images_of_each_of_p_items(
    images_of: list[int], p: int, k: int, seed: int
) -> None:
    items = item_codes(images_of, seed)
    require_p_by_k(ItemBatchSampler(items, p, k, seed), items, p, k)


@settings(max_examples=40)
@given(**SHAPES, passes=st.integers(2, 3))
def test_a_batch_across_two_passes_still_holds_p_different_items(
    images_of: list[int], p: int, k: int, seed: int, passes: int
) -> None:
    """Else a batch of few items may hold a single one, and no triplet exists in it."""
    items = item_codes(images_of, seed)
    require_p_by_k(ItemBatchSampler(items, p, k, seed, passes=passes), items, p, k)


@settings(max_examples=20)
@given(**SHAPES, world=st.integers(2, 3))
def test_every_rank_s_batches_hold_p_different_items(
    images_of: list[int], p: int, k: int, seed: int, world: int
) -> None:
    items = item_codes(images_of, seed)
    for rank in range(world):
        require_p_by_k(ItemBatchSampler(items, p, k, seed, rank, world), items, p, k)


def test_an_epoch_goes_once_through_all_items() -> None:
    items = item_codes([4] * 12)
    drawn = Counter(items[row] for batch in ItemBatchSampler(items, 3, 2) for row in batch)
    assert drawn == dict.fromkeys(range(12), 2)


def test_every_item_and_every_image_of_it_is_drawn_equally_often() -> None:
    """10 items of which a batch of 4 leaves 2 out in every epoch.

    Over 500 epochs an item is drawn 400 times on average; the standard deviation of the binomial
    is sqrt(500 * 0.8 * 0.2) = 8.9. The bound, chosen in advance, is five of them. An image of an
    item with 4 is drawn in half of these: sd sqrt(500 * 0.4 * 0.6) = 11.
    """
    items = item_codes([4] * 10, without=0)
    sampler = ItemBatchSampler(items, 4, 2, seed=3)
    rows = Counter(row for _ in range(500) for batch in sampler for row in batch)
    per_item = Counter()
    for row, times in rows.items():
        per_item[int(items[row])] += times
    for item in range(10):
        assert abs(per_item[item] / 2 - 400) <= 45
    for row in range(40):
        assert abs(rows[row] - 200) <= 55


def test_epochs_differ_and_the_seed_repeats_them() -> None:
    items = item_codes([3] * 8)
    sampler = ItemBatchSampler(items, 4, 2, seed=1)
    first, second = list(sampler), list(sampler)
    assert first != second
    again = ItemBatchSampler(items, 4, 2, seed=1)
    assert [list(again), list(again)] == [first, second]
    assert list(ItemBatchSampler(items, 4, 2, seed=2)) != first


@pytest.mark.parametrize("world", [2, 3])
def test_ranks_take_turns_in_the_one_process_order_of_items(world: int) -> None:
    items = item_codes([3] * 25)
    whole = ItemBatchSampler(items, 4, 2, seed=5)
    ranks = [ItemBatchSampler(items, 4, 2, seed=5, rank=r, world=world) for r in range(world)]
    for _ in range(3):  # epochs
        order = [items[batch].tolist() for batch in whole]
        parts = [[items[batch].tolist() for batch in rank] for rank in ranks]
        assert len({len(part) for part in parts}) == 1  # else DDP waits for ever
        together = [batch for turn in zip(*parts, strict=True) for batch in turn]
        assert order[: len(together)] == together
        assert len(order) - len(together) < world
        # one pass: what one rank has, no other has
        assert len({code for batch in together for code in batch}) == 4 * len(together)


def test_more_ranks_than_batches_still_give_each_rank_a_batch() -> None:
    items = item_codes([2] * 4)
    for rank in range(3):
        sampler = ItemBatchSampler(items, 4, 2, rank=rank, world=3)
        assert [len(batch) for batch in sampler] == [8] and len(sampler) == 1


@pytest.mark.parametrize("items", [[-1, -1], [0, 0, 0, -1], []])
def test_fewer_than_two_items_are_refused(items: list[int]) -> None:
    with pytest.raises(ValueError, match="a triplet needs two"):
        ItemBatchSampler(np.array(items, dtype=np.int64), 2, 2)
