"""Wishes drawn at random, their searches and the ranks of their hits, against slow loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attribute_world import SCHEMA, make_world
from flam_pl.editing.baselines import NoEdit
from flam_pl.editing.evaluation import EvaluationSet
from flam_pl.galleries.index import GalleryIndex
from flam_pl.reports.examples import Example, choose_examples, worst_first


@pytest.fixture(scope="module")
def data() -> EvaluationSet:
    world = make_world(rows=60)
    nothing = np.full(60, -1)
    return EvaluationSet(SCHEMA, world.features, world.labels, np.arange(60), nothing, nothing)


def ranked(data: EvaluationSet, query: int) -> list[int]:
    """All other images, the most similar first."""
    cosine = torch.nn.functional.cosine_similarity(data.features[query], data.features)
    return [p for p in cosine.argsort(descending=True).tolist() if p != query]


def test_examples_are_as_many_of_each_type_and_can_be_answered(data: EvaluationSet) -> None:
    examples = choose_examples(data, 5, seed=3)
    assert [e.target_type for e in examples] == [t for t in SCHEMA.types for _ in range(5)]
    have = {tuple(row) for row in data.labels.tolist()}
    for example in examples:
        wanted = example.wanted(data)
        assert tuple(wanted) in have
        assert (wanted != data.labels[example.query]).sum() == 1
    assert choose_examples(data, 5, seed=3) == examples != choose_examples(data, 5, seed=4)


def test_the_query_is_not_among_its_results(data: EvaluationSet) -> None:
    index = GalleryIndex(NoEdit(), data.features)
    for example in choose_examples(data, 4, seed=0):
        expected = ranked(data, example.query)
        assert example.search(data, index, 7).tolist() == expected[:7]
        assert example.search(data, index).tolist() == expected


def test_ranks_of_first_hits_the_deepest_first(data: EvaluationSet) -> None:
    index = GalleryIndex(NoEdit(), data.features)
    examples = choose_examples(data, 6, seed=0)
    found = worst_first(data, index, examples)
    expected = {}
    for example in examples:
        goal = tuple(example.wanted(data))
        order = [tuple(data.labels[p]) for p in ranked(data, example.query)]
        expected[example] = order.index(goal) + 1
    assert {example: rank for rank, example in found} == expected
    ranks = [rank for rank, _ in found]
    assert ranks == sorted(ranks, reverse=True) and ranks[0] > ranks[-1]


def test_no_hit_at_all_has_rank_0(data: EvaluationSet) -> None:
    few = EvaluationSet(SCHEMA, data.features[:2], data.labels[:2], *[np.arange(2)] * 3)
    other = next(c for c in SCHEMA.of("shape") if SCHEMA.index("shape", c) not in few.labels[:, 0])
    assert Example(0, "shape", other).first_hit(few, GalleryIndex(NoEdit(), few.features)) == 0
