"""Scoring with the embedders against a slow loop; calibration against a known answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from attribute_world import SCHEMA, World, make_world
from flam_pl.editing.baselines import NoEdit
from flam_pl.editing.evaluation import evaluate_edits
from flam_pl.editing.scored import Scored
from flam_pl.editing.scores import Weights
from flam_pl.editing.searches import EvaluationSet, Searcher
from flam_pl.editing.wishes import Wish
from flam_pl.galleries.index import GalleryIndex
from flam_pl.losses.distillation import LEAST
from flam_pl.nets.embedder import Embedders
from flam_pl.retrieval.search import top_k


def embedders_of(world: World) -> Embedders:
    torch.manual_seed(0)
    net = Embedders(SCHEMA, world.features.shape[1], 6, hidden=8).eval().requires_grad_(False)
    net.fit(world.features, torch.from_numpy(world.labels))
    return net


def test_the_order_is_that_of_cosine_plus_weighted_agreement() -> None:
    world = make_world(rows=30)
    net = embedders_of(world)
    scored = Scored(NoEdit(), net, Weights(0.3), 10, "scored", in_turn=False)
    queries = world.features[:4]
    gallery = F.normalize(world.features, dim=1)
    cosines, found = top_k(queries, gallery, 10)
    own, gallery_read = scored.read(queries), scored.read(world.features)
    blue = [Wish("color", "blue")]
    order = scored.order(scored.parts(own, blue, cosines, found, gallery_read), blue, 10)
    of_query, of_gallery = (
        net.log_probabilities(net(queries)),
        net.log_probabilities(net(world.features)),
    )
    for q in range(4):
        scores = []
        for n, position in enumerate(found[q].tolist()):
            total = float(cosines[q, n])
            for t in range(len(SCHEMA.types)):
                have = of_gallery[t][position].exp()
                want = of_query[t][q].exp() if t != 1 else F.one_hot(torch.tensor(2), 4).float()
                total += 0.3 * math.log(float(want @ have) + LEAST)
            scores.append(total)
        assert order[q].tolist() == np.argsort(scores)[::-1].tolist()


def test_several_wishes_of_some_strength_ask_for_parts_of_their_classes() -> None:
    world = make_world(rows=30)
    net = embedders_of(world)
    scored = Scored(NoEdit(), net, Weights(0.3), 12, "scored", in_turn=False)
    queries = world.features[:4]
    cosines, found = top_k(queries, F.normalize(world.features, dim=1), 12)
    wishes = [Wish("pattern", "striped", 0.5), Wish("color", {"red": 3, "black": 1}, 0.75)]
    parts = scored.parts(scored.read(queries), wishes, cosines, found, scored.read(world.features))
    order = scored.order(parts, wishes, 12)
    own, have = (net.log_probabilities(net(x)) for x in (queries, world.features))
    asked = {1: (0.75, torch.tensor([0.75, 0, 0, 0.25])), 2: (0.5, torch.tensor([0.0, 1.0]))}
    for q in range(4):
        scores = []
        for n, position in enumerate(found[q].tolist()):
            total = float(cosines[q, n])
            for t in range(len(SCHEMA.types)):
                want = own[t][q].exp()
                if t in asked:
                    strength, classes = asked[t]
                    want = (1 - strength) * want + strength * classes
                # the agreement counts as much as the strongest wish
                total += 0.75 * 0.3 * math.log(float(want @ have[t][position].exp()) + LEAST)
            scores.append(total)
        assert order[q].tolist() == np.argsort(scores)[::-1].tolist()
    assert (order != torch.arange(12)).any()


def test_likeness_is_the_cosine_about_the_mean_to_what_the_wish_makes_of_the_query() -> None:
    world = make_world(rows=40)
    turned = -world.features.flip(1)  # stands for an edit that has little to do with the query

    class Turned(NoEdit):
        def edit(self, features: torch.Tensor, wishes: Sequence[Wish]) -> torch.Tensor:
            return -features.flip(1)

    net = embedders_of(world)
    scored = Scored(Turned(), net, Weights(0, 0.7), 12, "scored", in_turn=False)
    cosines, found = top_k(turned[:5], F.normalize(world.features, dim=1), 12)
    read = scored.read(world.features)
    queries = read.at(torch.arange(5))
    wishes = [Wish("color", "blue", 0.5)]
    order = scored.order(scored.parts(queries, wishes, cosines, found, read), wishes, 12)
    mean = world.features.mean(dim=0)
    means = [world.features[world.labels[:, 1] == c].mean(dim=0) for c in range(4)]
    for q in range(5):
        have = net.log_probabilities(net(world.features[q][None]))[1][0].exp()
        own = sum(float(have[c]) * means[c] for c in range(4))
        changed = world.features[q] - mean + 0.5 * (means[2] - own)
        scores = [
            float(cosines[q, n])
            + 0.5 * 0.7 * float(F.cosine_similarity(changed, world.features[p] - mean, dim=0))
            for n, p in enumerate(found[q].tolist())
        ]
        assert order[q].tolist() == np.argsort(scores)[::-1].tolist()


def test_where_classes_add_up_the_item_with_just_the_wish_changed_is_the_most_alike() -> None:
    """Photos of the wanted class that were the query's item, but for it, against all others."""
    world = make_world(rows=400, noise=0.0)
    rng = torch.Generator().manual_seed(0)
    items = 0.6 * torch.randn(200, world.features.shape[1], generator=rng)
    blue, red = (world.directions[1][c] for c in (2, 0))
    labels = world.labels[:200].copy()
    labels[:, 1] = 0
    twins = labels.copy()
    twins[:, 1] = 2
    shape = world.directions[0][torch.from_numpy(labels[:, 0])]
    features = torch.cat([shape + red + items, shape + blue + items])
    net = embedders_of(world)
    net.fit(features, torch.from_numpy(np.concatenate([labels, twins])))
    sure = [
        F.one_hot(torch.from_numpy(labels[:, t]), n).float() for t, n in enumerate(SCHEMA.sizes)
    ]
    scored = Scored(NoEdit(), net, Weights(0, 1), 400, "scored")
    queries = replace(scored.read(features[:200]), classes=sure)
    wanted = [*sure]
    wanted[1] = F.one_hot(torch.full((200,), 2), 4).float()
    unit = F.normalize(features - features.mean(dim=0), dim=1)
    nearest = (scored.changed(queries, wanted) @ unit.T).argmax(dim=1)
    assert nearest.tolist() == list(range(200, 400))
    plain = unit[:200] @ unit.T
    plain.fill_diagonal_(-2)
    assert (plain.argmax(dim=1) == torch.arange(200, 400)).float().mean() < 0.9


