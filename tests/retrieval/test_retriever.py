"""One Retriever searches any gallery, plain and edited."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from attribute_world import SCHEMA, make_world
from flam_pl.editing.editor import NoEdit
from flam_pl.editing.edits import Edit
from flam_pl.galleries.base import Gallery
from flam_pl.galleries.exact import ExactGallery
from flam_pl.galleries.faiss import FaissGallery
from flam_pl.methods.arithmetic import Arithmetic
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.retrieval.posteriors import Posteriors
from flam_pl.retrieval.retriever import Retriever
from flam_pl.retrieval.vectors import ScoreWeights, SearchVectors

RED, BLACK = Edit("color", "red"), Edit("color", "black")
of_every_kind = pytest.mark.parametrize("gallery", [ExactGallery, FaissGallery])
Kind = Callable[[Tensor], Gallery]


def arithmetic() -> tuple[Arithmetic, Tensor]:
    world = make_world(rows=200)
    embedders = AttributeEmbedders(SCHEMA, 12, 6, hidden=16).eval().requires_grad_(False)
    embedders.fit(world.features, torch.from_numpy(world.labels))
    return Arithmetic(embedders), world.features


def slow_search(
    queries: Tensor, gallery: Tensor, k: int
) -> tuple[list[list[float]], list[list[int]]]:
    """Positions of the k photos with the largest inner product, one product at a time."""
    scores = [[float(q @ v) for v in gallery] for q in queries]
    order = [sorted(range(len(gallery)), key=lambda p, of=of: -of[p])[:k] for of in scores]
    return [[of[p] for p in best] for of, best in zip(scores, order, strict=True)], order


@of_every_kind
@pytest.mark.parametrize("edits", [[], [BLACK]], ids=["plain", "edited"])
def test_an_editor_is_searched_by_the_cosine(gallery: Kind, edits: list[Edit]) -> None:
    editor, features = arithmetic()
    photos, queries = features[:150], 5 * features[150:]
    retriever = Retriever.of(editor, photos, gallery)
    scores, ids = retriever.search(queries, edits, 7)
    vectors = F.normalize(editor.edit(queries, edits) if edits else queries, dim=1)
    expected, order = slow_search(vectors, F.normalize(photos, dim=1), 7)
    assert len(retriever.gallery) == 150 and ids.dtype == torch.long
    assert ids.tolist() == order
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert not scores.requires_grad and scores.max() <= 1 + 1e-5


@of_every_kind
def test_search_vectors_are_searched_by_their_inner_product(gallery: Kind) -> None:
    editor, features = arithmetic()
    posteriors = Posteriors.of_embedders(editor.embedders)
    vectors = SearchVectors(editor, posteriors, ScoreWeights(0.9, 0.4, 0.5))
    photos, queries = features[:150], features[150:160]
    scores, ids = Retriever.of(vectors, photos, gallery).search(queries, [BLACK], 7)
    expected, order = slow_search(vectors.queries(queries, [BLACK]), vectors.gallery(photos), 7)
    assert ids.tolist() == order
    np.testing.assert_allclose(scores, expected, atol=1e-4)
    assert (ids != Retriever.of(editor, photos, gallery).search(queries, [BLACK], 7)[1]).any()


def test_plain_and_edited_searches_differ() -> None:
    editor, features = arithmetic()
    retriever = Retriever.of(editor, features[:150])
    plain, edited = (retriever.search(features[150:], edits, 5)[1] for edits in ([], [RED]))
    assert (plain != edited).float().mean() > 0.2


@of_every_kind
def test_a_query_is_left_out_wherever_it_stands_and_no_other_photo(gallery: Kind) -> None:
    editor, features = arithmetic()
    retriever = Retriever.of(editor, features[:60], gallery)
    scores, ids = retriever.search(features[:20], [RED], 60)
    for row in range(20):
        place = ids[row].tolist().index(row)
        for k in (1, place or 1, place + 1, 59, 60, 100):
            got, found = retriever.search(features[row : row + 1], [RED], k, exclude=[row])
            keep = [n for n in range(60) if n != place][:k]
            assert found[0].tolist() == ids[row, keep].tolist()
            np.testing.assert_allclose(got[0], scores[row, keep], atol=1e-5)


@of_every_kind
def test_minus_one_excludes_nothing(gallery: Kind) -> None:
    retriever = Retriever.of(NoEdit(), torch.randn(6, 3), gallery)
    queries = torch.randn(2, 3)
    for k in (3, 6, 50):
        plain, with_none = (retriever.search(queries, [], k, e) for e in (None, [-1, -1]))
        assert plain[1].tolist() == with_none[1].tolist() and plain[1].shape == (2, min(k, 6))


def test_a_retriever_takes_a_gallery_that_is_there_already() -> None:
    editor, features = arithmetic()
    vectors = SearchVectors(editor)
    own = Retriever(vectors, ExactGallery(vectors.gallery(features[:50])))
    new = Retriever.of(editor, features[:50])
    both = (r.search(features[60:70], [RED], 5)[1] for r in (own, new))
    assert torch.equal(*both)
