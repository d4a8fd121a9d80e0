"""What a report says of a search's probabilities, on answers that are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from flam_pl.evaluation.outcomes import Outcomes
from flam_pl.reports import tables
from flam_pl.reports.reliability import (
    BINS,
    draw_reliability,
    measure_confidence,
    measure_probabilities,
)
from flam_pl.retrieval.confidence import Calibration, Platt

INVENTED = {
    "dataset": "invented",
    "fam": {},
    "fir": {},
    "queries": {},
    "seconds": {},
    "peak_memory_mb": 1,
}
AS_THEY_ARE = Platt(1.0, 0.0)


def outcomes_of(answer: np.ndarray, true: np.ndarray, query: np.ndarray) -> Outcomes:
    """Each search has two results, as likely as the answer, and as true."""
    twice, both = np.repeat(answer[:, None], 2, axis=1), np.repeat(true[:, None], 2, axis=1)
    return Outcomes(
        {"attribute": twice, "combination": twice, "answer": answer},
        {"attribute": both, "combination": both, "answer": true},
        query,
    )


def sure(threshold: float) -> Calibration:
    return Calibration(AS_THEY_ARE, AS_THEY_ARE, AS_THEY_ARE, threshold, "sha")


def test_figures_are_those_counted_by_hand() -> None:
    """Ten at 0.1, of which two come true, and ten at 0.9, of which eight do."""
    p = np.repeat([0.1, 0.9], 10)
    true = np.array([True] * 2 + [False] * 8 + [True] * 8 + [False] * 2)
    found = measure_probabilities(p, true, np.arange(20), 100, 0)
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
    found = measure_probabilities(np.array([1.0, 0.0]), np.array([True, False]), np.arange(2), 9, 0)
    assert [b["n"] for b in found["bins"]] == [1, *[0] * (BINS - 2), 1]
    assert found["ECE"]["value"] == pytest.approx(0, abs=1e-6)


def test_what_is_told_is_counted_by_the_threshold() -> None:
    p = np.array([0.1, 0.2, 0.45, 0.6, 0.05, 0.3, 0.8, 0.9])
    true = np.array([False, False, False, False, True, True, True, True])
    outcomes = outcomes_of(p, true, np.array([0, 0, 1, 1, 2, 2, 3, 3]))
    found = measure_confidence(sure(0.4), outcomes, 100, 0)["answer"]
    assert found["told_rightly"]["value"] == 0.5 and found["told_rightly"]["n"] == 4
    assert found["told_wrongly"]["value"] == 0.5 and found["told_wrongly"]["n"] == 4
    assert found["AUROC"]["value"] == pytest.approx(roc_auc_score(true, p))
    assert found["threshold"] == 0.4


def test_without_edits_of_both_kinds_there_is_no_auroc_and_a_table_all_the_same() -> None:
    every = np.ones(6, dtype=bool)
    found = measure_confidence(sure(0.4), outcomes_of(np.full(6, 0.7), every, np.arange(6)), 9, 0)
    assert found["answer"]["AUROC"]["n"] == found["answer"]["told_rightly"]["n"] == 0
    metrics = INVENTED | {"calibration": json.loads(json.dumps(found, allow_nan=False))}
    assert "AUROC of the two: -" in tables.markdown(metrics)


def test_intervals_are_by_query_and_not_by_result() -> None:
    """All edits of a query come true together: as many figures, far fewer draws."""
    rng = np.random.default_rng(0)
    true = np.repeat(rng.random(20) < 0.5, 50)
    p = np.full(1000, 0.5)
    together = measure_probabilities(p, true, np.repeat(np.arange(20), 50), 300, 0)["observed"]
    apart = measure_probabilities(p, true, np.arange(1000), 300, 0)["observed"]
    assert together["value"] == apart["value"]
    assert together["high"] - together["low"] > 4 * (apart["high"] - apart["low"])


def calibration() -> dict:
    rng = np.random.default_rng(0)
    p = rng.random(400)
    outcomes = outcomes_of(p, rng.random(400) < p**2, np.repeat(np.arange(100), 4))
    known = Calibration(*[Platt(1.3, -0.8)] * 3, 0.2, "sha")
    return measure_confidence(known, outcomes, 50, 0)


def test_figures_fit_into_json_and_the_table_says_them() -> None:
    found = json.loads(json.dumps(calibration(), allow_nan=False))
    for kind in ("attribute", "combination", "answer"):
        assert found[kind]["ECE"]["value"] < found[kind]["raw"]["ECE"]["value"]
    said = tables.markdown(INVENTED | {"calibration": found})
    assert "## How sure the search is" in said and f"{BINS} bins" in said
    assert tables.cell(found["answer"]["told_rightly"]) in said
    assert tables.cell(found["combination"]["Brier"]) in said
    for without in (INVENTED, INVENTED | {"calibration": {}}):
        assert "How sure" not in tables.markdown(without)


def test_the_diagram_is_drawn(tmp_path: Path) -> None:
    draw_reliability(tmp_path / "reliability.png", calibration())
    assert (tmp_path / "reliability.png").stat().st_size > 10_000