def test_without_weight_nothing_changes_and_with_much_the_agreement_decides() -> None:
    world = make_world(rows=60)
    net = embedders_of(world)
    nobody = np.full(60, -1)
    data = EvaluationSet(SCHEMA, world.features, world.labels, np.arange(60), nobody, nobody)
    plain = evaluate_edits(NoEdit(), data, [1, 5])
    same = evaluate_edits(Scored(NoEdit(), net, Weights(), 20, "scored"), data, [1, 5])
    other = evaluate_edits(Scored(NoEdit(), net, Weights(9.0), 59, "scored"), data, [1, 5])
    assert all(np.array_equal(plain.hits[n], same.hits[n]) for n in SCHEMA.types)
    assert plain.shares() != other.shares()


def test_the_index_gives_the_scored_order() -> None:
    world = make_world(rows=40)
    scored = Scored(NoEdit(), embedders_of(world), Weights(0.5, 0.7), 15, "scored")
    queries = world.features[:3]
    cosines, found = top_k(queries, F.normalize(world.features, dim=1), 15)
    dress = [Wish("shape", "dress")]
    parts = scored.parts(scored.read(queries), dress, cosines, found, scored.read(world.features))
    order = scored.order(parts, dress, 15)
    index = GalleryIndex(scored, world.features)
    got, positions = index.search(queries, 6, dress)
    assert positions.tolist() == found.gather(1, order)[:, :6].tolist()
    np.testing.assert_allclose(got, cosines.gather(1, order)[:, :6], atol=1e-5)
    _, unedited = index.search(queries, 6)
    assert unedited.tolist() == found[:, :6].tolist()


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_the_index_finds_what_an_evaluation_finds_the_query_left_out(strength: float) -> None:
    world = make_world(rows=60)
    scored = Scored(NoEdit(), embedders_of(world), Weights(0.5, 1.0), 30, "scored")
    nobody = np.full(60, -1)
    data = EvaluationSet(SCHEMA, world.features, world.labels, np.arange(60), nobody, nobody)
    wishes = [Wish("color", {"blue": 1, "red": 2}, strength)]
    found, _, _ = Searcher(scored, data, 8)(np.arange(12), wishes)
    index = GalleryIndex(scored, world.features)
    _, positions = index.search(world.features[:12], 8, wishes, exclude=range(12))
    assert positions.tolist() == found.tolist()
    # where it has no place in the gallery, nothing is left out
    _, same = index.search(world.features[:12], 8, wishes, exclude=[-1] * 12)
    _, plain = index.search(world.features[:12], 8, wishes)
    assert same.tolist() == plain.tolist() != positions.tolist()


def test_calibration_finds_the_temperature_that_the_labels_were_drawn_with() -> None:
    world = make_world(rows=4000, noise=1.0)
    net = embedders_of(world)
    cosines = net(world.features)[:, 1] @ net.of("color").dictionary.T
    drawn = torch.distributions.Categorical(logits=cosines / 0.15).sample()
    labels = torch.full((4000, 3), -1)
    labels[:, 1] = drawn
    before = net.of("shape").temperature.clone()
    net.calibrate(world.features, labels)
    assert 0.13 < float(net.of("color").temperature) < 0.17
    assert torch.equal(net.of("shape").temperature, before)  # no label, nothing to measure
