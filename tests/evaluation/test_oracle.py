"""Results in the order of the true labels, against a slow loop."""

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
from flam_pl.evaluation.searches import EvaluationSet, edited_searches


def data_of(rows: int) -> EvaluationSet:
    """With a trait that features show beside the classes: what is near has it, too."""
    world = make_world(rows=rows)
    nobody = np.full(rows, -1)
    side = torch.randn(rows, 1, generator=torch.Generator().manual_seed(0)).sign()
    features = torch.cat([world.features, side], dim=1)
    traits = {"side": (side[:, 0] > 0).long().numpy()}
    queries = np.arange(0, rows, 2)
    return EvaluationSet(SCHEMA, features, world.labels, queries, nobody, nobody, traits)


def test_images_with_the_wanted_combination_come_first_and_the_nearest_of_them_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(oracle, "CHUNK", 7)  # so that several are needed
    data = data_of(60)
    unit = F.normalize(data.features, dim=1)
    count = 0
    for search in edited_searches(OracleRanking(data, 20), data, 20):
        t = SCHEMA.types.index(search.target_type)
        for number, found, cosines in zip(search.numbers, search.found, search.scores, strict=True):
            query = data.queries[number]
            wanted = data.labels[query].copy()
            wanted[t] = SCHEMA.index(search.target_type, search.target_class)
            order = sorted(
                (p for p in range(60) if p != query),
                key=lambda p: (
                    not (data.labels[p] == wanted).all(),
                    -float(unit[query] @ unit[p]),
                ),
            )
            assert found.tolist() == order[:20]
            torch.testing.assert_close(cosines, unit[found] @ unit[query])
            count += 1
    assert count > 50


def test_it_finds_all_that_can_be_found_and_keeps_more_than_a_jump_to_the_combination() -> None:
    """The nearest of the right photos have the query's side, which a random one has by chance."""
    data = data_of(200)
    kept = Preservation(data, [5])
    results = evaluate_edits(OracleRanking(data, 5), data, [1, 5], also=[kept])
    assert results.shares() == {"T@1": 1.0, "T@5": 1.0}
    assert kept.figures(1, 0)["side"]["kept_of_wanted@5"].value > 0.65


def test_a_query_without_a_label_wants_photos_that_lack_it_too() -> None:
    """A garment's photos may lack a label; what is not known is the same where it is not known."""
    labels = np.array([[0, -1, 0], [1, -1, 0], [1, 2, 0], [1, -1, 1], [0, -1, 1]])
    near = torch.tensor([[1.0, 0.0], [-1.0, 0.1], [1.0, 0.1], [1.0, 0.2], [1.0, 0.3]])
    nobody = np.full(5, -1)
    data = EvaluationSet(SCHEMA, near, labels, np.array([0, 4]), nobody, nobody)
    found, _, _ = OracleRanking(data, 4)(np.array([0, 1]), [Edit("shape", "jeans")])
    assert found[:, 0].tolist() == [1, 3]
    assert found[0].tolist() == [1, 2, 3, 4]  # the others by their cosine


def test_what_no_label_answers_is_refused() -> None:
    search, numbers = OracleRanking(data_of(20), 5), np.arange(2)
    for edits in ([], [Edit("color", {"red": 1, "blue": 1})], [Edit("color", "red")] * 2):
        with pytest.raises(ValueError, match="one edit|one for one class"):
            search(numbers, edits)
