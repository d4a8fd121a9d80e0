"""The contract of every Editor, and what each method does to a feature."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attribute_world import SCHEMA, World, make_world
from flam_pl.attributes import SchemaError
from flam_pl.editing.editor import Editor, NoEdit
from flam_pl.editing.edits import Edit
from flam_pl.methods.arithmetic import Arithmetic
from flam_pl.methods.generator import Flam
from flam_pl.methods.slerp import Slerp, turned
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.manipulator import Manipulator


def embedders_of(world: World, working_dim: int | None = None) -> AttributeEmbedders:
    net = AttributeEmbedders(SCHEMA, world.features.shape[1], 6, working_dim=working_dim, hidden=16)
    net.fit(world.features, torch.from_numpy(world.labels))
    return net.eval()


def editors(world: World) -> list[Editor]:
    embedders = embedders_of(world)
    manipulator = Manipulator(SCHEMA, 12, 6, hidden=16, discriminator_hidden=16).eval()
    flam = Flam(embedders, manipulator, "flam")
    return [NoEdit(), Arithmetic(embedders), Slerp(embedders), flam]


@pytest.mark.parametrize("number", range(4))
def test_query_and_gallery_vectors_have_the_same_dimension_and_leave_the_features(
    number: int,
) -> None:
    world = make_world(rows=30)
    editor = editors(world)[number]
    features = world.features.clone()
    with torch.inference_mode():
        gallery = editor.represent(features)
        for name in SCHEMA.types:
            for class_name in SCHEMA.of(name):
                query = editor.edit(features[:5], [Edit(name, class_name)])
                assert query.shape == (5, gallery.shape[1]) and torch.isfinite(query).all()
        assert editor.edit(features[:0], [Edit("color", "red")]).shape == (0, gallery.shape[1])
    assert len(gallery) == 30 and torch.equal(features, world.features)


@pytest.mark.parametrize("number", range(1, 4))
def test_a_word_that_the_schema_does_not_know_is_refused(number: int) -> None:
    editor = editors(make_world(rows=30))[number]
    x = torch.randn(2, 12)
    with pytest.raises(SchemaError, match="pink"):
        editor.edit(x, [Edit("color", "pink")])
    with pytest.raises(SchemaError, match="sleeve"):
        editor.edit(x, [Edit("sleeve", "short")])


def test_names_are_those_of_the_report_and_differ() -> None:
    names = [editor.name for editor in editors(make_world(rows=30))]
    assert names == ["no_edit", "arithmetic", "slerp", "flam"]


def test_no_edit_ignores_the_edit() -> None:
    x = torch.randn(3, 12)
    assert torch.equal(NoEdit().edit(x, [Edit("color", "red")]), x)
    assert torch.equal(NoEdit().represent(x), x)


def test_arithmetic_moves_from_the_mean_of_the_class_it_sees_to_the_wanted_one() -> None:
    world = make_world(rows=60)
    embedders = embedders_of(world)
    x = world.features[:8]
    seen = embedders.classify(embedders(x))[:, 1].tolist()
    means = [world.features[world.labels[:, 1] == c].mean(dim=0) for c in range(4)]
    expected = torch.stack([row - means[old] + means[2] for row, old in zip(x, seen, strict=True)])
    got = Arithmetic(embedders, times=1).edit(x, [Edit("color", "blue")])
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
    assert len(set(seen)) > 1 and not torch.allclose(got, x, atol=0.1)
    far = Arithmetic(embedders, times=4)
    quarter = far.edit(x, [Edit("color", "blue", 0.25)])
    torch.testing.assert_close(quarter, expected, atol=1e-5, rtol=1e-5)
    whole = far.edit(x, [Edit("color", "blue")])
    torch.testing.assert_close(whole, x + 4 * (expected - x), atol=1e-5, rtol=1e-5)


def test_arithmetic_lands_on_the_answer_where_classes_add_up() -> None:
    """In a world of sums the edit is exact, if only the old class is recognised."""
    world = make_world(rows=2000, noise=0.0)
    embedders = embedders_of(world)
    old, color = world.labels[:20, 1], embedders.of("color")
    color.forward = lambda _: color.dictionary[torch.from_numpy(old)]
    edited = Arithmetic(embedders, times=1).edit(world.features[:20], [Edit("color", "black")])
    ideal = world.features[:20] - world.directions[1][old] + world.directions[1][3]
    # the means also hold the average of the other types, equal up to sampling error
    assert (ideal - world.features[:20]).norm(dim=1).max() > 2
    assert (edited - ideal).norm(dim=1).max() < 0.5


@pytest.mark.parametrize("working_dim", [None, 5])
@pytest.mark.parametrize("gated", [True, False])
def test_flam_is_g_of_the_feature_and_the_dictionary_vector(
    working_dim: int | None, gated: bool
) -> None:
    world = make_world(rows=40)
    embedders = embedders_of(world, working_dim)
    sizes = {"hidden": 16, "discriminator_hidden": 16}
    net = Manipulator(SCHEMA, embedders.space.dimension, 6, gated=gated, **sizes).eval()
    x = world.features[:4]
    got = Flam(embedders, net).edit(x, [Edit("pattern", "striped")])
    z = embedders.space(x)
    wanted = embedders.of("pattern").dictionary[1].repeat(4, 1)
    code = torch.tensor([0.0, 0.0, 1.0]).repeat(4, 1)
    edited = net.generators[0](z, torch.cat([wanted, code], dim=1))
    # nothing is kept of what the working space leaves out of x
    torch.testing.assert_close(got, embedders.space.inverse(edited))
    assert working_dim is None or (x - embedders.space.inverse(z)).norm() > 0.1
    other = Flam(embedders, net).edit(x, [Edit("pattern", "plain")])
    assert not torch.allclose(other, got, atol=1e-3)


def test_flam_searches_among_the_features_as_they_are_stored() -> None:
    world = make_world(rows=40)
    editor = editors(world)[2]
    assert torch.equal(editor.represent(world.features), world.features)


def test_an_edit_of_a_batch_is_the_edit_of_each_row() -> None:
    world = make_world(rows=40)
    for editor in editors(world):
        with torch.inference_mode():
            dress = [Edit("shape", "dress")]
            together = editor.edit(world.features[:6], dress)
            alone = [editor.edit(world.features[i : i + 1], dress) for i in range(6)]
        np.testing.assert_allclose(together.numpy(), torch.cat(alone).numpy(), atol=1e-5)


# --- slerp


def test_slerp_turns_the_query_towards_the_class_by_part_of_the_angle() -> None:
    world = make_world(rows=60)
    embedders = embedders_of(world)
    editor, x = Slerp(embedders, part=0.4), world.features[:6]
    means = embedders.of("color").class_means
    blue = means[SCHEMA.index("color", "blue")] - means.mean(dim=0)
    got = editor.edit(x, [Edit("color", "blue", strength=0.5)])
    for before, after in zip(x.double(), got.double(), strict=True):
        whole = angle(before, blue.double())
        assert angle(after, blue.double()) == pytest.approx(0.8 * whole, abs=1e-3)
        assert angle(before, after) == pytest.approx(0.2 * whole, abs=1e-3)
        assert float(after.norm()) == pytest.approx(float(before.norm()), rel=1e-5)
    both = editor.edit(x, [Edit("pattern", "striped"), Edit("color", "blue")])
    one = editor.edit(x, [Edit("color", "blue")])
    torch.testing.assert_close(both, editor.edit(one, [Edit("pattern", "striped")]))


def test_a_turn_between_parallel_vectors_is_no_turn() -> None:
    x = torch.tensor([[3.0, 4.0, 0.0]])
    torch.testing.assert_close(turned(x, 2 * x, 0.5), x)


def angle(a: torch.Tensor, b: torch.Tensor) -> float:
    """Between two vectors, by the half-angle formula, which is exact for small ones."""
    a, b = a / a.norm(), b / b.norm()
    return float(2 * torch.atan2((a - b).norm(), (a + b).norm()))
