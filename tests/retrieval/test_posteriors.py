"""Probabilities of a search against loops over single photos, and where they are exact."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attribute_world import SCHEMA, make_world
from flam_pl.editing.edits import Edit
from flam_pl.editing.targets import wanted_probabilities
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.retrieval.posteriors import (
    Posteriors,
    answer_probabilities,
    likely_combinations,
    raw_probabilities,
    result_probabilities,
)
from posterior import Posterior


def random_embedders(dimension: int) -> AttributeEmbedders:
    return AttributeEmbedders(SCHEMA, dimension, 6, hidden=8).eval().requires_grad_(False)


def target_of(
    net: AttributeEmbedders, queries: torch.Tensor, edits: dict[str, str]
) -> list[torch.Tensor]:
    own = net.probabilities(net(queries))
    return wanted_probabilities(own, [Edit(*edit) for edit in edits.items()], net)


def test_the_average_of_two_classifiers_is_their_geometric_mean() -> None:
    features = make_world(rows=9).features
    one, other = (Posteriors.of_embedders(random_embedders(12)) for _ in range(2))
    both = one.averaged_with(other)
    for p, q, found in zip(*(of.read(features) for of in (one, other, both)), strict=True):
        for row in range(len(features)):
            products = [math.sqrt(float(a) * float(b)) for a, b in zip(p[row], q[row], strict=True)]
            expected = [product / sum(products) for product in products]
            assert found[row].tolist() == pytest.approx(expected, rel=1e-5)
    assert both.means is one.means


@pytest.mark.parametrize("edits", [{"color": "blue"}, {"color": "blue", "pattern": "striped"}])
def test_probabilities_are_those_of_a_loop_over_photos(edits: dict[str, str]) -> None:
    world = make_world(rows=25)
    net = random_embedders(12)
    own = torch.tensor([0, 3, -1])
    queries, photos = world.features[[0, 3, 7]], world.features
    found = torch.tensor([[5, 2, 9, 11], [1, 8, 4, 0], [7, 6, 24, 3]])
    target, gallery = target_of(net, queries, edits), net.probabilities(net(photos))
    types = [SCHEMA.types.index(name) for name in edits]
    seen = raw_probabilities(target, gallery, found, types, exclude=own)
    probabilities = net.probabilities(net(torch.cat([queries, photos])))
    for q in range(3):
        fits = []
        for g in range(25):
            of_type = []
            for t, name in enumerate(SCHEMA.types):
                p_photo, p_query = probabilities[t][3 + g], probabilities[t][q]
                if name in edits:
                    of_type.append(float(p_photo[SCHEMA.index(name, edits[name])]))
                else:
                    of_type.append(sum(float(a * b) for a, b in zip(p_query, p_photo, strict=True)))
            fits.append((math.prod(of_type[t] for t in types), math.prod(of_type)))
        for n, g in enumerate(found[q].tolist()):
            for kind, p in zip(("attribute", "combination"), fits[g], strict=True):
                assert float(seen[kind][q, n]) == pytest.approx(p, abs=1e-5)
        some = 0.0
        for meant in itertools.product(*map(range, SCHEMA.sizes)):
            weight, none = 1.0, 1.0
            for t, c in enumerate(meant):
                weight *= float(target[t][q, c])
            for g in range(25):
                has = math.prod(float(probabilities[t][3 + g][c]) for t, c in enumerate(meant))
                none *= 1 - has if g != int(own[q]) else 1
            some += weight * (1 - none)
        assert float(seen["answer"][q]) == pytest.approx(some, abs=1e-4)


single_photos = st.lists(st.floats(0.001, 0.9), min_size=1, max_size=30)


@given(single=single_photos, more=st.floats(0.001, 0.9))
def test_one_photo_more_makes_an_answer_likelier_as_the_product_says(
    single: list[float], more: float
) -> None:
    def some(of: list[float]) -> float:
        gallery = [torch.tensor([[p, 1 - p] for p in of], dtype=torch.float64)]
        target = [torch.tensor([[1.0, 0.0]], dtype=torch.float64)]
        return float(answer_probabilities(target, gallery)[0])

    assert some(single) == pytest.approx(1 - math.prod(1 - p for p in single), abs=1e-5)
    assert some([*single, more]) > some(single) - 1e-6


def test_certain_and_impossible_photos_give_probabilities() -> None:
    gallery = [torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(500, 1)]
    target = [torch.tensor([[1.0, 0.0], [0.0, 1.0]])]
    assert (answer_probabilities(target, gallery) > 0.999).all()
    none = answer_probabilities([torch.tensor([[0.0, 1.0]])], [torch.tensor([[1.0, 0.0]])])
    assert 0 <= float(none) < 0.001
    # the only photo that fits is the query itself
    alone = [torch.tensor([[1.0, 0.0], [0.0, 1.0]])]
    itself = answer_probabilities([torch.tensor([[1.0, 0.0]])], alone, torch.tensor([0]))
    assert 0 <= float(itself) < 0.001


def test_a_query_of_doubtful_class_asks_for_either_and_not_for_half_of_each() -> None:
    """All photos have one class for certain: the answer is as likely as that class is wanted."""
    gallery = [torch.tensor([[1.0, 0.0]]).repeat(200, 1)]
    found = answer_probabilities([torch.tensor([[0.3, 0.7]])], gallery)
    assert float(found) == pytest.approx(0.3, abs=1e-4)


def test_the_likeliest_combinations_are_those_of_a_sorted_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw = np.random.default_rng(0)
    sizes = (3, 4, 2, 3)
    target = [torch.from_numpy(draw.dirichlet(np.ones(n), size=5)) for n in sizes]
    for most in (1, 7, 500):
        monkeypatch.setattr("flam_pl.retrieval.posteriors.COMBINATIONS", most)
        meant, weights = likely_combinations(target)
        assert meant.shape == (5, min(most, math.prod(sizes)), 4)
        for q in range(5):
            probability = {
                c: math.prod(float(target[t][q, k]) for t, k in enumerate(c))
                for c in itertools.product(*map(range, sizes))
            }
            best = sorted(probability, key=lambda c: -probability[c])[:most]
            assert [tuple(c) for c in meant[q].tolist()] == best
            total = sum(probability[c] for c in best)
            expected = [probability[c] / total for c in best]
            assert weights[q].tolist() == pytest.approx(expected)


def test_many_combinations_are_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    target = [torch.from_numpy(draw.dirichlet(np.ones(n), size=7)).float() for n in (3, 2)]
    gallery = [torch.from_numpy(draw.dirichlet(np.ones(n), size=9)).float() for n in (3, 2)]
    own = torch.tensor([0, -1, 3, 8, -1, 2, 1])
    whole = answer_probabilities(target, gallery, own)
    monkeypatch.setattr("flam_pl.retrieval.posteriors.CHUNK", 3)
    torch.testing.assert_close(answer_probabilities(target, gallery, own), whole)


def test_the_results_alone_have_the_probabilities_of_the_whole_gallery() -> None:
    world = make_world(rows=30, noise=1.0)
    net = Posterior(world, noise=1.0)
    target = target_of(net, world.features[:2], {"shape": "dress"})
    gallery = net.probabilities(net(world.features))
    found = torch.tensor([[3, 1], [29, 0]])
    everything = torch.arange(30).expand(2, -1)
    all_of_them = result_probabilities(target, gallery, everything, range(3))
    assert torch.equal(
        result_probabilities(target, gallery, found, range(3)), all_of_them.gather(1, found)
    )
