"""The oracle ranking against a slow loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from attribute_world import SCHEMA, make_world
from flam_pl.editing.edits import Edit
from flam_pl.evaluation import oracle
from flam_pl.evaluation.hits import evaluate_edits
from flam_pl.evaluation.oracle import OracleRanking
from flam_pl.evaluation.preservation import Preservation
from flam_pl.evaluation.searches import EvaluationSet, search_edits
from slow_measures import is_hit, wanted_by


def data_of(rows: int, missing: float = 0.0) -> EvaluationSet:
    """With an extra attribute that features show beside the classes: what is near has it, too.

    Args:
        missing: share of the labels that are missing.
    """
    world = make_world(rows=rows)
    nobody = np.full(rows, -1)
    side = torch.randn(rows, 1, generator=torch.Generator().manual_seed(0)).sign()
    features = torch.cat([world.features, side], dim=1)
    extra = {"side": (side[:, 0] > 0).long().numpy()}
    labels = world.labels.copy()
    labels[np.random.default_rng(0).random(labels.shape) < missing] = -1
    return EvaluationSet(SCHEMA, features, labels, np.arange(0, rows, 2), nobody, nobody, extra)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_hits_come_first_and_the_nearest_of_them_first(
    missing: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oracle, "queries_at_once", lambda gallery: 7)  # several parts
    data = data_of(60, missing)
    unit = F.normalize(data.features, dim=1)
    count = 0
    for search in search_edits(OracleRanking(data, 20), data, 20):
        for number, found in zip(search.numbers, search.found, strict=True):
            query = int(data.queries[number])
            wanted = wanted_by(data, query, (search.t, search.c))
            order = sorted(
                (p for p in range(60) if p != query),
                key=lambda p: (not is_hit(data, p, wanted), -float(unit[query] @ unit[p])),
            )
            assert found.tolist() == order[:20]
            count += 1
    assert count > 50


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_it_finds_all_hits_and_keeps_more_than_a_jump_to_a_random_one(missing: float) -> None:
    """The nearest hits have the query's side; of random ones it would be half."""
    data = data_of(200, missing)
    kept = Preservation(data, [5])
    results = evaluate_edits(OracleRanking(data, 5), data, [1, 5], also=[kept])
    assert results.shares() == {"T@1": 1.0, "T@5": 1.0} and len(results.numbers) > 100
    assert kept.estimates((1, 0))["side"]["kept_of_wanted@5"].value > (0.55 if missing else 0.65)


def test_types_that_the_query_has_no_label_of_are_not_compared() -> None:
    """Query 0 has no color: jeans of any color or of none are hits, if they are plain."""
    labels = np.array([[0, -1, 0], [1, -1, 0], [1, 2, 0], [1, -1, 1], [0, -1, 1], [1, 0, -1]])
    near = torch.tensor([[1, 0], [-1, 0.1], [0.5, 0.1], [1, 0.2], [1, 0.3], [1, 0.01]])
    nobody = np.full(6, -1)
    data = EvaluationSet(SCHEMA, near, labels, np.array([0, 4]), nobody, nobody)
    found = OracleRanking(data, 5)(np.array([0, 1]), [Edit("shape", "jeans")])
    assert found.tolist() == [[2, 1, 5, 3, 4], [3, 2, 5, 0, 1]]  # the others by their cosine


def test_anything_but_one_edit_to_one_class_is_refused() -> None:
    search, numbers = OracleRanking(data_of(20), 5), np.arange(2)
    for edits in ([], [Edit("color", {"red": 1, "blue": 1})], [Edit("color", "red")] * 2):
        with pytest.raises(ValueError, match="expected one to one class"):
            search(numbers, edits)
