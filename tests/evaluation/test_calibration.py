"""Calibration of a search's probabilities, on answers that are known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from flam_pl.evaluation.calibration import (
    BINS,
    Outcomes,
    measure_calibration,
    measure_probabilities,
)
from flam_pl.retrieval.confidence import Calibration, Platt

AS_THEY_ARE = Platt(1.0, 0.0)


def outcomes_of(answer: np.ndarray, true: np.ndarray, query: np.ndarray) -> Outcomes:
    """Each search has two results, as likely as the answer, and as true."""
    twice, both = np.repeat(answer[:, None], 2, axis=1), np.repeat(true[:, None], 2, axis=1)
    return Outcomes(
        {"attribute": twice, "combination": twice, "answer": answer},
        {"attribute": both, "combination": both, "answer": true},
        query,
    )


def unchanged(threshold: float) -> Calibration:
    return Calibration(AS_THEY_ARE, AS_THEY_ARE, AS_THEY_ARE, threshold, "sha")


def test_values_are_those_counted_by_hand() -> None:
    """Ten at 0.1, of which two come true, and ten at 0.9, of which eight do."""
    p = np.repeat([0.1, 0.9], 10)
    true = np.array([True] * 2 + [False] * 8 + [True] * 8 + [False] * 2)
    found = measure_probabilities(p, true, np.arange(20), (100, 0))
    assert found["ECE"]["value"] == pytest.approx(0.1, abs=1e-5)  # 0.1 too low, 0.1 too high
    brier = (2 * 0.81 + 8 * 0.01) / 10
    assert found["Brier"]["value"] == pytest.approx(brier)
    assert found["Brier"]["low"] < brier < found["Brier"]["high"]
    assert found["observed"]["value"] == 0.5 and found["observed"]["n"] == 20
    filled = {b: of for b, of in enumerate(found["bins"]) if of["n"]}
    assert len(found["bins"]) == BINS and set(filled) == {1, 13}
    assert filled[1] == {"predicted": pytest.approx(0.1), "observed": 0.2, "n": 10}
    assert filled[13] == {"predicted": pytest.approx(0.9), "observed": 0.8, "n": 10}


def test_a_probability_of_one_falls_into_the_last_bin() -> None:
    found = measure_probabilities(
        np.array([1.0, 0.0]), np.array([True, False]), np.arange(2), (9, 0)
    )
    assert [b["n"] for b in found["bins"]] == [1, *[0] * (BINS - 2), 1]
    assert found["ECE"]["value"] == pytest.approx(0, abs=1e-6)


def test_warnings_are_counted_by_the_threshold() -> None:
    p = np.array([0.1, 0.2, 0.45, 0.6, 0.05, 0.3, 0.8, 0.9])
    true = np.array([False, False, False, False, True, True, True, True])
    outcomes = outcomes_of(p, true, np.array([0, 0, 1, 1, 2, 2, 3, 3]))
    found = measure_calibration(unchanged(0.4), outcomes, (100, 0))["answer"]["calibrated"]
    assert found["detection_rate"]["value"] == 0.5 and found["detection_rate"]["n"] == 4
    assert found["false_alarm_rate"]["value"] == 0.5 and found["false_alarm_rate"]["n"] == 4
    assert found["AUROC"]["value"] == pytest.approx(roc_auc_score(true, p))
    assert found["threshold"] == 0.4


def test_without_edits_of_both_kinds_there_is_no_auroc() -> None:
    every = np.ones(6, dtype=bool)
    outcomes = outcomes_of(np.full(6, 0.7), every, np.arange(6))
    found = measure_calibration(unchanged(0.4), outcomes, (9, 0))
    answer = json.loads(json.dumps(found, allow_nan=False))["answer"]["calibrated"]
    assert answer["AUROC"]["n"] == answer["detection_rate"]["n"] == 0
    assert answer["AUROC"]["value"] is None and answer["false_alarm_rate"]["n"] == 6


def test_intervals_are_by_query_and_not_by_result() -> None:
    """All edits of a query come true together: as many figures, far fewer draws."""
    rng = np.random.default_rng(0)
    true = np.repeat(rng.random(20) < 0.5, 50)
    p = np.full(1000, 0.5)
    together = measure_probabilities(p, true, np.repeat(np.arange(20), 50), (300, 0))["observed"]
    apart = measure_probabilities(p, true, np.arange(1000), (300, 0))["observed"]
    assert together["value"] == apart["value"]
    assert together["high"] - together["low"] > 4 * (apart["high"] - apart["low"])


def test_calibration_is_measured_before_and_after() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(400)
    outcomes = outcomes_of(p, rng.random(400) < p**2, np.repeat(np.arange(100), 4))
    fitted = Calibration(*[Platt(1.3, -0.8)] * 3, 0.2, "sha")
    found = measure_calibration(fitted, outcomes, (50, 0))
    assert list(found) == ["attribute", "combination", "answer"]
    for of in found.values():
        assert of["calibrated"]["ECE"]["value"] < of["raw"]["ECE"]["value"]
    json.dumps(found, allow_nan=False)
