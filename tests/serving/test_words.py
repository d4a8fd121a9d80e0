"""Edits in words: what is understood, what is refused, and that nothing is guessed."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flam_pl.attributes import AttributeSchema, fold_spelling
from flam_pl.editing.edits import EditError
from flam_pl.serving.words import FILLING, Words, default_synonyms, tokens, usable_synonyms

SCHEMA = AttributeSchema(
    {
        "color": ("red", "Navy Blue", "blue", "plain", "turquoise"),
        "pattern": ("plain", "striped", "T-Shirt print"),
        "sleeve": ("short", "long"),
        "shape": ("shirt", "dress", "Größe Ü", "coat"),
    }
)
WORDS = Words(SCHEMA, usable_synonyms(SCHEMA, default_synonyms()))


def read(text: str, words: Words = WORDS) -> list[str]:
    return [str(edit) for edit in words.parse(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("red", ["color=red"]),
        ("This one, but in RED, please!", ["color=red"]),
        ("long red (striped)", ["color=red", "pattern=striped", "sleeve=long"]),
        ("navy blue", ["color=Navy Blue"]),
        ("NAVY\u00a0\u200bBlue", ["color=Navy Blue"]),
        ("red/blue", ["color=red+blue"]),
        ("red and navy blue or blue", ["color=red+Navy Blue+blue"]),
        ("red red", ["color=red"]),
        ("with a t-shirt_print", ["pattern=T-Shirt print"]),
        ("GRÖSSE ü", ["shape=Größe Ü"]),
        ("gro\u0308ße ü", ["shape=Größe Ü"]),
        ("r\u0435d", ["color=red"]),  # a Cyrillic letter
        ("ｒｅｄ", ["color=red"]),  # of full width
        # synonyms, also of several words
        ("crimson", ["color=red"]),
        ("dark blue frock", ["color=Navy Blue", "shape=dress"]),
        ("stripes", ["pattern=striped"]),
        # misspellings
        ("stripped", ["pattern=striped"]),
        ("strpied", ["pattern=striped"]),
        ("turqoise", ["color=turquoise"]),
        ("turquaise", ["color=turquoise"]),
        ("nayv blue", ["color=Navy Blue"]),
        ("lnog", ["sleeve=long"]),
        ("dresses", ["shape=dress"]),
        ("shrits", ["shape=shirt"]),
        # a class of two types
        ("plain pattern", ["pattern=plain"]),
        ("patterns: plain", ["pattern=plain"]),
        ("color plain", ["color=plain"]),
        ("color plain, pattern plain", ["color=plain", "pattern=plain"]),
    ],
)
def test_what_is_understood(text: str, expected: list[str]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("red with zips", "'zips' in 'red with zips' is not known"),
        ("red zip and buckle", "'zip', 'buckle'"),
        ("skirt", "'skirt' in 'skirt' is not known (did you mean 'shirt'?)"),
        ("shart", "did you mean 'sh"),
        ("ted", "'ted'"),
        ("rad", "'rad'"),
        ("navy", "color=Navy Blue"),
        ("print", "'print'"),
        ("plain", "may be color or pattern; name the attribute before it, e.g. 'color plain'"),
        ("plain sleeve", "may be color or pattern"),
        ("", "names no class"),
        ("something with the same style", "names no class"),
        ("color", "names no class"),
        ("\u200b!?", "names no class"),
        ("红", "'红'"),
    ],
)
def test_what_is_refused(text: str, named: str) -> None:
    if named.startswith("color="):  # a synonym, not half a class
        assert read(text) == [named]
        with pytest.raises(EditError, match="'navy' in"):
            read(text, Words(SCHEMA))
        return
    with pytest.raises(EditError) as refused:
        read(text)
    assert named in str(refused.value)


def test_a_mix_has_equal_shares() -> None:
    (edit,) = WORDS.parse("blue or red")
    assert edit.mix == {"blue": 0.5, "red": 0.5} and edit.strength == 1


def test_a_misspelling_of_two_words_is_neither() -> None:
    words = Words(AttributeSchema({"shape": ("coats", "boats")}))
    with pytest.raises(EditError, match="'oats'"):
        words.parse("oats")


def test_every_class_is_understood_by_its_own_name() -> None:
    names = ["in", "like", "the", "T-Shirt", "a/b", "x_y", "two words", "Ünü", "color"]
    words = Words(AttributeSchema({"kind": tuple(names)}))
    for name in names:
        assert read(name, words) == [f"kind={name}"]
    assert {"in", "like", "the", "color"} <= FILLING


def test_synonyms_are_those_of_classes_that_the_schema_has() -> None:
    schema = AttributeSchema({"color": ("Red", "grey"), "shape": ("Pants", "shorts")})
    found = usable_synonyms(schema, [*default_synonyms(), ["jeans", "denims"]])
    assert found["crimson"] == "Red" and found["gray"] == "grey" and found["trousers"] == "Pants"
    assert "denims" not in found and "navy" not in found and "grey" not in found
    assert read("CRIMSON slacks", Words(schema, found)) == ["color=Red", "shape=Pants"]
    # of two classes in a group, the first word decides; otherwise nobody does
    both = AttributeSchema({"color": ("blue", "navy")})
    assert usable_synonyms(both, [["blue", "navy", "azure"]]) == {"azure": "blue"}
    assert usable_synonyms(both, [["azure", "navy", "blue"]]) == {}


def test_the_groups_of_synonyms_do_not_contradict_each_other() -> None:
    words = [fold_spelling(word) for group in default_synonyms() for word in group]
    assert len(words) == len(set(words))


def alike(one: str, other: str) -> int:
    """The fewest letters that are added, removed or replaced, or neighbours that are swapped."""
    rows = [list(range(len(other) + 1))]
    for i, a in enumerate(one, start=1):
        row = [i]
        for j, b in enumerate(other, start=1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and (one[i - 2], a) == (b, other[j - 2]):
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


KNOWN = sorted({word for key in WORDS.meanings for word in key} | FILLING)
texts = st.one_of(
    st.text(max_size=30),
    st.lists(
        st.one_of(st.sampled_from(KNOWN), st.text("abdehnorst -,", max_size=7)), max_size=5
    ).map(" ".join),
)


@given(texts)
@example("plain blue plain")
@example("shart lung")
def test_any_text_gives_edits_that_it_names_or_an_edit_error(text: str) -> None:
    try:
        edits = WORDS.parse(text)
    except EditError:
        return
    assert edits and len({edit.attribute_type for edit in edits}) == len(edits)
    given_words = tokens(text)
    for edit in edits:
        for name in edit.mix or ():
            assert name in SCHEMA.of(edit.attribute_type)
            spellings = [
                key for key, of in WORDS.meanings.items() if (edit.attribute_type, name) in of
            ]
            assert any(
                all(min(alike(word, part) for word in given_words) <= 2 for part in spelling)
                for spelling in spellings
            )
    # a word that is near no known one is never passed over
    known = {*KNOWN, *SCHEMA.types}
    assert all(min(alike(word, other) for other in known) <= 2 for word in given_words)


@given(st.permutations(["red", "long", "striped", "dress"]))
def test_the_order_of_words_does_not_matter(order: list[str]) -> None:
    assert read(" ".join(order)) == ["color=red", "pattern=striped", "sleeve=long", "shape=dress"]
