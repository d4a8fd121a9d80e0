"""Batches of images, as indices, and of stored features."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, Sampler

from flam_pl.data.feature_store import FeatureStore


class ItemBatchSampler(Sampler[list[int]]):
    """P x K: batches of K images of each of P items; ``items`` ``(N,)`` are codes, -1 for none.

    Images of a small item repeat. An epoch has ``passes`` over all items. Under DDP, each rank
    takes every ``world``-th batch of one order. Raises ValueError for fewer than two items.
    """

    def __init__(
        self,
        items: np.ndarray,
        p: int,
        k: int,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        passes: int = 1,
    ) -> None:
        self.of_item = [np.flatnonzero(items == code) for code in np.unique(items[items >= 0])]
        if len(self.of_item) < 2:
            raise ValueError(f"{len(self.of_item)} item(s): a triplet needs two or more")
        self.p, self.k, self.epoch = min(p, len(self.of_item)), k, 0
        self.seed, self.rank, self.world, self.passes = seed, rank, world, passes

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epoch = state["epoch"]

    def __len__(self) -> int:
        return max(1, self.passes * (len(self.of_item) // self.p) // self.world)

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        self.epoch += 1
        for number, chosen in zip(range(len(self) * self.world), self._chosen(rng), strict=False):
            batch = [self._images(rng, self.of_item[i]) for i in chosen]
            if number % self.world == self.rank:
                yield np.concatenate(batch).tolist()

    def _chosen(self, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """P items at a time; the rest of a pass is left out."""
        while True:
            order = rng.permutation(len(self.of_item))
            yield from order[: len(order) // self.p * self.p].reshape(-1, self.p)

    def _images(self, rng: np.random.Generator, images: np.ndarray) -> np.ndarray:
        once = rng.permutation(images)[: self.k]
        return np.concatenate([once, rng.choice(images, self.k - len(once))])


class FeatureBatches(IterableDataset[dict[str, Tensor]]):
    """Full batches from endless passes over catalog rows, each in a new order.

    A batch may span two passes. Under DDP, each rank takes its part of one order. An epoch has
    ``batches`` batches per rank; None: one pass.
    """

    def __init__(
        self,
        store: FeatureStore,
        rows: np.ndarray,
        labels: np.ndarray,
        batch_size: int,
        batches: int | None = None,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__()
        if not len(rows):
            raise ValueError("no rows to draw batches from")
        self.store, self.row_numbers, self.labels = store, rows.astype(np.int32), labels
        self.batch_size = min(batch_size, len(rows))
        self.batches = batches or batches_in_pass(len(rows), batch_size, world)
        self.rank, self.world = rank, world
        self._rng = np.random.default_rng(seed)
        self._left = np.zeros(0, dtype=np.int32)

    def state_dict(self) -> dict[str, Any]:
        left = torch.from_numpy(self._left.copy())
        return {"random": self._rng.bit_generator.state, "left": left}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._rng.bit_generator.state = state["random"]
        self._left = state["left"].numpy()

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for _ in range(self.batches):
            index = self._next(self.batch_size * self.world)
            mine = index[self.rank * self.batch_size :][: self.batch_size]
            yield _batch(self.store, mine, self.labels)

    def _next(self, count: int) -> np.ndarray:
        while len(self._left) < count:
            self._left = np.concatenate([self._left, self._rng.permutation(self.row_numbers)])
        taken, self._left = self._left[:count], self._left[count:]
        return taken.astype(np.int64)


def batches_in_pass(rows: int, batch_size: int, world: int = 1) -> int:
    """Batches per rank and pass; at least 1."""
    return max(1, rows // (min(batch_size, rows) * world))


def whole_batch(store: FeatureStore, rows: np.ndarray, labels: np.ndarray) -> DataLoader[Any]:
    """All rows as one batch, for validation."""
    only: list[Any] = [_batch(store, rows, labels)]
    return DataLoader(only, batch_size=None)  # type: ignore[arg-type]  # a list is enough


def _batch(store: FeatureStore, rows: np.ndarray, labels: np.ndarray) -> dict[str, Tensor]:
    features, of_rows = store.rows(rows), torch.from_numpy(labels[rows])
    return {"index": torch.from_numpy(rows), "features": features, "labels": of_rows}
