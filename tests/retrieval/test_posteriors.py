"""What the embedders say of a search against loops over single photos, and where it is exact."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attribute_world import SCHEMA, make_world
from flam_pl.editing.edits import Edit, wanted_probabilities
from flam_pl.evaluation.outcomes import raw_probabilities
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.retrieval.posteriors import (
    answer_probabilities,
    likely_combinations,
    result_probabilities,
)
from posterior import Posterior


def random_embedders(dimension: int) -> AttributeEmbedders:
    return AttributeEmbedders(SCHEMA, dimension, 6, hidden=8).eval().requires_grad_(False)


def asked_of(
    net: AttributeEmbedders, queries: torch.Tensor, edits: dict[str, str]
) -> list[torch.Tensor]:
    own = net.probabilities(net(queries))
    return wanted_probabilities(own, [Edit(*edit) for edit in edits.items()], net)


@pytest.mark.parametrize("edits", [{"color": "blue"}, {"color": "blue", "pattern": "striped"}])
def test_evidence_is_that_of_a_loop_over_photos(edits: dict[str, str]) -> None:
    world = make_world(rows=25)
    net = random_embedders(12)
    own = torch.tensor([0, 3, -1])
    queries, gallery = world.features[[0, 3, 7]], world.features
    found = torch.tensor([[5, 2, 9, 11], [1, 8, 4, 0], [7, 6, 24, 3]])
    asked, have = asked_of(net, queries, edits), net.probabilities(net(gallery))
    types = [SCHEMA.types.index(name) for name in edits]
    seen = raw_probabilities(asked, have, found, types, exclude=own)
    probabilities = net.probabilities(net(torch.cat([queries, gallery])))
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
                weight *= float(asked[t][q, c])
            for g in range(25):
                has = math.prod(float(probabilities[t][3 + g][c]) for t, c in enumerate(meant))
                none *= 1 - has if g != int(own[q]) else 1
            some += weight * (1 - none)
        assert float(seen["answer"][q]) == pytest.approx(some, abs=1e-4)


chances = st.lists(st.floats(0.001, 0.9), min_size=1, max_size=30)


@given(chances=chances, more=st.floats(0.001, 0.9))
def test_one_photo_more_makes_an_answer_likelier_as_the_product_says(
    chances: list[float], more: float
) -> None:
    def some(of: list[float]) -> float:
        have = [torch.tensor([[p, 1 - p] for p in of], dtype=torch.float64)]
        asked = [torch.tensor([[1.0, 0.0]], dtype=torch.float64)]
        return float(answer_probabilities(asked, have)[0])

    assert some(chances) == pytest.approx(1 - math.prod(1 - p for p in chances), abs=1e-5)
    assert some([*chances, more]) > some(chances) - 1e-6


def test_certain_and_impossible_photos_give_probabilities() -> None:
    have = [torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(500, 1)]
    asked = [torch.tensor([[1.0, 0.0], [0.0, 1.0]])]
    assert (answer_probabilities(asked, have) > 0.999).all()
    none = answer_probabilities([torch.tensor([[0.0, 1.0]])], [torch.tensor([[1.0, 0.0]])])
    assert 0 <= float(none) < 0.001
    # the only photo that fits is the query itself
    alone = [torch.tensor([[1.0, 0.0], [0.0, 1.0]])]
    itself = answer_probabilities([torch.tensor([[1.0, 0.0]])], alone, torch.tensor([0]))
    assert 0 <= float(itself) < 0.001


def test_a_query_of_doubtful_class_asks_for_either_and_not_for_half_of_each() -> None:
    """Sure photos of one class only: whether there is an answer is whether that class was meant."""
    have = [torch.tensor([[1.0, 0.0]]).repeat(200, 1)]
    said = answer_probabilities([torch.tensor([[0.3, 0.7]])], have)
    assert float(said) == pytest.approx(0.3, abs=1e-4)


def test_the_likeliest_combinations_are_those_of_a_sorted_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draw = np.random.default_rng(0)
    sizes = (3, 4, 2, 3)
    asked = [torch.from_numpy(draw.dirichlet(np.ones(n), size=5)) for n in sizes]
    for most in (1, 7, 500):
        monkeypatch.setattr("flam_pl.retrieval.posteriors.MEANT", most)
        meant, weights = likely_combinations(asked)
        assert meant.shape == (5, min(most, math.prod(sizes)), 4)
        for q in range(5):
            chance = {
                c: math.prod(float(asked[t][q, k]) for t, k in enumerate(c))
                for c in itertools.product(*map(range, sizes))
            }
            best = sorted(chance, key=lambda c: -chance[c])[:most]
            assert [tuple(c) for c in meant[q].tolist()] == best
            total = sum(chance[c] for c in best)
            expected = [chance[c] / total for c in best]
            assert weights[q].tolist() == pytest.approx(expected)


def test_many_combinations_are_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    asked = [torch.from_numpy(draw.dirichlet(np.ones(n), size=7)).float() for n in (3, 2)]
    have = [torch.from_numpy(draw.dirichlet(np.ones(n), size=9)).float() for n in (3, 2)]
    own = torch.tensor([0, -1, 3, 8, -1, 2, 1])
    whole = answer_probabilities(asked, have, own)
    monkeypatch.setattr("flam_pl.retrieval.posteriors.CHUNK", 3)
    torch.testing.assert_close(answer_probabilities(asked, have, own), whole)


def test_the_results_alone_have_the_probabilities_of_the_whole_gallery() -> None:
    world = make_world(rows=30, noise=1.0)
    net = Posterior(world, noise=1.0)
    asked = asked_of(net, world.features[:2], {"shape": "dress"})
    have = net.probabilities(net(world.features))
    found = torch.tensor([[3, 1], [29, 0]])
    everything = torch.arange(30).expand(2, -1)
    all_of_them = result_probabilities(asked, have, everything, range(3))
    assert torch.equal(
        result_probabilities(asked, have, found, range(3)), all_of_them.gather(1, found)
    )
