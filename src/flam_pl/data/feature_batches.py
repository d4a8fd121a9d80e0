"""Batches of features for stages 2 and 3: whole batches by index, no worker, no collation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from flam_pl.data.feature_store import FeatureStore


class FeatureBatches(IterableDataset[dict[str, Tensor]]):
    """An endless shuffled walk over chosen rows, cut into epochs of a set number of batches.

    Each pass over the rows is in a new order, and a batch may span two passes, so every row is seen
    equally often and every batch is full. Under DDP all ranks walk the same order and each takes
    its own part of every ``world`` batches.
    """

    def __init__(
        self,
        store: FeatureStore,
        rows: np.ndarray,
        labels: np.ndarray,
        batch_size: int,
        *,
        batches: int | None = None,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """Args:
        rows: catalog rows to draw from, ``(M,)``.
        labels: of the whole catalog, ``(N, types)``.
        batch_size: of each rank; at most M.
        batches: in an epoch, of each rank; None is one pass over the rows.
        """
        super().__init__()
        if not len(rows):
            raise ValueError("no rows to draw batches from")
        self.store, self.row_numbers, self.labels = store, rows, labels
        self.batch_size = min(batch_size, len(rows))
        self.batches = batches or batches_in_pass(len(rows), batch_size, world)
        self.rank, self.world = rank, world
        self._rng = np.random.default_rng(seed)
        self._left = np.zeros(0, dtype=np.int64)

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for _ in range(self.batches):
            index = self._next(self.batch_size * self.world)
            index = index[self.rank * self.batch_size :][: self.batch_size]
            yield {
                "index": torch.from_numpy(index),
                "features": self.store.rows(index),
                "labels": torch.from_numpy(self.labels[index]),
            }

    def _next(self, count: int) -> np.ndarray:
        while len(self._left) < count:
            self._left = np.concatenate([self._left, self._rng.permutation(self.row_numbers)])
        taken, self._left = self._left[:count], self._left[count:]
        return taken


def batches_in_pass(rows: int, batch_size: int, world: int = 1) -> int:
    """Batches of each of ``world`` ranks in one pass over so many rows; one at least."""
    return max(1, rows // (min(batch_size, rows) * world))


class WholeBatch(IterableDataset[dict[str, Tensor]]):
    """All chosen rows as one batch, for validation; every rank sees the same."""

    def __init__(self, store: FeatureStore, rows: np.ndarray, labels: np.ndarray) -> None:
        super().__init__()
        self.batch = {
            "index": torch.from_numpy(rows),
            "features": store.rows(rows),
            "labels": torch.from_numpy(labels[rows]),
        }

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        yield self.batch
