"""AttributeEmbedders: unit length, dictionaries, class means, pseudo-labels, probabilities."""

from __future__ import annotations

import pytest
import torch

from attribute_world import SCHEMA, make_world
from flam_pl.attributes import AttributeSchema, SchemaError
from flam_pl.models.attribute_embedder import AttributeEmbedders


def embedders(dimension: int = 12, **options: int) -> AttributeEmbedders:
    return AttributeEmbedders(SCHEMA, dimension, embedding_dim=6, hidden=16, **options).eval()


def test_embeddings_and_dictionary_vectors_have_unit_length() -> None:
    net = embedders()
    embeddings = net(10 * torch.randn(5, 12))
    assert embeddings.shape == (5, 3, 6)
    torch.testing.assert_close(embeddings.norm(dim=2), torch.ones(5, 3))
    for name, size in zip(SCHEMA.types, SCHEMA.sizes, strict=True):
        dictionary = net.of(name).dictionary
        assert dictionary.shape == (size, 6)
        torch.testing.assert_close(dictionary.norm(dim=1), torch.ones(size))


def test_each_type_has_its_own_embedding_in_schema_order() -> None:
    net, x = embedders(), torch.randn(4, 12)
    embeddings = net(x)
    for t, name in enumerate(SCHEMA.types):
        assert torch.equal(embeddings[:, t], net.of(name)(net.space(x)))
    assert not torch.allclose(embeddings[:, 0], embeddings[:, 1], atol=0.1)


@pytest.mark.parametrize("working_dim", [None, 5])
def test_stored_features_pass_through_the_feature_space(working_dim: int | None) -> None:
    net = AttributeEmbedders(SCHEMA, 12, 6, working_dim=working_dim, hidden=16).eval()
    world = make_world()
    net.fit(world.features, torch.from_numpy(world.labels))
    assert net.space.dimension == (working_dim or 12)
    assert torch.equal(net(world.features), net.embed(net.space(world.features)))


def test_class_means_are_the_means_of_the_labelled_rows() -> None:
    world = make_world(rows=60)
    labels = torch.from_numpy(world.labels.copy())
    labels[::3] = -1
    labels[labels[:, 1] == 2, 1] = -1  # no "blue" is labelled
    net = embedders()
    net.fit(world.features, labels)
    for t, name in enumerate(SCHEMA.types):
        for c in range(SCHEMA.sizes[t]):
            rows = [i for i in range(60) if int(labels[i, t]) == c]
            chosen = world.features[rows] if rows else world.features
            expected = chosen.sum(dim=0) / len(chosen)
            torch.testing.assert_close(net.of(name).class_means[c], expected)
    assert not torch.allclose(net.of("color").class_means[0], world.features.mean(0), atol=0.1)


def test_classify_names_the_nearest_dictionary_vector() -> None:
    net = embedders()
    embeddings = net(torch.randn(20, 12))
    labels = net.classify(embeddings)
    assert labels.shape == (20, 3)
    for row in range(20):
        for t, name in enumerate(SCHEMA.types):
            distances = [
                float((embeddings[row, t] - d).norm()) for d in net.of(name).dictionary.detach()
            ]
            assert int(labels[row, t]) == distances.index(min(distances))
    assert len(labels.unique(dim=0)) > 3


@pytest.mark.parametrize("members", [1, 3])
def test_probabilities_are_a_softmax_of_the_members_mean_cosine(members: int) -> None:
    net, x = embedders(members=members), torch.randn(5, 12)
    z, embeddings = net.space(x), net(x)
    net.of("color").temperature.fill_(0.5)
    for t, name in enumerate(SCHEMA.types):
        of = net.of(name)
        cosines = torch.stack([member(z) @ member.dictionary.T for member in of.members]).mean(0)
        for got, temperature in (
            (net.probabilities(embeddings)[t], of.temperature),
            (net.read(x)[t], of.temperature),
            (net.probabilities(embeddings, torch.tensor(0.1))[t], 0.1),
        ):
            torch.testing.assert_close(got, (cosines / temperature).softmax(dim=1))
    assert not torch.equal(net.of("color").temperature, net.of("shape").temperature)


def test_an_unknown_type_is_refused_by_name() -> None:
    with pytest.raises(SchemaError, match="sleeve"):
        embedders().of("sleeve")


@pytest.mark.parametrize("name", ["type", "values", "items", "neck.line"])
def test_any_column_name_can_be_an_attribute_type(name: str) -> None:
    """A user's table may have a column "type", which is no valid name of a module."""
    schema = AttributeSchema({name: ("a", "b"), "color": ("red", "green")})
    net = AttributeEmbedders(schema, 8, 4, hidden=8).eval()
    assert net(torch.randn(2, 8)).shape == (2, 2, 4)
    assert net.of(name).dictionary.shape == (2, 4)
