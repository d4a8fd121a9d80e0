"""Which edited searches a report draws."""

from __future__ import annotations

import numpy as np
import pytest

from attribute_world import SCHEMA, make_world
from flam_pl.editing.evaluation import EvaluationSet
from flam_pl.reports.figures import choose_examples


@pytest.mark.parametrize("count", [0, 1, 4])
def test_as_many_examples_of_each_type_as_asked_for_and_none_for_none(count: int) -> None:
    world = make_world(rows=80)
    nobody = np.full(80, -1)
    data = EvaluationSet(SCHEMA, world.features, world.labels, np.arange(80), nobody, nobody)
    chosen = choose_examples(data, count, seed=0)
    assert [e.target_type for e in chosen] == [n for n in SCHEMA.types for _ in range(count)]
    for example in chosen:  # each has an answer, and changes something
        wanted = example.wanted(data)
        assert (world.labels == wanted).all(axis=1).any()
        assert (wanted != world.labels[example.query]).sum() == 1
