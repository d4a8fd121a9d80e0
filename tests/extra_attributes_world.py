"""Photos with extra attributes beside their labels, and editors that keep a known part of them."""

from __future__ import annotations

import numpy as np
import torch

from attribute_world import SCHEMA
from flam_pl.evaluation.searches import EvaluationSet
from made_editors import Moved

EXTRA_ATTRIBUTES = {"sleeve": 3, "brand": 4}


def random_set(
    seed: int, rows: int = 60, dimension: int = 5, missing: float = 0.0
) -> EvaluationSet:
    """Features that say nothing. Some photos lack a value of an extra attribute, some are no query.

    Args:
        missing: share of the labels that are missing.
    """
    rng = np.random.default_rng(seed)
    labels = np.stack([rng.integers(size, size=rows) for size in SCHEMA.sizes], axis=1)
    extra = {n: rng.integers(-1, size, size=rows) for n, size in EXTRA_ATTRIBUTES.items()}
    features = torch.from_numpy(rng.normal(size=(rows, dimension)).astype(np.float32))
    queries = np.sort(rng.permutation(rows)[: rows * 2 // 3])
    labels[rng.random(labels.shape) < missing] = -1
    nobody = np.full(rows, -1)
    return EvaluationSet(SCHEMA, features, labels, queries, nobody, nobody, extra)


def one_hot_set(rows: int = 1500, seed: int = 0) -> EvaluationSet:
    """Features that tell labels and extra attributes exactly: a block of 0 and 1 for each."""
    rng = np.random.default_rng(seed)
    labels = np.stack([rng.integers(size, size=rows) for size in SCHEMA.sizes], axis=1)
    extra = {n: rng.integers(size, size=rows) for n, size in EXTRA_ATTRIBUTES.items()}
    blocks = [np.eye(size)[labels[:, t]] for t, size in enumerate(SCHEMA.sizes)]
    blocks += [np.eye(size)[extra[name]] for name, size in EXTRA_ATTRIBUTES.items()]
    features = torch.from_numpy(np.concatenate(blocks, axis=1).astype(np.float32))
    nobody = np.full(rows, -1)
    return EvaluationSet(SCHEMA, features, labels, np.arange(0, rows, 5), nobody, nobody, extra)


class Exact(Moved):
    """In one-hot features: the wanted class's 1 in the place of the old one."""

    name = "exact"

    def moved(self, features: torch.Tensor, target_type: str, target_class: str) -> torch.Tensor:
        t = SCHEMA.types.index(target_type)
        starts = np.cumsum([0, *SCHEMA.sizes])
        edited = features.clone()
        edited[:, starts[t] : starts[t + 1]] = 0
        edited[:, starts[t] + SCHEMA.index(target_type, target_class)] = 1
        return edited


class Jump(Exact):
    """Jumps to random images of the wanted class: everything else changes."""

    name = "jump"

    def __init__(self, data: EvaluationSet) -> None:
        self.data, self.rng = data, np.random.default_rng(0)

    def moved(self, features: torch.Tensor, target_type: str, target_class: str) -> torch.Tensor:
        t, c = SCHEMA.types.index(target_type), SCHEMA.index(target_type, target_class)
        right = np.flatnonzero(self.data.labels[:, t] == c)
        return self.data.features[torch.from_numpy(self.rng.choice(right, len(features)))]
