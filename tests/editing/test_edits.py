"""Edits: which of them are the same, and what every method makes of them."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from attribute_world import SCHEMA, World, make_world
from flam_pl.attributes import SchemaError
from flam_pl.editing.editor import Editor, NoEdit
from flam_pl.editing.edits import Edit, EditError, in_order
from flam_pl.editing.targets import blend, wanted_probabilities, wanted_shares
from flam_pl.methods.arithmetic import Arithmetic
from flam_pl.methods.concatenation import ConcatEditor
from flam_pl.methods.generator import Flam
from flam_pl.methods.slerp import Slerp
from flam_pl.models.attribute_embedder import AttributeEmbedder, AttributeEmbedders
from flam_pl.models.concat import ConcatClassifiers
from flam_pl.models.manipulator import Manipulator
from flam_pl.retrieval.posteriors import Posteriors
from flam_pl.retrieval.retriever import Retriever

RED, STRIPED = Edit("color", "red"), Edit("pattern", "striped")
DRESS_HALF = Edit("shape", "dress", 0.5)


def embedders_of(world: World, working_dim: int | None = None) -> AttributeEmbedders:
    torch.manual_seed(1)
    net = AttributeEmbedders(SCHEMA, world.features.shape[1], 6, working_dim=working_dim, hidden=16)
    net.fit(world.features, torch.from_numpy(world.labels))
    return net.eval().requires_grad_(False)


def flam_of(embedders: AttributeEmbedders, gated: bool) -> Flam:
    sizes = {"hidden": 16, "discriminator_hidden": 16, "gated": gated}
    net = Manipulator(SCHEMA, embedders.space.dimension, embedders.embedding_dim, **sizes)
    return Flam(embedders, net.eval().requires_grad_(False))


def concat_of(world: World) -> ConcatClassifiers:
    net = ConcatClassifiers(SCHEMA, world.features.shape[1], width=5).eval().requires_grad_(False)
    net.space.fit(world.features)
    net.fit_prototypes(world.features, torch.from_numpy(world.labels))
    return net


def every_editor(world: World) -> dict[str, Editor]:
    """One of every kind, and G plain and gated, in all dimensions and in fewer."""
    embedders = embedders_of(world)
    net = concat_of(world)
    narrow = embedders_of(world, working_dim=5)
    return {
        "no_edit": NoEdit(),
        "arithmetic": Arithmetic(embedders),
        "slerp": Slerp(embedders),
        "concat": ConcatEditor("concat", SCHEMA, net.blocks, net.prototypes),
        "adde_m": ConcatEditor("adde_m", SCHEMA, net.blocks, net.prototypes, net.classify),
        "flam": flam_of(embedders, gated=False),
        "flam_narrow": flam_of(narrow, gated=False),
        "flam_gated": flam_of(narrow, gated=True),
    }


WORLD = make_world(rows=60)
EDITORS = every_editor(WORLD)
QUERIES = WORLD.features[:6]
every = pytest.mark.parametrize("name", list(EDITORS))


@every
def test_without_edits_and_at_strength_0_nothing_is_edited(name: str) -> None:
    editor = EDITORS[name]
    plain = editor.represent(QUERIES)
    assert torch.equal(editor.edit(QUERIES, []), plain)
    none = [Edit("color", "red", 0), Edit("shape", {"dress": 1, "jeans": 2}, 0.0)]
    assert torch.equal(editor.edit(QUERIES, none), plain)
    # beside an edit, one of strength 0 changes nothing
    assert torch.equal(editor.edit(QUERIES, [STRIPED, *none]), editor.edit(QUERIES, [STRIPED]))
    retriever = Retriever.of(editor, WORLD.features)
    cosines, found = retriever.search(QUERIES, [], 9)
    edited_cosines, edited = retriever.search(QUERIES, none, 9)
    assert (edited == found).all() and (edited_cosines == cosines).all()


@every
def test_a_mix_of_one_class_is_the_class(name: str) -> None:
    editor = EDITORS[name]
    for edit in (Edit("color", {"red": 1}), Edit("color", {"red": 7.5})):
        assert torch.equal(editor.edit(QUERIES, [edit]), editor.edit(QUERIES, [RED]))


@every
def test_the_order_of_the_edits_does_not_matter(name: str) -> None:
    editor = EDITORS[name]
    edits = [Edit("color", {"red": 1, "blue": 1}, 0.8), STRIPED, DRESS_HALF]
    expected = editor.edit(QUERIES, edits)
    assert all(torch.equal(editor.edit(QUERIES, p), expected) for p in permutations(edits))
    assert name == "no_edit" or not torch.allclose(expected, editor.represent(QUERIES), atol=1e-2)


@every
def test_the_way_from_the_query_to_the_edit_has_no_jump_and_ends_where_it_should(
    name: str,
) -> None:
    editor = EDITORS[name]
    before = F.normalize(editor.represent(QUERIES), dim=1)
    after = F.normalize(editor.edit(QUERIES, [RED]), dim=1)
    steps = [
        F.normalize(editor.edit(QUERIES, [Edit("color", "red", s)]), dim=1)
        for s in torch.linspace(0, 1, 41).tolist()
    ]
    assert torch.equal(steps[-1], after)
    torch.testing.assert_close(steps[0], before)
    along = torch.stack([(step * before).sum(dim=1) for step in steps])
    if name == "arithmetic":  # there a line of features, not of directions
        assert torch.stack([(s * after).sum(dim=1) for s in steps]).diff(dim=0).abs().max() < 0.3
    else:
        assert (along.diff(dim=0) <= 1e-5).all()  # ever farther from the query
    jumps = torch.stack([(a - b).norm(dim=1) for a, b in zip(steps[1:], steps, strict=False)])
    whole = (after - before).norm(dim=1)
    assert (jumps.max(dim=0).values <= 0.25 * whole + 1e-5).all() and jumps.max() < 0.5


@every
def test_unknown_words_and_two_edits_for_one_type_are_refused(name: str) -> None:
    if name == "no_edit":
        return  # it reads no edit
    edit = EDITORS[name].edit
    with pytest.raises(SchemaError, match="no class 'pink'; .*red, green"):
        edit(QUERIES, [Edit("color", {"red": 1, "pink": 1})])
    with pytest.raises(SchemaError, match="'sleeve'"):
        edit(QUERIES, [Edit("sleeve", QUERIES[0])])
    with pytest.raises(SchemaError, match="pink"):  # also where it would change nothing
        edit(QUERIES, [Edit("color", "pink", 0)])
    with pytest.raises(EditError, match="two edits for color: color=red and color=blue:0.3"):
        edit(QUERIES, [RED, STRIPED, Edit("color", "blue", 0.3)])


@pytest.mark.parametrize("name", ["flam", "flam_narrow", "flam_gated"])
def test_flam_makes_one_edit_after_the_other_in_the_order_of_the_types(name: str) -> None:
    flam = EDITORS[name]
    assert isinstance(flam, Flam)
    first = flam.edit(QUERIES, [DRESS_HALF])
    of_query_length = F.normalize(first, dim=1) * QUERIES.norm(dim=1, keepdim=True)
    second = flam.edit(of_query_length, [RED])
    assert torch.equal(flam.edit(QUERIES, [RED, DRESS_HALF]), second)
    # by hand: half of the way between the two directions, then G of that
    space, g = flam.embedders.space, flam.manipulator

    def by_hand(x: torch.Tensor, t: int, c: int) -> torch.Tensor:
        wanted = flam.embedders.of(SCHEMA.types[t]).dictionary[c].repeat(len(x), 1)
        edited = g.edit(space(x), wanted, torch.full((len(x),), t))
        return space.inverse(edited)

    dress = by_hand(QUERIES, 0, 2)
    middle = F.normalize(F.normalize(QUERIES, dim=1) + F.normalize(dress, dim=1), dim=1)
    torch.testing.assert_close(F.normalize(first, dim=1), middle)
    lengths = (QUERIES.norm(dim=1) + dress.norm(dim=1)) / 2
    torch.testing.assert_close(first.norm(dim=1), lengths)
    torch.testing.assert_close(second, by_hand(of_query_length, 1, 0), atol=1e-4, rtol=1e-4)


def test_flam_wants_the_direction_of_a_mix_and_phi_of_an_example() -> None:
    flam = EDITORS["flam"]
    assert isinstance(flam, Flam)
    given = []

    class Recorder(torch.nn.Module):
        def edit(self, z: torch.Tensor, wanted: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
            given.append(wanted)
            return z

    recorded = Flam(flam.embedders, Recorder())  # type: ignore[arg-type]
    of_color = flam.embedders.of("color")
    d = of_color.dictionary
    recorded.edit(QUERIES, [Edit("color", {"red": 1, "blue": 3})])
    torch.testing.assert_close(given[-1][0], F.normalize(d[0] + 3 * d[2], dim=0))
    recorded.edit(QUERIES, [Edit("color", WORLD.features[50])])
    phi = flam.embedders(WORLD.features[50:51])[0, 1]
    assert given[-1].shape == (6, 6)
    torch.testing.assert_close(given[-1][3], phi)


def onto_its_class(embedder: AttributeEmbedder, _: object, found: torch.Tensor) -> torch.Tensor:
    """Forward hook: every embedding at the nearest dictionary vector."""
    return embedder.dictionary[(found @ embedder.dictionary.T).argmax(dim=1)]


def test_an_example_that_lies_on_a_class_is_that_class() -> None:
    embedders, example = embedders_of(WORLD), WORLD.features[40]
    of_color = embedders.of("color")
    of_color.register_forward_hook(onto_its_class)
    of_color.temperature.fill_(0.002)  # and very confident
    c = int(embedders.classify(embedders(example[None]))[0, 1])
    named, another = (SCHEMA.of("color")[n] for n in (c, (c + 1) % 4))
    assert wanted_shares(Edit("color", example), embedders, example)[c] > 0.99
    flam = flam_of(embedders, gated=True)
    for editor in (flam, Arithmetic(embedders)):
        by_example = editor.edit(QUERIES, [Edit("color", example)])
        by_name, other = (editor.edit(QUERIES, [Edit("color", n)]) for n in (named, another))
        near, far = ((by_example - x).norm(dim=1) for x in (by_name, other))
        assert (near < 0.01 * far).all(), editor.name


def test_cls_concat_takes_the_example_s_block_and_a_mix_of_prototypes() -> None:
    editor = EDITORS["concat"]
    assert isinstance(editor, ConcatEditor)
    blocks = editor.blocks(QUERIES)
    got = editor.edit(QUERIES, [Edit("color", WORLD.features[9])]).unflatten(1, (3, 5))
    expected = blocks.clone()
    expected[:, 1] = editor.blocks(WORLD.features[9:10])[0, 1]
    torch.testing.assert_close(got, expected)
    got = editor.edit(QUERIES, [Edit("color", {"red": 1, "black": 1}, 0.5)]).unflatten(1, (3, 5))
    mixed = F.normalize(editor.prototypes("color")[0] + editor.prototypes("color")[3], dim=0)
    expected = blocks.clone()
    expected[:, 1] = F.normalize(blocks[:, 1] + mixed, dim=1)
    alive = blocks[:, 1].norm(dim=1) > 0  # not behind a ReLU that lets nothing of the row through
    assert alive.sum() > 3
    torch.testing.assert_close(got[alive], expected[alive])


def test_differences_of_means_add_up() -> None:
    editor = EDITORS["arithmetic"]
    assert isinstance(editor, Arithmetic)
    embedders = editor.embedders
    seen = embedders.classify(embedders(QUERIES))
    edits = [Edit("color", {"red": 1, "green": 3}), Edit("pattern", "striped", 0.25)]
    color, pattern = (embedders.of(n).class_means for n in ("color", "pattern"))
    for row, x in enumerate(QUERIES):
        moved = color[0] / 4 + 3 * color[1] / 4 - color[seen[row, 1]]
        moved = moved + (pattern[1] - pattern[seen[row, 2]]) / 4
        got = editor.edit(QUERIES, edits)[row]
        torch.testing.assert_close(got, x + editor.times * moved, atol=1e-4, rtol=1e-4)


def test_wanted_probabilities_are_between_the_query_s_own_and_the_edit_s() -> None:
    embedders = embedders_of(WORLD)
    own = embedders.probabilities(embedders(QUERIES))
    edits = [Edit("color", {"red": 1, "blue": 1}, 0.25), Edit("pattern", WORLD.features[7])]
    wanted = wanted_probabilities(own, edits, embedders)
    assert torch.equal(wanted[0], own[0])
    half = torch.tensor([0.5, 0, 0.5, 0])
    torch.testing.assert_close(wanted[1], 0.75 * own[1] + 0.25 * half)
    of_example = embedders.probabilities(embedders(WORLD.features[7:8]))[2]
    torch.testing.assert_close(wanted[2], of_example.expand(6, -1))
    for of_type in wanted:
        torch.testing.assert_close(of_type.sum(dim=1), torch.ones(6))


def test_wanted_shares_are_those_of_the_mix_or_what_any_classifier_reads_in_the_example() -> None:
    embedders = embedders_of(WORLD)
    classifiers = Posteriors.of_classifiers(concat_of(WORLD))
    for classifier in (embedders, Posteriors.of_embedders(embedders), classifiers):
        like = torch.zeros(1, dtype=torch.float64)
        shares = wanted_shares(Edit("color", {"red": 1, "black": 3}), classifier, like)
        assert shares.tolist() == [0.25, 0, 0, 0.75] and shares.dtype == torch.float64
        example = WORLD.features[9]
        seen = wanted_shares(Edit("color", example), classifier, WORLD.features)
        assert torch.equal(seen, classifier.read(example[None])[1][0])


@given(st.floats(0, 1), st.integers(0, 100))
def test_a_blend_has_the_direction_between_the_unit_vectors(strength: float, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    a, b = torch.randn(2, 3, 5, generator=draw).unbind()
    got = blend(a, 9 * b, strength)
    direction = (1 - strength) * a / a.norm(dim=1, keepdim=True)
    direction = direction + strength * b / b.norm(dim=1, keepdim=True)
    cosine = F.cosine_similarity(got, direction)
    torch.testing.assert_close(cosine, torch.ones(3))
    length = (1 - strength) * a.norm(dim=1) + strength * 9 * b.norm(dim=1)
    torch.testing.assert_close(got.norm(dim=1), length)


@pytest.mark.parametrize("strength", [-0.1, 1.01, float("nan")])
def test_a_strength_outside_0_to_1_is_refused(strength: float) -> None:
    with pytest.raises(EditError, match="color has the strength"):
        Edit("color", "red", strength)


@pytest.mark.parametrize("mix", [{}, {"red": 0.0}, {"red": -1.0}, {"red": float("inf")}])
def test_a_mix_of_nothing_is_refused(mix: dict[str, float]) -> None:
    with pytest.raises(EditError, match="color mixes"):
        Edit("color", mix)


def test_several_examples_for_one_edit_are_refused() -> None:
    with pytest.raises(EditError, match=r"\(2, 12\)"):
        Edit("color", WORLD.features[:2])


def test_names_differ_in_spelling_alone_and_weights_of_one_class_add_up() -> None:
    edits = [Edit("Color", {"RED": 1, "blue": 2, "red ": 3}), Edit(" shape", "Dress")]
    assert in_order(edits, SCHEMA) == [Edit("shape", "dress"), Edit("color", {"red": 4, "blue": 2})]
    with pytest.raises(SchemaError, match="'Purple'"):
        in_order([Edit("color", "Purple")], SCHEMA)
    with pytest.raises(EditError, match="two edits for color"):
        in_order([Edit("color", "red"), Edit("COLOR", "blue")], SCHEMA)


def test_edits_print_as_they_are_typed_and_come_in_the_order_of_the_schema() -> None:
    edits = [Edit("pattern", WORLD.features[0]), Edit("color", {"red": 1, "blue": 1}), DRESS_HALF]
    ordered = in_order(edits, SCHEMA)
    assert [str(w) for w in ordered] == [
        "shape=dress:0.5",
        "color=red+blue",
        "pattern=(an example)",
    ]


def test_an_example_may_be_an_array_and_must_have_been_read() -> None:
    posteriors = Posteriors.of_embedders(embedders_of(WORLD))
    example = WORLD.features[3]
    shares = [
        wanted_shares(Edit.like("color", of), posteriors, example)
        for of in (example, example.numpy(), example.double().numpy())
    ]
    assert shares[0].sum() == pytest.approx(1)
    assert torch.equal(shares[0], shares[1]) and torch.equal(shares[0], shares[2])
    with pytest.raises(EditError, match="has not been read"):
        wanted_shares(Edit.like("color", "photo.jpg"), posteriors, example)
    with pytest.raises(EditError, match="wants None; expected a class"):
        Edit("color", None)  # type: ignore[arg-type]
