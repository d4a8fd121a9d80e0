"""Comparisons of ``bench.py`` that search: edited searches, and R@k beside a peer."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN
from torch import Tensor
from torch.nn import functional as F

from flam_pl.attributes import AttributeSchema
from flam_pl.config.root import Config
from flam_pl.editing.editor import NoEdit
from flam_pl.evaluation.attribute_ndcg import AttributeNDCG
from flam_pl.evaluation.hits import evaluate_edits, evaluate_instances
from flam_pl.evaluation.preservation import Preservation
from flam_pl.evaluation.searches import EvaluationSet

EVALUATED, DIMENSION, TRAITS = 5000, 1024, 9  # of the edited searches
QUERIES, GALLERY, WIDTH = 3000, 20000, 512  # of the instance search
CHUNK = 1024  # queries of the bare side at once

Side = Callable[[], float]
"""Runs once and returns the seconds."""


def now(device: torch.device) -> float:
    """Seconds on a clock, when the device has finished."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def timed(action: Callable[[], object], device: torch.device) -> float:
    """Seconds until the device has finished."""
    started = now(device)
    action()
    return now(device) - started


def evaluation_sides(
    config: Config, schema: AttributeSchema, device: torch.device
) -> tuple[Side, Side]:
    """T@k, kept traits and NDCG@k of every edit of 5,000 queries in 5,000 images of 1,024
    dimensions, against nothing but the matrix products and the heads of the rankings."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, (EVALUATED, len(schema.types)))
    everyone, nobody = np.arange(EVALUATED), np.full(EVALUATED, -1)
    features = torch.randn(EVALUATED, DIMENSION, device=device)
    traits = {f"trait {i}": rng.integers(-1, 6, EVALUATED) for i in range(TRAITS)}
    data = EvaluationSet(schema, features, labels, everyone, nobody, nobody, traits)
    ks = config.evaluation.ks

    def ours() -> None:
        evaluate_edits(NoEdit(), data, ks, also=[Preservation(data, ks), AttributeNDCG(data, ks)])

    @torch.inference_mode()
    def bare() -> None:
        gallery = F.normalize(features, dim=1)
        for numbers, _ in data.possible.values():
            for part in torch.split(gallery[torch.from_numpy(numbers).to(device)], CHUNK):
                (part @ gallery.T).topk(max(ks), dim=1)

    return lambda: timed(ours, device), lambda: timed(bare, device)


def made_up_items(device: torch.device) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Features of queries and gallery, their items, and which are queries."""
    count = QUERIES + GALLERY
    items = np.random.default_rng(0).integers(0, max(1, GALLERY // 4), count)
    return torch.randn(count, WIDTH, device=device), items, np.arange(count) < QUERIES


def instance_sides(config: Config, device: torch.device) -> tuple[Side, Side]:
    """R@k with its interval, against nothing but the product and the heads of the rankings."""
    (features, items, is_query), ks = made_up_items(device), config.evaluation.ks

    def ours() -> None:
        evaluate_instances(features, items, is_query, ks, (config.evaluation.resamples, 0))

    @torch.inference_mode()
    def bare() -> None:
        unit = F.normalize(features, dim=1)
        for part in torch.split(unit[:QUERIES], CHUNK):
            (part @ unit[QUERIES:].T).topk(max(ks), dim=1)

    return lambda: timed(ours, device), lambda: timed(bare, device)


def instance_peer_sides(config: Config, device: torch.device) -> tuple[Side, Side]:
    """R@1 against the AccuracyCalculator of pytorch-metric-learning, by the same brute force."""
    features, items, is_query = made_up_items(device)
    labels, search = torch.from_numpy(items), CustomKNN(CosineSimilarity(), batch_size=CHUNK)
    query, shop = torch.from_numpy(is_query), torch.from_numpy(~is_query)
    peer = AccuracyCalculator(include=("precision_at_1",), k=1, knn_func=search, device=device)

    def ours() -> None:
        evaluate_instances(features, items, is_query, [1], (config.evaluation.resamples, 0))

    def theirs() -> None:
        peer.get_accuracy(features[query], labels[query], features[shop], labels[shop])

    return lambda: timed(ours, device), lambda: timed(theirs, device)
