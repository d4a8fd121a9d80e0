"""Which rows form a batch, as indices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from torch.utils.data import Sampler


class ItemBatchSampler(Sampler[list[int]]):
    """P x K: each batch holds K images of each of P items, by item codes ``(N,)``, -1 for none.

    An item with fewer than K images gives some of them again. An epoch has ``passes`` over all
    items. Under DDP all ranks draw the same order, and each takes every ``world``-th batch.
    Raises ValueError for fewer than two items.
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
        self.p, self.k = min(p, len(self.of_item)), k
        self.seed, self.rank, self.world, self.passes = seed, rank, world, passes
        self.epoch = 0

    def state_dict(self) -> dict[str, Any]:
        """Between two epochs."""
        return {"epoch": self.epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epoch = state["epoch"]

    def __len__(self) -> int:
        batches = self.passes * (len(self.of_item) // self.p)
        return max(1, batches // self.world)

    def _chosen(self, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """P items at a time; the rest of a pass is left out."""
        while True:
            order = rng.permutation(len(self.of_item))
            yield from order[: len(order) // self.p * self.p].reshape(-1, self.p)

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        self.epoch += 1
        for number, chosen in zip(range(len(self) * self.world), self._chosen(rng), strict=False):
            batch = [self._images(rng, self.of_item[i]) for i in chosen]
            if number % self.world == self.rank:
                yield np.concatenate(batch).tolist()

    def _images(self, rng: np.random.Generator, images: np.ndarray) -> np.ndarray:
        once = rng.permutation(images)[: self.k]
        again = rng.choice(images, self.k - len(once))
        return np.concatenate([once, again])
