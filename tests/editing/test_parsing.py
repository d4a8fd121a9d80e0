"""Edits as text, and what the errors say."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attribute_world import SCHEMA
from flam_pl.attributes import AttributeSchema
from flam_pl.editing.edits import Edit, EditError
from flam_pl.editing.parsing import parse_edits


def test_classes_mixes_and_strengths() -> None:
    got = parse_edits(["color=red", "pattern=striped:0.5", " shape = jeans + dress : 0 "], SCHEMA)
    assert got == [
        Edit("color", "red"),
        Edit("pattern", "striped", 0.5),
        Edit("shape", {"jeans": 1, "dress": 1}, 0),
    ]
    (twice,) = parse_edits(["color=red+red+blue:1"], SCHEMA)
    assert twice.mix == {"red": pytest.approx(2 / 3), "blue": pytest.approx(1 / 3)}
    assert parse_edits([], SCHEMA) == []


def test_a_class_with_a_sign_in_its_name_is_that_class() -> None:
    odd = AttributeSchema({"fit": ("a+b", "size:1", "size", "@home", "a", "b", "x=y")})
    for name in odd.of("fit"):
        assert parse_edits([f"fit={name}"], odd) == [Edit("fit", name)]
        assert parse_edits([f"fit={name}:0.5"], odd) == [Edit("fit", name, 0.5)]
    assert parse_edits(["fit=b+a"], odd)[0].mix == {"b": 0.5, "a": 0.5}


def test_case_matters_only_where_names_differ_by_nothing_else() -> None:
    schema = AttributeSchema({"Color": ("Navy Blue", "Red", "RED", "Blue")})
    assert parse_edits(["color=navy blue+BLUE:0.5"], schema) == [
        Edit("Color", {"Navy Blue": 1, "Blue": 1}, 0.5)
    ]
    assert parse_edits(["Color=Red"], schema) == [Edit("Color", "Red")]
    assert parse_edits(["Color=Navy\u00a0 blue\u200b"], schema) == [Edit("Color", "Navy Blue")]
    with pytest.raises(EditError, match="no class 'red'"):
        parse_edits(["color=red"], schema)
    with pytest.raises(EditError, match="did you mean Navy Blue"):
        parse_edits(["color=navi blue"], schema)


def test_an_example_is_looked_up_by_its_name() -> None:
    names = []

    def feature_of(name: str) -> torch.Tensor:
        names.append(name)
        return torch.arange(3.0)

    (edit,) = parse_edits(["color=@a dir/photo.jpg:0.25"], SCHEMA, feature_of)
    assert names == ["a dir/photo.jpg"] and edit.strength == 0.25
    assert isinstance(edit.wanted, torch.Tensor) and edit.wanted.tolist() == [0, 1, 2]
    with pytest.raises(EditError, match="example photo cannot be given"):
        parse_edits(["color=@photo.jpg"], SCHEMA)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["red"], ["'red' is not type=class", "shape=shirt"]),
        (["color="], ["'color=' is not type=class"]),
        (["=red"], ["'=red'"]),
        (["colour=red"], ["'colour=red'", "did you mean color", "shape, color, pattern"]),
        (["color=blu"], ["'color=blu'", "did you mean blue", "red, green, blue, black"]),
        (["color=xyz"], ["'color=xyz'", "no class 'xyz'; its classes are red"]),
        (["color=red+gren"], ["'color=red+gren'", "no class 'gren'", "did you mean green"]),
        (["color=red+"], ["'color=red+'", "no class ''"]),
        (["color=red", "color=blue"], ["two edits for color", "color=red", "color=blue"]),
        (["color=red:1.5"], ["for color", "strength 1.5", "expected 0"]),
        (["color=red:-1"], ["for color", "strength -1"]),
        (["color=red:nan"], ["strength nan"]),
        (["color=red:much"], ["no class 'red:much'"]),
    ],
)
def test_an_edit_without_a_meaning_is_named_with_the_known_words(
    texts: list[str], expected: list[str]
) -> None:
    with pytest.raises(EditError) as error:
        parse_edits(texts, SCHEMA)
    assert all(words in str(error.value) for words in expected), error.value


@given(
    st.dictionaries(
        st.sampled_from(SCHEMA.types), st.tuples(st.integers(0, 1), st.integers(0, 100))
    )
)
def test_a_printed_edit_is_read_as_the_same_edit(chosen: dict[str, tuple[int, int]]) -> None:
    edits = [Edit(name, SCHEMA.of(name)[c], s / 100) for name, (c, s) in chosen.items()]
    assert parse_edits([str(edit) for edit in edits], SCHEMA) == edits
