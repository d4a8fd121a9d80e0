"""The FAISS index answers as the exact search does, plain and edited."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from attribute_world import SCHEMA, make_world
from flam_pl.editing.editor import NoEdit
from flam_pl.editing.edits import Edit
from flam_pl.errors import FlamError
from flam_pl.galleries.exact import top_k
from flam_pl.methods.arithmetic import Arithmetic
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.retrieval.retriever import GalleryIndex
from flam_pl.retrieval.vectors import Posteriors, ScoreWeights, SearchVectors


def arithmetic() -> tuple[Arithmetic, torch.Tensor]:
    world = make_world(rows=200)
    embedders = AttributeEmbedders(SCHEMA, 12, 6, hidden=16).eval().requires_grad_(False)
    embedders.fit(world.features, torch.from_numpy(world.labels))
    return Arithmetic(embedders), world.features


@pytest.mark.parametrize("edits", [[], [Edit("color", "black")]])
def test_the_index_finds_what_the_exact_search_finds(edits: list[Edit]) -> None:
    editor, features = arithmetic()
    gallery, queries = features[:150], 5 * features[150:]
    index = GalleryIndex(editor, gallery)
    cosines, positions = index.search(queries, 7, edits)
    vectors = F.normalize(editor.edit(queries, edits) if edits else queries, dim=1)
    expected = top_k(vectors.detach(), F.normalize(gallery, dim=1), 7)
    assert len(index) == 150 and positions.shape == (50, 7)
    assert np.array_equal(positions, expected[1].numpy())
    np.testing.assert_allclose(cosines, expected[0].numpy(), atol=1e-5)
    assert cosines.max() <= 1 + 1e-5


def test_plain_and_edited_searches_differ() -> None:
    editor, features = arithmetic()
    index = GalleryIndex(editor, features[:150])
    plain, edited = (index.search(features[150:], 5, w)[1] for w in ([], [Edit("color", "red")]))
    assert (plain != edited).mean() > 0.2


def test_more_results_than_the_gallery_holds_are_all_of_it() -> None:
    index = GalleryIndex(NoEdit(), torch.randn(4, 3))
    cosines, positions = index.search(torch.randn(2, 3), 50)
    assert sorted(positions[0].tolist()) == [0, 1, 2, 3] and cosines.shape == (2, 4)
    assert (np.diff(cosines, axis=1) <= 0).all()


def test_the_index_searches_by_whole_vectors_where_there_are_posteriors() -> None:
    editor, features = arithmetic()
    posteriors = Posteriors.of_embedders(editor.embedders)
    vectors = SearchVectors(editor, posteriors, ScoreWeights(0.9, 0.4, 0.5))
    gallery, queries, edits = features[:150], features[150:], [Edit("color", "black")]
    scores, positions = GalleryIndex(vectors, gallery).search(queries, 7, edits)
    with torch.inference_mode():
        expected = top_k(vectors.queries(queries, edits), vectors.gallery(gallery), 7)
    assert np.array_equal(positions, expected[1].numpy())
    np.testing.assert_allclose(scores, expected[0].numpy(), atol=1e-4)
    assert (positions != GalleryIndex(editor, gallery).search(queries, 7, edits)[1]).any()


def test_a_query_is_left_out_wherever_it_stands_and_nobody_else() -> None:
    editor, features = arithmetic()
    index, red = GalleryIndex(editor, features[:60]), [Edit("color", "red")]
    scores, positions = index.search(features[:20], 60, red)
    for row in range(20):
        place = positions[row].tolist().index(row)
        for k in (1, place or 1, place + 1, 59, 60, 100):
            got, found = index.search(features[row : row + 1], k, red, exclude=[row])
            keep = [n for n in range(60) if n != place][:k]
            assert found[0].tolist() == positions[row, keep].tolist()
            np.testing.assert_allclose(got[0], scores[row, keep], atol=1e-5)


def test_without_faiss_the_extra_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(FlamError, match=r"flam-pl\[cpu\]"):
        GalleryIndex(NoEdit(), torch.randn(4, 3))
