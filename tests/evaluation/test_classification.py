"""Accuracy on original and on edited features against a loop over single edits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attribute_world import SCHEMA, make_world
from flam_pl.editing.edits import Edit
from flam_pl.evaluation.classification import evaluate_classification
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.models.concat import ConcatClassifiers
from made_editors import Towards
from slow_measures import every_edit, interval_by_item


@pytest.mark.parametrize("missing", [0.0, 0.25])
def test_accuracies_are_those_of_a_loop_over_queries_and_edits(missing: float) -> None:
    world = make_world(rows=40, noise=1.0)
    rng = np.random.default_rng(0)
    queries = np.sort(rng.choice(40, 25, replace=False))  # the others are in the gallery only
    nobody, items = np.full(40, -1), np.arange(40) // 4
    labels = np.where(rng.random(world.labels.shape) < missing, -1, world.labels)
    data = EvaluationSet(SCHEMA, world.features, labels, queries, items, nobody)
    edits = {(number, t, c) for number, _, t, c in every_edit(data)}
    net = ConcatClassifiers(SCHEMA, world.features.shape[1], width=6, hidden=None).eval()
    for t, classifier in enumerate(net.by_type):  # a head that knows something
        classifier.layers[0].weight.data[: SCHEMA.sizes[t]] = world.directions[t]
        classifier.head.weight.data = torch.eye(SCHEMA.sizes[t], 6)
    editor = Towards(world.directions, 0.5)
    found = evaluate_classification(net, editor, data, (50, 0))

    for t, name in enumerate(SCHEMA.types):
        original, manipulated, edited, labelled = [], [], [], []
        for number, row in enumerate(queries):
            x = world.features[row : row + 1]
            if labels[row, t] >= 0:
                labelled.append(number)
                original.append(int(net(x)[t].argmax()) == labels[row, t])
            for c, label in enumerate(SCHEMA.of(name)):
                if (number, t, c) in edits:
                    edited.append(number)
                    manipulated.append(
                        int(net(editor.edit(x, [Edit(name, label)]))[t].argmax()) == c
                    )
        assert found["original"][name].n == len(original)
        assert (len(original) == 25) == (missing == 0)
        assert found["original"][name].value == np.mean(original)
        assert found["manipulated"][name].n == len(manipulated) > 10
        assert np.isclose(found["manipulated"][name].value, np.mean(manipulated))
        assert 0 < np.mean(manipulated) < 1 and 0 < np.mean(original) < 1
        # intervals: whole items are drawn
        of_item = items[queries].tolist()
        for kind, (numbers, right) in {
            "original": (labelled, original),
            "manipulated": (edited, manipulated),
        }.items():
            sums = np.bincount(numbers, weights=right, minlength=25).tolist()
            counts = np.bincount(numbers, minlength=25).tolist()
            ends = interval_by_item(sums, counts, of_item, 50, 0)
            figure = found[kind][name]
            assert (figure.low, figure.high) == pytest.approx(ends)


def test_a_type_that_no_edit_can_change_has_no_accuracy_after_the_edit() -> None:
    world = make_world(rows=12)
    nobody, alike = np.full(12, -1), np.tile(world.labels[:1], (12, 1))
    data = EvaluationSet(SCHEMA, world.features, alike, np.arange(12), nobody, nobody)
    net = ConcatClassifiers(SCHEMA, world.features.shape[1], width=4).eval()
    found = evaluate_classification(net, Towards(world.directions, 0.5), data, (10, 0))
    assert {figure.n for figure in found["manipulated"].values()} == {0}
    assert {figure.n for figure in found["original"].values()} == {12}
