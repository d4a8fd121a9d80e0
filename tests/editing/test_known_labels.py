"""Results in the order of the true labels, against a slow loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from attribute_world import SCHEMA, make_world
from flam_pl.editing import known_labels
from flam_pl.editing.evaluation import evaluate_edits
from flam_pl.editing.kept import KeptTraits
from flam_pl.editing.known_labels import KnownLabels
from flam_pl.editing.searches import EvaluationSet, edited_searches
from flam_pl.editing.wishes import Wish


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
    monkeypatch.setattr(known_labels, "CHUNK", 7)  # so that several are needed
    data = data_of(60)
    unit = F.normalize(data.features, dim=1)
    count = 0
    for search in edited_searches(KnownLabels(data, 20), data, 20):
        t = SCHEMA.types.index(search.target_type)
        for number, found, cosines in zip(
            search.numbers, search.found, search.cosines, strict=True
        ):
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


def test_any_order_finds_the_same_images_and_keeps_less() -> None:
    data = data_of(200)
    nearest, anyhow = KeptTraits(data, [5]), KeptTraits(data, [5])
    shares = [
        evaluate_edits(KnownLabels(data, 5, seed), data, [1, 5], also=[kept]).shares()
        for seed, kept in ((None, nearest), (0, anyhow))
    ]
    assert shares == [{"T@1": 1.0, "T@5": 1.0}] * 2
    kept = [
        of.figures(nearest, 1, 0)["results"]["side"]["kept@5"].value for of in (nearest, anyhow)
    ]
    assert kept[0] > kept[1] + 0.03


def test_what_no_label_answers_is_refused() -> None:
    search, numbers = KnownLabels(data_of(20), 5), np.arange(2)
    for wishes in ([], [Wish("color", {"red": 1, "blue": 1})], [Wish("color", "red")] * 2):
        with pytest.raises(ValueError, match="one wish|one for one class"):
            search(numbers, wishes)
