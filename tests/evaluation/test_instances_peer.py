"""R@1 against the AccuracyCalculator of pytorch-metric-learning."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN

from flam_pl.evaluation.hits import evaluate_instances


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_recall_is_that_of_the_accuracy_calculator(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(8, 60))
    features = torch.from_numpy(rng.normal(size=(count, 5)).astype(np.float32))
    items, is_query = rng.integers(0, 6, count), rng.random(count) < 0.4
    is_query[:2] = True, False
    figures, left_out = evaluate_instances(features, items, is_query, [1], (2, 0))
    calculator = AccuracyCalculator(
        include=("precision_at_1",),
        k=1,
        knn_func=CustomKNN(CosineSimilarity()),
        device=torch.device("cpu"),
    )
    query, labels = torch.from_numpy(is_query), torch.from_numpy(items)
    peer = calculator.get_accuracy(
        features[query], labels[query], features[~query], labels[~query]
    )["precision_at_1"]
    found = int(query.sum()) - left_out  # the peer leaves these queries out too
    if found:
        assert figures["R@1"].value == pytest.approx(peer) and figures["R@1"].n == found
    else:
        assert figures == {} and peer == 0
