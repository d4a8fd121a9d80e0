"""CF@k: which edits have an answer that is known by name, and where it stands, by loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from attribute_world import SCHEMA
from flam_pl.editing.editor import Editor, NoEdit
from flam_pl.evaluation.counterfactuals import (
    counterfactual_edits,
    counterfactual_ranks,
)
from flam_pl.evaluation.oracle import OracleRanking
from flam_pl.evaluation.searches import EvaluationSet, Searcher
from flam_pl.metrics.bootstrap import bootstraps
from made_editors import Shift
from slow_measures import edit_of, interval_by_item, is_hit, wanted_by

KS = (1, 5, 20)


def random_set(seed: int, rows: int = 50, single: bool = False) -> EvaluationSet:
    """Garments of 1 to 4 photos, some photos of none; a quarter of the labels is not known, and
    some photos do not ask.

    Args:
        single: whether the photos of a garment differ in one known type only, as in the wardrobe.
    """
    rng = np.random.default_rng(seed)
    labels = np.stack([rng.integers(size, size=rows) for size in SCHEMA.sizes], axis=1)
    labels[rng.random(labels.shape) < 0.25] = -1
    garments = rng.integers(-4, rows // 3, size=rows)
    garments = np.where(garments < 0, -1, 10 * garments + 3)
    if single:
        for garment in np.unique(garments[garments >= 0]):
            first, *others = np.flatnonzero(garments == garment)
            for row in others:
                labels[row] = labels[first]
                t = int(rng.integers(3))
                if labels[first, t] >= 0:
                    labels[row, t] = rng.integers(SCHEMA.sizes[t])
    queries = np.sort(rng.permutation(rows)[: rows * 3 // 4])
    if single:  # the first photo of each garment asks, as the item that the others were made from
        queries = np.array([np.flatnonzero(garments == g)[0] for g in np.unique(garments)])
        queries = np.sort(queries[garments[queries] >= 0])
    features = torch.from_numpy(rng.normal(size=(rows, 5)).astype(np.float32))
    nobody = np.full(rows, -1)
    return EvaluationSet(SCHEMA, features, labels, queries, nobody, garments)


def slow_edits(data: EvaluationSet) -> dict[tuple[int, int, int], set[int]]:
    """Query number, type and class -> the photos of the garment that are right."""
    found: dict[tuple[int, int, int], set[int]] = {}
    for number, query in enumerate(data.queries.tolist()):
        for photo in range(len(data.labels)):
            if photo == query or data.garments[query] < 0:
                continue
            if data.garments[photo] != data.garments[query]:
                continue
            for t in range(len(SCHEMA.types)):
                own, other = int(data.labels[query, t]), int(data.labels[photo, t])
                if own >= 0 and other >= 0 and own != other:
                    found.setdefault((number, t, other), set()).add(photo)
    return found


def as_list(edits: np.ndarray) -> list[tuple[int, int, int]]:
    return [tuple(edit) for edit in edits.tolist()]


def slow_ranks(
    editor: Editor, data: EvaluationSet, edits: list[tuple[int, int, int]], depth: int
) -> list[float]:
    """Rank of the first right photo, from 1; infinite behind the depth."""
    right, ranks = slow_edits(data), []
    gallery = torch.nn.functional.normalize(editor.represent(data.features), dim=1)
    for number, t, c in edits:
        query = int(data.queries[number])
        vector = editor.edit(data.features[query : query + 1], [edit_of(data, t, c)])[0]
        order = [p for p in (gallery @ vector).argsort(descending=True).tolist() if p != query]
        places = [rank for rank, p in enumerate(order, 1) if p in right[number, t, c]]
        ranks.append(float(min(places)) if min(places) <= depth else float("inf"))
    return ranks


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_edits_are_those_of_a_loop_over_pairs_of_photos(seed: int) -> None:
    data = random_set(seed)
    edits = counterfactual_edits(data)
    assert as_list(edits) == sorted(slow_edits(data)) and len(edits) == len(slow_edits(data))


@settings(max_examples=6)
@given(seed=st.integers(0, 10_000), depth=st.sampled_from([5, 49]))
def test_ranks_are_those_of_a_loop_over_searches(seed: int, depth: int) -> None:
    data, editor = random_set(seed), Shift(seed, 5)
    edits = counterfactual_edits(data)
    assert len(edits) > 3
    expected = slow_ranks(editor, data, as_list(edits), depth)
    assert counterfactual_ranks(editor, data, edits, depth).tolist() == expected
    by_searcher = counterfactual_ranks(Searcher(editor, data, depth), data, edits, depth)
    assert by_searcher.tolist() == expected


def tiny_set(
    labels: list[list[int]], garments: list[int], queries: list[int], items: list[int] | None = None
) -> EvaluationSet:
    rows = len(labels)
    angles = torch.arange(rows) * 0.1
    features = torch.stack([angles.cos(), angles.sin()], dim=1)  # the nearer in number the nearer
    nobody = np.full(rows, -1)
    return EvaluationSet(
        SCHEMA,
        features,
        np.array(labels),
        np.array(queries),
        nobody if items is None else np.array(items),
        np.array(garments),
    )


def test_a_class_that_is_not_known_asks_for_nothing_and_answers_nothing() -> None:
    data = tiny_set([[0, -1, 0], [0, 2, 0], [1, -1, -1], [0, 2, 1]], [5, 5, 5, -1], [0, 1])
    # 0 -> jeans (photo 2); 1 -> jeans (photo 2); no color, no pattern, nothing of photo 3
    assert as_list(counterfactual_edits(data)) == [(0, 0, 1), (1, 0, 1)]


def test_photos_of_no_garment_are_no_counterfactuals_of_each_other() -> None:
    data = tiny_set([[0, 0, 0], [1, 0, 0], [2, 1, 1]], [-1, -1, 7], [0, 1, 2])
    assert len(counterfactual_edits(data)) == 0


def test_another_garment_of_the_wanted_class_is_no_hit() -> None:
    """Photo 1 is blue and nearer, but of another garment; photo 2 is the same one in black."""
    data = tiny_set([[0, 0, 0], [0, 2, 0], [0, 3, 0], [0, 2, 0]], [4, 8, 4, 4], [0])
    edits = counterfactual_edits(data)
    assert as_list(edits) == [(0, 1, 2), (0, 1, 3)]  # in blue (photo 3) and in black (photo 2)
    assert counterfactual_ranks(NoEdit(), data, edits, 3).tolist() == [3, 2]
    assert counterfactual_ranks(NoEdit(), data, edits, 2).tolist() == [np.inf, 2]


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_the_oracle_ranking_has_every_counterfactual_with_all_labels_among_the_hits(
    seed: int,
) -> None:
    """Photos of a garment differ in one label at most, so that each counterfactual is a hit: behind
    it stand only photos that are no hits, and before it at most the other hits."""
    data = random_set(seed, single=True)
    edits = counterfactual_edits(data)
    ranks = counterfactual_ranks(OracleRanking(data, 49), data, edits, 49)
    right = slow_edits(data)
    for (number, t, c), rank in zip(as_list(edits), ranks, strict=True):
        query = int(data.queries[number])
        wanted = wanted_by(data, query, (t, c))
        hits = [p for p in range(50) if p != query and is_hit(data, p, wanted)]
        assert right[number, t, c] <= set(hits)
        assert 1 <= rank <= 1 + len(hits) - len(right[number, t, c])


def test_intervals_are_those_of_a_loop_over_resamples_of_garments() -> None:
    data = random_set(8, rows=80)
    edits = counterfactual_edits(data)
    hits = counterfactual_ranks(Shift(8, 5), data, edits, 79) <= 20
    garments = data.garments[data.queries[edits[:, 0]]]
    assert len(set(garments.tolist())) < len(set(edits[:, 0].tolist()))  # several of one ask
    # the order in which they are drawn is that of their codes, the last garment first
    ends = interval_by_item(hits.tolist(), [1] * len(hits), (-garments).tolist(), 40, 3)
    items = data.query_items[edits[:, 0]]
    each = hits[:, None], np.ones(len(hits)), ["CF@20"]
    figure = bootstraps(*each, items, (40, 3))["CF@20"]
    assert (figure.low, figure.high) == pytest.approx(ends)
