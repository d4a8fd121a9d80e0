"""Edits in words: what is understood, what is refused, and that nothing is guessed."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flam_pl.attributes import AttributeSchema, fold_spelling
from flam_pl.editing.edits import EditError
from flam_pl.serving.words import (
    FILLING,
    MARKS,
    NOT,
    Words,
    default_synonyms,
    tokens,
    usable_synonyms,
)

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
        # what "or" and its like join is a mix
        ("red-and-blue", ["color=red+blue"]),
        ("in red or in blue", ["color=red+blue"]),
        ("red & blue + turquoise", ["color=red+blue+turquoise"]),
        ("red, blue", ["color=red+blue"]),
        ("red and blue stripes", ["color=red+blue", "pattern=striped"]),
        # what is not wanted, beside what is
        ("in red instead of blue", ["color=red"]),
        ("instead of blue make it red", ["color=red"]),
        ("instead of the red dress, a blue coat", ["color=blue", "shape=coat"]),
        ("red rather than blue with long sleeves", ["color=red", "sleeve=long"]),
        ("blue, not red", ["color=blue"]),
        ("not red, blue", ["color=blue"]),
        ("red and blue, not blue", ["color=red"]),
        # what describes the query
        ("this red dress but in blue", ["color=blue", "shape=dress"]),
        ("like this red one, but blue", ["color=blue"]),
        ("make the blue one red", ["color=red"]),
        ("red but striped", ["color=red", "pattern=striped"]),
        # how people write
        ("it's red", ["color=red"]),
        ("I\u2019d like red", ["color=red"]),
        ("can you show it in \u201cred\u201d\u2026", ["color=red"]),
        ("red\u2014striped", ["color=red", "pattern=striped"]),
        ("red colored", ["color=red"]),
        ("color=red", ["color=red"]),
        # a part of a longer name
        ("print", ["pattern=T-Shirt print"]),
        ("a printed dress", ["pattern=T-Shirt print", "shape=dress"]),
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
        ("skirt", "'skirt' in 'skirt' is not known; did you mean shirt?"),
        ("shart", "did you mean sh"),
        ("ted", "'ted'"),
        ("rad", "'rad'"),
        ("sky", "'sky' in 'sky' is not known; known are"),
        ("less red", "'less' in 'less red' is not known; known are"),
        (
            "\u0432 \u043a\u0440\u0430\u0441\u043d\u043e\u043c",
            "'\u043a\u0440\u0430\u0441\u043d\u043e\u043c' in",
        ),
        ("in Zips", "'Zips' in"),
        # two of one type, without a word that says how
        ("red blue", "red or blue? 'red blue' may mean each of them; name one, or write"),
        ("blue to red", "blue or red?"),
        ("red with blue stripes", "red or blue?"),
        ("the same in red but with blue stripes", "red or blue?"),
        ("make the blue one with red stripes", "blue or red?"),
        ("red dress and blue coat", "red or blue?"),
        ("not red, blue or turquoise", "blue or turquoise?"),
        # only what is not wanted, or perhaps not
        ("not red", "says what is not wanted"),
        ("no stripes", "says what is not wanted"),
        ("non-red", "says what is not wanted"),
        ("without pattern, red", "says what is not wanted"),
        ("red but not striped", "says what is not wanted"),
        ("red, not blue and striped", "says what is not wanted"),
        ("not in red or in blue", "says what is not wanted"),
        ("in red, no, make it blue", "says what is not wanted"),
        ("red, not red", "says what is not wanted"),
        ("dress, not", "says what is not wanted"),
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
    with pytest.raises(EditError) as refused:
        read(text)
    assert named in str(refused.value)


def test_a_mix_has_equal_shares() -> None:
    (edit,) = WORDS.parse("blue or red")
    assert edit.mix == {"blue": 0.5, "red": 0.5} and edit.strength == 1


def test_a_word_of_longer_names_means_any_of_them() -> None:
    stripes = ("horizontal-stripes", "vertical-stripes")
    words = Words(AttributeSchema({"shape": ("t-shirt", "dress"), "pattern": (*stripes, "dots")}))
    for text in ("striped", "stripes", "with a stripe"):
        assert read(text, words) == ["pattern=horizontal-stripes+vertical-stripes"]
    for text in ("vertical stripes", "striped, not horizontal", "vertical dress, striped"):
        assert read(text, words)[-1] == "pattern=vertical-stripes"
    with pytest.raises(EditError, match="'t' in"):
        words.parse("t")


def test_short_is_neither_shorts_nor_a_sleeve() -> None:
    words = Words(AttributeSchema({"shape": ("shorts", "dress", "shirt", "kurtas")}))
    with pytest.raises(EditError, match="'short' in 'a short dress' is not known"):
        words.parse("a short dress")
    schema = AttributeSchema({"sleeve": ("short sleeve", "sleeveless"), "shape": ("dress", "coat")})
    with pytest.raises(EditError, match="'short' in 'a short dress' is not known"):
        Words(schema).parse("a short dress")
    for text in ("short sleeves", "short-sleeved"):
        assert read(text, Words(schema)) == ["sleeve=short sleeve"]
    for text, name in (("shirts", "shirt"), ("a kurta", "kurtas"), ("dres", "dress")):
        assert read(text, words) == [f"shape={name}"]


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
    assert usable_synonyms(both, default_synonyms())["dark blue"] == "navy"
    plain = AttributeSchema({"color": ("blue", "red")})
    assert usable_synonyms(plain, default_synonyms())["navy"] == "blue"


def test_the_groups_of_synonyms_do_not_contradict_each_other() -> None:
    words = [fold_spelling(word) for group in default_synonyms() for word in group]
    twice = {word for word in words if words.count(word) > 1}
    assert twice == {"navy blue", "navy", "dark blue"}  # a kind of blue, if it is no class


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


KNOWN = sorted({word for key in WORDS.meanings for word in key} | FILLING | NOT | {*MARKS})
texts = st.one_of(
    st.text(max_size=30),
    st.lists(
        st.one_of(st.sampled_from(KNOWN), st.text("abdehnorst -,", max_size=7)), max_size=5
    ).map(" ".join),
)


@given(texts)
@example("plain blue plain")
@example("shart lung")
@example("not a red dress")
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
        if edit.mix and len(edit.mix) > 1:  # something joins them, or one word means them all
            assert not {*given_words}.isdisjoint({"and", "or", *"+/&,"})
    # a word that is near no known one is never passed over
    known = {*KNOWN, *SCHEMA.types}
    assert all(min(alike(word, other) for other in known) <= 2 for word in given_words)


@given(st.permutations(["red", "long", "striped", "dress"]))
def test_the_order_of_words_does_not_matter(order: list[str]) -> None:
    assert read(" ".join(order)) == ["color=red", "pattern=striped", "sleeve=long", "shape=dress"]
