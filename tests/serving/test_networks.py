"""The networks of a bundle make the vectors that ``retrieval`` makes of the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_bundle import (
    DIMENSION,
    EDITORS,
    SCHEMA,
    made_bundle,
    made_contents,
    made_features,
    made_parts,
    trained_vectors,
)
from torch import Tensor
from torch.nn import functional as F

from flam_pl.editing.edits import Edit
from flam_pl.serving.networks import build
from flam_pl.serving.queries import Encoded, QueryReader
from flam_pl.serving.results import Query
from flam_pl.serving.runtime import gallery_vectors, open_runtime

POSTERIORS = [{}, {"both": True}, {"hardened": True}, {"both": True, "hardened": True}]
EXAMPLE = made_features(1, seed=9)[0]
EDITS: list[list[Edit]] = [
    [],
    [Edit("color", "red")],
    [Edit("sleeve", "long", 0.3), Edit("color", "navy blue")],
    [Edit("pattern", {"striped": 1, "dots": 3}, 0.3)],
    [Edit.like("pattern", EXAMPLE), Edit("color", "black", 0.0)],
    [Edit("color", "blue", 0.0)],
    [
        Edit("sleeve", "short"),
        Edit("pattern", "plain", 0.3),
        Edit("color", {"red": 2.0, "navy blue": 1.0}),
    ],
    [Edit.like("color", EXAMPLE, 0.3), Edit.like("sleeve", EXAMPLE)],
    [Edit("color", {"blue": 5.0})],
]


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    return made_parts()


def reader_of(folder: Path, parts: Any, editor: str, **changes: Any) -> QueryReader:
    bundle = made_bundle(folder, editor, parts, **changes)
    return QueryReader(bundle, open_runtime(bundle, "torch", "cpu"), lambda id: np.zeros(0))


def encoded(reader: QueryReader, features: Tensor, edits: list[list[Edit]]) -> list[Encoded]:
    queries = [
        Query(vector=f.numpy(), edits=tuple(e)) for f, e in zip(features, edits, strict=True)
    ]
    found = reader.read(queries)
    return [each for each in found if isinstance(each, Encoded)]


@pytest.mark.parametrize("posteriors", POSTERIORS)
@pytest.mark.parametrize("editor", EDITORS)
def test_a_batch_of_different_edits_gets_the_vectors_of_single_searches(
    editor: str, posteriors: dict[str, bool], parts: Any, tmp_path: Path
) -> None:
    reader = reader_of(tmp_path / "bundle", parts, editor, **posteriors)
    oracle = trained_vectors(reader.bundle.contents, parts)
    features = made_features(len(EDITS))
    found = encoded(reader, features, EDITS)
    assert len(found) == len(EDITS)
    changed = 0.0
    for n, (each, edits) in enumerate(zip(found, EDITS, strict=True)):
        expected = oracle.queries(features[[n]], edits)[0].numpy()
        np.testing.assert_allclose(each.vector, expected, rtol=0, atol=3e-6)
        changed = max(
            changed, np.abs(expected - oracle.queries(features[[n]], [])[0].numpy()).max()
        )
    assert changed > 0.1  # the edits matter
    # the order of the rows, and of the edits in a row, does not
    back = encoded(reader, features.flip(0), [edits[::-1] for edits in EDITS[::-1]])
    for each, other in zip(found, back[::-1], strict=True):
        np.testing.assert_allclose(each.vector, other.vector, rtol=0, atol=1e-6)


@pytest.mark.parametrize("editor", EDITORS)
def test_without_an_edit_the_vector_is_the_plain_one_to_the_bit(
    editor: str, parts: Any, tmp_path: Path
) -> None:
    reader = reader_of(tmp_path / "bundle", parts, editor)
    features = made_features(4)
    edits = [[], [Edit("color", "red")], [], [Edit("color", "red", 0.0)]]
    found = encoded(reader, features, edits)
    for n in (0, 2, 3):
        plain = F.normalize(features[[n]], dim=1)[0].numpy()
        assert np.array_equal(found[n].vector[:DIMENSION], plain)
        assert not found[n].vector[DIMENSION:].any()
    assert found[1].vector[DIMENSION:].any()


@pytest.mark.parametrize("editor", EDITORS)
def test_the_editor_is_the_method(editor: str, parts: Any) -> None:
    """Without a bundle, for every class as a whole edit of one row among others."""
    contents = made_contents(editor)
    networks, made = build(vars(contents), SCHEMA)
    for name, part in made.items():
        part.load_state_dict(parts[name].state_dict())
    net = networks.eval().query.editor
    method, table = trained_vectors(contents, parts).editor, net.table()
    pairs = [(t, c) for t, size in enumerate(SCHEMA.sizes) for c in range(size)]
    features, k = made_features(len(pairs)), table.shape[2]
    wanted, strength = torch.zeros(len(pairs), 3, k), torch.zeros(len(pairs), 3)
    for row, (t, c) in enumerate(pairs):
        wanted[row, t], strength[row, t] = table[t, c], 1
    with torch.inference_mode():
        edited = net(features, wanted, strength)
    unchanged = 0
    for row, (t, c) in enumerate(pairs):
        kind = SCHEMA.types[t]
        expected = method.edit(features[[row]], [Edit(kind, SCHEMA.of(kind)[c])])[0]
        torch.testing.assert_close(edited[row], expected, rtol=1e-5, atol=1e-5)
        unchanged += torch.equal(expected, features[row])
    assert (unchanged == len(pairs)) == (editor == "none")


@pytest.mark.parametrize("posteriors", POSTERIORS)
def test_gallery_vectors_are_those_of_the_training_in_half_precision(
    posteriors: dict[str, bool], parts: Any, tmp_path: Path
) -> None:
    reader = reader_of(tmp_path / "bundle", parts, "none", **posteriors)
    oracle = trained_vectors(reader.bundle.contents, parts)
    features = made_features(20)
    expected = oracle.gallery(features)
    found, directions = reader.runtime.read(features.numpy())
    vectors, lengths = gallery_vectors(features.numpy(), found)
    assert vectors.dtype == np.float16
    np.testing.assert_allclose(vectors, expected, rtol=2**-10, atol=1e-4)
    np.testing.assert_allclose(lengths, features.norm(dim=1), rtol=1e-6)
    assert np.isfinite(vectors).all() and (vectors[:, DIMENSION:] > np.log(1e-3) - 0.01).all()
    both = reader.runtime.networks.vectors(features, torch.from_numpy(found))  # type: ignore[attr-defined]
    torch.testing.assert_close(both, expected, rtol=0, atol=2e-6)
    own = torch.cat(oracle.posteriors.read(features), dim=1)  # type: ignore[union-attr]
    np.testing.assert_allclose(found, own, rtol=0, atol=1e-6)
    assert directions.shape == (20, 3, 4)


def test_a_feature_of_zeros_has_a_finite_vector() -> None:
    vectors, lengths = gallery_vectors(np.zeros((1, 3)), np.array([[0.0, 1.0]]))
    np.testing.assert_allclose(vectors, [[0, 0, 0, np.log(1e-3), 0]], rtol=1e-3)
    assert lengths.tolist() == [0]


def test_pixels_become_the_features_of_the_backbone(parts: Any, tmp_path: Path) -> None:
    reader = reader_of(tmp_path / "bundle", parts, "none")
    pixels = [
        np.random.default_rng(n).integers(0, 256, (3, 32, 32), dtype=np.uint8) for n in range(70)
    ]
    with torch.inference_mode():
        expected = parts["backbone"](torch.from_numpy(np.stack(pixels)))
    found = reader.runtime.features(pixels)
    assert found.shape == (70, DIMENSION) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
