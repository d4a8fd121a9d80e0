"""Batches of stored features for stages 2 and 3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from flam_pl.data.feature_store import FeatureStore


class FeatureBatches(IterableDataset[dict[str, Tensor]]):
    """An endless walk over chosen rows, cut into epochs of a set number of batches.

    Each pass over the rows has a new order, and a batch may span two passes: every row is seen
    equally often, and every batch is full. Under DDP all ranks walk in the same order, and each
    takes its part of every ``world`` batches.
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
        batches: in an epoch, of each rank; None: one pass over the rows.
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
            yield _batch(
                self.store, index[self.rank * self.batch_size :][: self.batch_size], self.labels
            )

    def _next(self, count: int) -> np.ndarray:
        while len(self._left) < count:
            self._left = np.concatenate([self._left, self._rng.permutation(self.row_numbers)])
        taken, self._left = self._left[:count], self._left[count:]
        return taken


def batches_in_pass(rows: int, batch_size: int, world: int = 1) -> int:
    """Batches of each of ``world`` ranks in one pass over so many rows; one at least."""
    return max(1, rows // (min(batch_size, rows) * world))


def whole_batch(store: FeatureStore, rows: np.ndarray, labels: np.ndarray) -> DataLoader[Any]:
    """All chosen rows as the only batch, for validation; every rank sees the same."""
    only: list[Any] = [_batch(store, rows, labels)]
    return DataLoader(only, batch_size=None)  # type: ignore[arg-type]  # a list is enough


def _batch(store: FeatureStore, rows: np.ndarray, labels: np.ndarray) -> dict[str, Tensor]:
    return {
        "index": torch.from_numpy(rows),
        "features": store.rows(rows),
        "labels": torch.from_numpy(labels[rows]),
    }
