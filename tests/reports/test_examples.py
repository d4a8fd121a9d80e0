"""Which edited searches a report draws, and what they find."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attribute_world import SCHEMA, make_world
from flam_pl.editing.editor import NoEdit
from flam_pl.evaluation.searches import EvaluationSet
from flam_pl.reports.examples import Search, choose_examples, classes_of
from flam_pl.retrieval.retriever import Retriever


def labelled_set(rows: int = 80) -> EvaluationSet:
    world = make_world(rows=rows)
    nobody = np.full(rows, -1)
    return EvaluationSet(SCHEMA, world.features, world.labels, np.arange(rows), nobody, nobody)


@pytest.mark.parametrize("count", [0, 1, 4])
def test_as_many_examples_of_each_type_as_asked_for_and_none_for_none(count: int) -> None:
    data = labelled_set()
    chosen = choose_examples(data, count, seed=0)
    assert [e.target_type for e in chosen] == [n for n in SCHEMA.types for _ in range(count)]
    for example in chosen:  # each has an answer, and changes something
        wanted = example.wanted(data)
        assert (data.labels == wanted).all(axis=1).any()
        assert (wanted != data.labels[example.query]).sum() == 1


def ranked(data: EvaluationSet, query: int) -> list[int]:
    """All other images, the most similar first."""
    cosine = torch.nn.functional.cosine_similarity(data.features[query], data.features)
    return [p for p in cosine.argsort(descending=True).tolist() if p != query]


def test_a_search_leaves_out_its_query_and_tells_the_hits() -> None:
    data = labelled_set()
    index = Retriever.of(NoEdit(), data.features)
    for example in choose_examples(data, 4, seed=0):
        search = Search.run(example, data, index, 7)
        expected = ranked(data, example.query)[:7]
        assert search.results == expected
        goal = example.wanted(data).tolist()
        assert search.hits == [data.labels[p].tolist() == goal for p in expected]
        t = SCHEMA.types.index(example.target_type)
        assert search.ignored == [data.labels[p, t] != goal[t] for p in expected]
        plain = search.to_plain(lambda position: {"position": position})
        assert plain["query"] == {"position": example.query}
        assert [r["position"] for r in plain["results"]] == expected
        assert [r["hit"] for r in plain["results"]] == search.hits


def test_missing_labels_are_neither_shown_nor_edited_nor_held_against_a_result() -> None:
    data = labelled_set()
    rng = np.random.default_rng(0)
    data.labels[rng.random(data.labels.shape) < 0.4] = -1
    index = Retriever.of(NoEdit(), data.features)
    examples = choose_examples(data, 6, seed=0)
    assert len(examples) == 6 * len(SCHEMA.types)
    unknown = 0
    for example in examples:
        t, own = SCHEMA.types.index(example.target_type), data.labels[example.query]
        assert own[t] != -1
        assert set(classes_of(data, example.query)) == {
            name for name, c in zip(SCHEMA.types, own, strict=True) if c != -1
        }
        search = Search.run(example, data, index, 9)
        wanted = example.wanted(data)
        for position, hit, ignored in zip(search.results, search.hits, search.ignored, strict=True):
            labels = data.labels[position]
            assert hit == all(w in (-1, c) for w, c in zip(wanted, labels, strict=True))
            assert ignored == (labels[t] not in (-1, wanted[t]))
            unknown += labels[t] == -1
    assert unknown
