"""Gallery and query vectors: their inner product is the score that a loop over photos gives."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from attribute_world import SCHEMA, World, make_world
from flam_pl.attributes import SchemaError
from flam_pl.editing.editor import Editor, NoEdit
from flam_pl.editing.edits import Edit, EditError
from flam_pl.evaluation.depth import CandidateSearcher
from flam_pl.evaluation.searches import EvaluationSet, Searcher
from flam_pl.galleries.exact import top_k
from flam_pl.methods.arithmetic import Arithmetic
from flam_pl.methods.concatenation import ConcatEditor
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.concat import ConcatClassifiers
from flam_pl.retrieval.chosen_weights import filter_weights
from flam_pl.retrieval.posteriors import Posteriors
from flam_pl.retrieval.retriever import Retriever
from flam_pl.retrieval.vectors import FLOOR, ScoreWeights, SearchVectors
from made_editors import Shift

WEIGHTS = ScoreWeights(0.7, 0.3, 1.2)
RED, STRIPED = Edit("color", "red"), Edit("pattern", "striped")
MIX = Edit("color", {"red": 3, "black": 1}, 0.6)
DRESS_HALF = Edit("shape", "dress", 0.5)


def embedders_of(world: World) -> AttributeEmbedders:
    torch.manual_seed(1)
    net = AttributeEmbedders(SCHEMA, world.features.shape[1], 6, hidden=16)
    net.fit(world.features, torch.from_numpy(world.labels))
    return net.eval().requires_grad_(False)


def classifiers_of(world: World) -> ConcatClassifiers:
    torch.manual_seed(2)
    net = ConcatClassifiers(SCHEMA, world.features.shape[1], width=5).eval().requires_grad_(False)
    net.space.fit(world.features)
    net.fit_prototypes(world.features, torch.from_numpy(world.labels))
    return net


WORLD = make_world(rows=50, noise=0.8)
EMBEDDERS, CLASSIFIERS = embedders_of(WORLD), classifiers_of(WORLD)
EXAMPLE = Edit("color", WORLD.features[40], 0.8)
QUERIES = WORLD.features[:5]
OF_EMBEDDERS = Posteriors.of_embedders(EMBEDDERS)
OF_CLASSIFIERS = Posteriors.of_classifiers(CLASSIFIERS)
CONCAT = ConcatEditor("concat", SCHEMA, CLASSIFIERS.blocks, CLASSIFIERS.prototypes)
ROWS: dict[str, tuple[Editor, Posteriors]] = {
    "no_edit": (NoEdit(), OF_EMBEDDERS),
    "arithmetic": (Arithmetic(EMBEDDERS), OF_EMBEDDERS),
    "concat": (CONCAT, OF_EMBEDDERS),
    "concat+own": (CONCAT, OF_CLASSIFIERS),
}
every = pytest.mark.parametrize("name", list(ROWS))


def vectors_of(name: str, weights: ScoreWeights = WEIGHTS) -> SearchVectors:
    return SearchVectors(*ROWS[name], weights, name)


def evaluation_set(world: World = WORLD, seed: int = 0) -> EvaluationSet:
    rows = len(world.labels)
    queries = np.sort(np.random.default_rng(seed).choice(rows, rows // 2, replace=False))
    nobody = np.full(rows, -1)
    return EvaluationSet(SCHEMA, world.features, world.labels, queries, nobody, nobody)


def slow_scores(
    editor: Editor,
    posteriors: Posteriors,
    weights: ScoreWeights,
    query: Tensor,
    gallery: Tensor,
    edits: Sequence[Edit],
) -> list[float]:
    """The score of every photo for one query ``(D,)``, a type and a class at a time."""
    edit_of = {edit.attribute_type: edit for edit in edits if edit.strength > 0}
    strongest = max((edit.strength for edit in edit_of.values()), default=0.0)
    own = [of[0].tolist() for of in posteriors.read(query[None])]
    wanted: list[list[float]] = []
    for t, name in enumerate(SCHEMA.types):
        if name not in edit_of:
            wanted.append(own[t])
        elif isinstance(edit_of[name].wanted, Tensor):
            wanted.append(posteriors.read(edit_of[name].wanted[None])[t][0].tolist())
        else:
            mix = edit_of[name].mix or {}
            wanted.append([mix.get(c, 0.0) for c in SCHEMA.of(name)])
    edited = editor.edit(query[None], edits)[0]
    moved = query.clone()
    if posteriors.means:
        for t, name in enumerate(SCHEMA.types):
            strength = edit_of[name].strength if name in edit_of else 0.0
            for c, mean in enumerate(posteriors.means()[t]):
                moved += strength * (wanted[t][c] - own[t][c]) * mean
    towards, photos = editor.represent(moved[None])[0], editor.represent(gallery)
    found = []
    for number, photo in enumerate(gallery):
        score = float(F.cosine_similarity(edited, photos[number], dim=0))
        if posteriors.means:
            similarity = float(F.cosine_similarity(towards, photos[number], dim=0))
            score += weights.moved * strongest * similarity
        seen = posteriors.read(photo[None])
        for t, name in enumerate(SCHEMA.types):
            weight = strongest * weights.others
            if name in edit_of:
                weight = edit_of[name].strength * weights.target
            for share, p in zip(wanted[t], seen[t][0].tolist(), strict=True):
                score += weight * share * float(np.log(max(p, FLOOR)))
        found.append(score)
    return found


@every
@pytest.mark.parametrize("edits", [[], [Edit("color", "red", 0.0), Edit("shape", "dress", 0)]])
def test_without_an_edit_the_search_is_the_plain_one(name: str, edits: list[Edit]) -> None:
    """Bit by bit: the tail is zero, and the head is the unit vector that is stored."""
    vectors, plain = vectors_of(name), SearchVectors(ROWS[name][0])
    q, v = vectors.queries(QUERIES, edits), vectors.gallery(WORLD.features)
    plain_q, plain_v = plain.queries(QUERIES, []), plain.gallery(WORLD.features)
    head = plain_v.shape[1]
    assert q.shape[1] == v.shape[1] == head + sum(SCHEMA.sizes)
    assert torch.equal(vectors.heads(WORLD.features), plain_v)
    assert torch.equal(q[:, head:], torch.zeros(5, sum(SCHEMA.sizes)))
    assert torch.equal(q[:, :head], plain_q) and torch.equal(v[:, :head], plain_v)
    torch.testing.assert_close(plain_q, plain_v[:5])  # a query without an edit is a gallery photo
    # the scores of the heads, bit by bit too, and so the whole ones up to how they are summed up
    heads = q[:, :head].contiguous() @ v[:, :head].contiguous().T
    assert torch.equal(heads, plain_q @ plain_v.T)
    scores, found = top_k(q, v, 49, exclude=torch.arange(5))
    expected, order = top_k(plain_q, plain_v, 49, exclude=torch.arange(5))
    assert torch.equal(found, order)
    torch.testing.assert_close(scores, expected, atol=1e-6, rtol=0)
    both = (Retriever.of(each, WORLD.features) for each in (vectors, plain))
    (got, positions), (cosines, of_plain) = (r.search(QUERIES, edits, 50) for r in both)
    assert positions.tolist() == of_plain.tolist()
    np.testing.assert_allclose(got, cosines, atol=1e-6)


@every
@pytest.mark.parametrize(
    "edits",
    [[RED], [STRIPED, MIX, DRESS_HALF], [EXAMPLE], [EXAMPLE, Edit("shape", "jeans", 0.0)]],
    ids=["class", "mix", "example", "strength 0 beside it"],
)
def test_the_score_of_every_photo_is_that_of_a_loop(name: str, edits: list[Edit]) -> None:
    editor, posteriors = ROWS[name]
    vectors = vectors_of(name)
    scores = vectors.queries(QUERIES, edits) @ vectors.gallery(WORLD.features).T
    assert scores.shape == (5, 50)
    for row, query in enumerate(QUERIES):
        expected = slow_scores(editor, posteriors, WEIGHTS, query, WORLD.features, edits)
        np.testing.assert_allclose(scores[row].numpy(), expected, atol=2e-5)


@settings(max_examples=10)
@given(
    weights=st.tuples(*[st.floats(0, 3)] * 3),
    strengths=st.tuples(*[st.sampled_from([0.0, 0.3, 1.0])] * 3),
    seed=st.integers(0, 1000),
)
def test_any_weights_and_strengths_score_as_a_loop(
    weights: tuple[float, float, float], strengths: tuple[float, float, float], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    edits = [
        Edit(name, str(rng.choice(SCHEMA.of(name))), strength)
        for name, strength in zip(SCHEMA.types, strengths, strict=True)
    ]
    chosen = ScoreWeights(*weights)
    vectors = vectors_of("arithmetic", chosen)
    query = WORLD.features[int(rng.integers(50))]
    scores = vectors.queries(query[None], edits)[0] @ vectors.gallery(WORLD.features[:12]).T
    expected = slow_scores(*ROWS["arithmetic"], chosen, query, WORLD.features[:12], edits)
    np.testing.assert_allclose(scores.numpy(), expected, atol=5e-5)


@every
def test_the_strength_of_an_edit_scales_the_tail(name: str) -> None:
    vectors = vectors_of(name)
    head = vectors.heads(QUERIES).shape[1]
    whole = vectors.queries(QUERIES, [RED])[:, head:]
    assert whole.abs().sum() > 1
    for strength in (0.25, 0.5, 1.0):
        part = vectors.queries(QUERIES, [Edit("color", "red", strength)])[:, head:]
        torch.testing.assert_close(part, strength * whole)


@every
def test_the_way_from_the_plain_search_to_the_edited_one_has_no_jump(name: str) -> None:
    vectors = vectors_of(name)
    steps = [
        vectors.queries(QUERIES, [Edit("color", "blue", s)])
        for s in torch.linspace(0, 1, 41).tolist()
    ]
    assert torch.equal(steps[-1], vectors.queries(QUERIES, [Edit("color", "blue")]))
    jumps = torch.stack([(a - b).norm(dim=1) for a, b in zip(steps[1:], steps, strict=False)])
    whole = (steps[-1] - steps[0]).norm(dim=1)
    assert (jumps.max(dim=0).values <= 0.25 * whole + 1e-5).all()


@every
def test_the_order_of_the_edits_does_not_matter(name: str) -> None:
    vectors, edits = vectors_of(name), [MIX, STRIPED, DRESS_HALF]
    expected = vectors.queries(QUERIES, edits)
    assert all(torch.equal(vectors.queries(QUERIES, p), expected) for p in permutations(edits))


@every
def test_a_mix_of_one_class_is_the_class(name: str) -> None:
    vectors = vectors_of(name)
    mixed = vectors.queries(QUERIES, [Edit("color", {"red": 7.5})])
    assert torch.equal(mixed, vectors.queries(QUERIES, [RED]))


def test_unknown_words_and_two_edits_for_one_type_are_refused() -> None:
    vectors = vectors_of("no_edit")  # its editor reads no edit, the tail does
    with pytest.raises(SchemaError, match="pink"):
        vectors.queries(QUERIES, [Edit("color", "pink")])
    with pytest.raises(EditError, match="two edits for color"):
        vectors.queries(QUERIES, [RED, Edit("color", "blue")])


def test_a_method_without_posteriors_is_searched_by_the_cosine_alone() -> None:
    editor = ROWS["arithmetic"][0]
    vectors = SearchVectors(editor)
    assert vectors.name == "arithmetic"
    scores = vectors.queries(QUERIES, [RED]) @ vectors.gallery(WORLD.features).T
    edited = editor.edit(QUERIES, [RED])
    expected = F.cosine_similarity(edited[:, None], WORLD.features[None], dim=2)
    torch.testing.assert_close(scores, expected)


def test_a_method_has_its_own_name_or_that_of_its_editor() -> None:
    assert vectors_of("concat+own").name == "concat+own"
    assert SearchVectors(NoEdit(), OF_EMBEDDERS).name == "no_edit"


# --- posteriors


def test_posteriors_are_the_softmax_of_their_classifier() -> None:
    read = OF_EMBEDDERS.read(QUERIES)
    embeddings = EMBEDDERS(QUERIES)
    for t, name in enumerate(SCHEMA.types):
        of = EMBEDDERS.of(name)
        expected = (embeddings[:, t] @ of.dictionary.T / of.temperature).softmax(dim=1)
        torch.testing.assert_close(read[t], expected)
    for of_type, logits in zip(OF_CLASSIFIERS.read(QUERIES), CLASSIFIERS(QUERIES), strict=True):
        torch.testing.assert_close(of_type, logits.softmax(dim=1))
    assert OF_CLASSIFIERS.means is None and OF_EMBEDDERS.means is not None
    for t, mean in enumerate(OF_EMBEDDERS.means()):
        for c in range(SCHEMA.sizes[t]):
            rows = torch.from_numpy(WORLD.labels[:, t] == c)
            torch.testing.assert_close(mean[c], WORLD.features[rows].mean(dim=0))


def test_hardened_posteriors_have_all_probability_on_the_likeliest_class() -> None:
    for soft, hard in zip(
        OF_EMBEDDERS.read(QUERIES), OF_EMBEDDERS.hardened().read(QUERIES), strict=True
    ):
        for row in range(5):
            assert hard[row].tolist() == [c == int(soft[row].argmax()) for c in range(len(hard[0]))]


@pytest.mark.parametrize("edits", [[RED], [RED, STRIPED]])
def test_the_filter_takes_the_classes_first_and_the_nearest_of_them(edits: list[Edit]) -> None:
    """Photos with the wanted classes, of these the ones with most of the query's own classes, of
    these the nearest; whatever a classifier takes for these classes."""
    hard = OF_EMBEDDERS.hardened()
    vectors = SearchVectors(NoEdit(), hard, filter_weights(len(SCHEMA.types)), "filter")
    scores = vectors.queries(QUERIES, edits) @ vectors.gallery(WORLD.features).T
    seen = torch.stack([of.argmax(dim=1) for of in hard.read(WORLD.features)], dim=1).tolist()
    edit_of = {SCHEMA.types.index(w.attribute_type): w for w in edits}
    cosines = F.cosine_similarity(QUERIES[:, None], WORLD.features[None], dim=2)
    for row in range(5):

        def place(photo: int, row: int = row) -> tuple[int, int, float]:
            wrong = sum(
                seen[photo][t] != SCHEMA.index(edit.attribute_type, str(edit.wanted))
                for t, edit in edit_of.items()
            )
            lost = sum(seen[photo][t] != seen[row][t] for t in range(3) if t not in edit_of)
            return wrong, lost, -float(cosines[row, photo])

        assert scores[row].argsort(descending=True).tolist() == sorted(range(50), key=place)


@given(types=st.integers(1, 12))
def test_a_wrong_class_costs_the_filter_more_than_anything_less_important(types: int) -> None:
    weights = filter_weights(types)
    of_a_class = -np.log(FLOOR)
    assert weights.target * of_a_class > (types - 1) * weights.others * of_a_class + 2
    assert weights.others * of_a_class > 2  # more than two cosines can differ by
    assert weights.moved == 0


@pytest.mark.parametrize("kind", ["embedders", "classifiers"])
def test_calibration_finds_the_temperature_that_the_labels_were_drawn_with(kind: str) -> None:
    world = make_world(rows=4000, noise=1.0)
    net: AttributeEmbedders | ConcatClassifiers = embedders_of(world)
    if kind == "embedders":
        logits = net(world.features)[:, 1] @ net.of("color").dictionary.T
    else:
        net = ConcatClassifiers(SCHEMA, world.features.shape[1], width=5).eval()
        logits = net(world.features)[1]
    true = 0.15 * logits.std().item()
    labels = torch.full((4000, 3), -1)
    labels[:, 1] = torch.distributions.Categorical(logits=logits / true).sample()
    before = net.by_type[0].temperature.clone()
    net.calibrate(world.features, labels)
    assert net.by_type[1].temperature.item() == pytest.approx(true, rel=0.15)
    assert torch.equal(net.by_type[0].temperature, before)  # no label, nothing to measure
    reads = net.read(world.features)[1]
    torch.testing.assert_close(reads, (logits / net.by_type[1].temperature).softmax(dim=1))


# --- searches by them


@every
def test_a_search_of_an_evaluation_finds_the_best_scores_without_the_query(name: str) -> None:
    data, edits, numbers = evaluation_set(), [MIX, STRIPED], np.arange(8)
    found = Searcher(vectors_of(name), data, 9)(numbers, edits)
    for row, ids in zip(data.queries[numbers].tolist(), found.tolist(), strict=True):
        scores = slow_scores(*ROWS[name], WEIGHTS, data.features[row], data.features, edits)
        assert ids == sorted((p for p in range(50) if p != row), key=lambda p: -scores[p])[:9]


@every
def test_all_photos_as_candidates_are_a_search_of_all_photos(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, data = vectors_of(name), evaluation_set()
    numbers, edits = np.arange(10), [RED, STRIPED]
    whole = Searcher(vectors, data, 20)(numbers, edits)
    monkeypatch.setattr("flam_pl.evaluation.depth.queries_at_once", lambda photos: 4)
    few = CandidateSearcher(vectors, data, 20)(numbers, edits, [49, 1000])
    assert set(few) == {49, 1000} and all(torch.equal(found, whole) for found in few.values())


@every
@pytest.mark.parametrize("candidates", [1, 7, 30])
def test_candidates_are_the_nearest_to_the_edited_feature_in_the_order_of_the_whole_score(
    name: str, candidates: int
) -> None:
    vectors, data = vectors_of(name), evaluation_set()
    numbers = np.arange(10)
    counts = [3, candidates]  # one number does not change what another one finds
    found = CandidateSearcher(vectors, data, 10)(numbers, [RED], counts)[candidates]
    rows = data.queries[numbers]
    q, v = vectors.queries(data.features[rows], [RED]), vectors.gallery(data.features)
    heads = vectors.heads(data.features)
    edited = F.normalize(ROWS[name][0].edit(data.features[rows], [RED]), dim=1)
    assert found.shape == (10, min(10, candidates))
    changed = 0
    for number, row in enumerate(rows.tolist()):
        others = [p for p in range(50) if p != row]
        by_head = {p: float(edited[number] @ heads[p]) for p in others}
        by_all = {p: float(q[number] @ v[p]) for p in others}
        nearest = sorted(others, key=lambda p, of=by_head: -of[p])[:candidates]
        expected = sorted(nearest, key=lambda p, of=by_all: -of[p])[:10]
        assert found[number].tolist() == expected
        changed += expected != nearest[:10]
    assert candidates == 1 or changed > 0


def test_candidates_of_a_method_without_posteriors_are_its_results() -> None:
    data, editor, numbers = evaluation_set(), Shift(3, 12), np.arange(10)
    few = CandidateSearcher(SearchVectors(editor), data, 5)(numbers, [RED], [12])[12]
    assert torch.equal(few, Searcher(editor, data, 5)(numbers, [RED]))
