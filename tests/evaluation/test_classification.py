"""Accuracy on original and on edited features against a loop over single edits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attribute_world import SCHEMA, make_world
from flam_pl.editing.edits import Edit
from flam_pl.evaluation.classification import evaluate_classification
from flam_pl.evaluation.hits import evaluate_edits
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.models.concat import ConcatClassifiers
from made_editors import Towards
from slow_measures import interval_by_item


def test_accuracies_are_those_of_a_loop_over_queries_and_edits() -> None:
    world = make_world(rows=40, noise=1.0)
    rng = np.random.default_rng(0)
    queries = np.sort(rng.choice(40, 25, replace=False))  # the others are in the gallery only
    nobody, items = np.full(40, -1), np.arange(40) // 4
    data = EvaluationSet(SCHEMA, world.features, world.labels, queries, items, nobody)
    net = ConcatClassifiers(SCHEMA, world.features.shape[1], width=6, hidden=None).eval()
    for t, classifier in enumerate(net.by_type):  # a head that knows something
        classifier.layers[0].weight.data[: SCHEMA.sizes[t]] = world.directions[t]
        classifier.head.weight.data = torch.eye(SCHEMA.sizes[t], 6)
    editor = Towards(world.directions, 0.5)
    asked = evaluate_edits(editor, data, [1]).asked
    found = evaluate_classification(net, editor, data, asked, 50, 0)

    for t, name in enumerate(SCHEMA.types):
        original, manipulated, asking = [], [], []
        for number, row in enumerate(queries):
            x = world.features[row : row + 1]
            original.append(int(net(x)[t].argmax()) == world.labels[row, t])
            for c, label in enumerate(SCHEMA.of(name)):
                wanted = world.labels[row].copy()
                wanted[t] = c
                possible = (world.labels == wanted).all(axis=1).any()
                assert asked[name][number, c] == (possible and c != world.labels[row, t])
                if asked[name][number, c]:
                    asking.append(number)
                    manipulated.append(
                        int(net(editor.edit(x, [Edit(name, label)]))[t].argmax()) == c
                    )
        assert found["original"][name].n == 25
        assert found["original"][name].value == np.mean(original)
        assert found["manipulated"][name].n == len(manipulated) > 10
        assert np.isclose(found["manipulated"][name].value, np.mean(manipulated))
        assert 0 < np.mean(manipulated) < 1 and 0 < np.mean(original) < 1
        # intervals: whole items are drawn
        sums = np.bincount(asking, weights=manipulated, minlength=25)
        counts = np.bincount(asking, minlength=25)
        of_item = items[queries].tolist()
        for kind, (hits, of) in {
            "original": (original, [1] * 25),
            "manipulated": (sums.tolist(), counts.tolist()),
        }.items():
            ends = interval_by_item(hits, of, of_item, 50, 0)
            figure = found[kind][name]
            assert (figure.low, figure.high) == pytest.approx(ends)


def test_a_type_that_nobody_can_change_has_no_accuracy_after_the_edit() -> None:
    world = make_world(rows=12)
    nobody = np.full(12, -1)
    data = EvaluationSet(SCHEMA, world.features, world.labels, np.arange(12), nobody, nobody)
    net = ConcatClassifiers(SCHEMA, world.features.shape[1], width=4).eval()
    asked = {name: np.zeros((12, len(SCHEMA.of(name))), dtype=bool) for name in SCHEMA.types}
    found = evaluate_classification(net, Towards(world.directions, 0.5), data, asked, 10, 0)
    assert {figure.n for figure in found["manipulated"].values()} == {0}
    assert {figure.n for figure in found["original"].values()} == {12}
