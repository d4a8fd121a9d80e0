"""Labels: one spelling per class, which classes are used, and labels that stand one by one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flam_pl.attributes import AttributeSchema, did_you_mean, fold_spelling
from flam_pl.datasets.labels import use_classes, with_labels
from flam_pl.errors import FlamError


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Black", "black"),
        ("WHITE ", " White"),
        ("navy  blue", "Navy Blue"),
        ("caf\u00e9", "cafe\u0301"),  # composed and decomposed
        ("red\u200b", "red"),  # a zero-width space
        ("\ufeffred", "re\u00add"),  # a byte order mark, a soft hyphen
        ("\uff32\uff45\uff44", "Red"),  # full-width letters
        ("navy\u00a0blue", "navy blue"),  # a no-break space
        ("STRASSE", "stra\u00dfe"),
        ("r\u0435d", "red"),  # a Cyrillic letter
        ("\u0392LUE", "blue"),  # a Greek letter
        ("t\u2011shirt", "t-shirt"),  # a hyphen that does not break
        ("men\u2019s", "men's"),
        ("red\x07", "red"),  # a control character
        ("red\ufe0f", "red\u2800"),  # a variation selector, a Braille blank
    ],
)
def test_spellings_that_look_alike_are_one(one: str, other: str) -> None:
    assert one != other and fold_spelling(one) == fold_spelling(other)


@pytest.mark.parametrize(("one", "other"), [("red", "reds"), ("caf\u00e9", "cafe"), ("1", "01")])
def test_other_words_are_not(one: str, other: str) -> None:
    assert fold_spelling(one) != fold_spelling(other)


def test_the_nearest_name_is_suggested_and_none_where_all_are_far() -> None:
    assert did_you_mean("tshrits", ["Tops", "Tshirts", "Shirts"]) == "; did you mean Tshirts?"
    assert did_you_mean("WHIET", ["White", "Black"]) == "; did you mean White?"
    assert did_you_mean("sari", ["Tops", "Tshirts"]) == did_you_mean("x", []) == ""


WORDS = st.sampled_from(["red", "Red", "RED", " red", "blue", "Blue", "blue ", "green", None])


@given(labels=st.lists(WORDS, min_size=1), named=st.sampled_from([("RED", "blue"), ("Blue", "x")]))
def test_a_trained_run_gives_labels_its_own_spelling(
    labels: list[str | None], named: tuple[str, str]
) -> None:
    table = pd.DataFrame({"color": pd.Series(labels, dtype="string")})
    schema = AttributeSchema({"color": named})
    known, classes, notes = use_classes(table, ["color"], schema)
    of = {name.lower(): name for name in named}
    expected = [of.get(label.strip().lower()) if label else None for label in labels]
    assert [None if pd.isna(label) else label for label in known["color"]] == expected
    assert classes is schema and table["color"].equals(pd.Series(labels, dtype="string"))
    lost = [label for label, kept in zip(labels, expected, strict=True) if label and not kept]
    counts = [int(note.split()[0]) for note in notes if "name none of the 2 classes" in note]
    assert counts == [len(lost)] * bool(lost)


@given(labels=st.lists(WORDS, min_size=1))
def test_a_class_takes_its_most_frequent_spelling(labels: list[str | None]) -> None:
    labels = [*labels, *["x"] * 99, *["y"] * 99]  # so that there are two classes
    counts = Counter(label for label in labels if label)
    found, schema, notes = use_classes(pd.DataFrame({"color": labels}), ["color"], 9)
    expected: list[str | None] = []
    for label in labels:
        alike = [w for w in counts if label and w.strip().lower() == label.strip().lower()]
        expected.append(min(alike, key=lambda w: (-counts[w], w)) if label else None)
    assert [None if pd.isna(label) else label for label in found["color"]] == expected
    assert {*schema.of("color")} == {label for label in expected if label}
    changed = sum(a != b for a, b in zip(labels, expected, strict=True))
    assert [int(note.split()[0]) for note in notes] == [changed] * bool(changed)


def test_the_note_names_what_was_respelled_with_counts() -> None:
    labels = ["Black"] * 9 + ["White"] * 8 + ["black"] * 6 + ["WHITE"] * 5
    joined, _, notes = use_classes(pd.DataFrame({"color": labels}), ["color"], 10)
    assert joined["color"].value_counts().to_dict() == {"Black": 15, "White": 13}
    assert notes == ["11 color label(s) are respelled: black -> Black (6), WHITE -> White (5)"]
    labels = ["red"] * 9 + ["r\u0435d"] + ["\u041a\u041e\u0422"] * 2 + ["\u041a\u043e\u0442"] * 3
    _, _, notes = use_classes(pd.DataFrame({"color": labels}), ["color"], 10)
    assert notes == [
        "3 color label(s) are respelled: \u041a\u041e\u0422 -> \u041a\u043e\u0442 (2), "
        "'r\\u0435d' -> 'red' (1)"
    ]  # what the eye cannot see is escaped


def chosen(table: pd.DataFrame, wanted: Any, *kinds: str, rows: Any = None) -> AttributeSchema:
    return use_classes(table, kinds or ["color"], wanted, rows)[1]


def test_classes_by_frequency_and_then_by_name() -> None:
    words = pd.DataFrame({"color": ["b", "a", "c", "c", None, "d", "d", "d"]})
    assert chosen(words, 3).of("color") == ("d", "c", "a")
    assert chosen(words, 9, rows=np.array([0, 1])).of("color") == ("a", "b")
    with pytest.raises(FlamError, match="'color' has the classes.*at least two"):
        chosen(words, 3, rows=np.array([0, 4]))
    for wrong in (1, True, "many", 2.0):
        with pytest.raises(FlamError, match="data.classes is .* for color; expected 2 or more"):
            chosen(words, wrong)


def test_without_a_number_rare_classes_are_left_out_from_the_eleventh_on() -> None:
    counts = {"l": 25, **{letter: 22 for letter in "abcdefghijk"}, "m": 20, "n": 19, "o": 1}
    colors = [name for name, count in counts.items() for _ in range(count)]
    table = pd.DataFrame({"color": colors})
    assert chosen(table, None).of("color") == ("l", *"abcdefghijk", "m")
    few = pd.DataFrame({"color": [*"aabcdefghijk"]})
    assert chosen(few, None).of("color") == tuple("abcdefghij")
    counted = chosen(table, None, rows=np.arange(len(table) - 20)[::2])  # half of each
    assert counted.sizes == (10,)


def test_classes_by_type() -> None:
    colors = ["red"] * 4 + ["Blue"] * 3 + ["green"] * 2 + ["1"] * 2
    table = pd.DataFrame({"color": colors, "shape": [*"abcdefghijk"]})
    both = chosen(table, {"color": ["green", "blue", 1]}, "shape", "color")
    assert both.of("color") == ("green", "blue", "1")  # in the order and spelling that is given
    assert both.of("shape") == tuple("abcdefghij")  # the ten of a type that is not named
    two = chosen(table, {"shape": 2, "color": 3}, "shape", "color")
    assert two.sizes == (2, 3) and two.of("color") == ("red", "Blue", "1")
    refused: list[tuple[dict[str, Any], str]] = [
        ({"colour": 3}, "the type 'colour'; did you mean color.; the types are shape, color"),
        ({"color": ["red", "bleu"]}, "the color 'bleu', which no photo has; did you mean Blue"),
        ({"color": ["red"]}, "'color' has the classes"),
        ({"color": 1}, "is 1 for color"),
    ]
    for wanted, words in refused:
        with pytest.raises(FlamError, match=words):
            chosen(table, wanted, "shape", "color")


def test_labels_outside_the_classes_are_counted_and_mistakes_get_a_suggestion() -> None:
    rare = [f"rare {c}" for c in "abcdef"]
    labels = ["Tshirts"] * 100 + ["Shirts"] * 90 + ["Shorts"] * 9 + ["Tshrits"] * 2 + rare * 3
    kept, _, notes = use_classes(pd.DataFrame({"shape": labels}), ["shape"], 2)
    assert kept["shape"].notna().sum() == 190
    assert notes == [
        "29 shape label(s) name none of the 2 classes and count as unlabelled: Shorts (9), "
        "rare a (3), rare b (3), rare c (3), rare d (3), Tshrits (2; did you mean Tshirts?) "
        "and 2 more"
    ]  # Shorts are too many for a mistake


LABEL = st.tuples(*(st.sampled_from(words) for words in ("abc", ("size", "hue"), "12")))


@given(labels=st.lists(LABEL, max_size=9), listed=st.permutations("abd"))
def test_labels_one_by_one_against_a_loop(
    labels: list[tuple[str, str, str]], listed: list[str]
) -> None:
    table = pd.DataFrame({"path": listed}, index=list("xyz"))
    both, extra, notes = with_labels(table, labels, {"color": "hue"}, ("size", "hue", "fit"))
    assert extra == ["size", "fit"] and both["path"].tolist() == listed
    contradictions = 0
    for column, attribute in (("color", "hue"), ("size", "size"), ("fit", "fit")):
        for path in "abcd":
            values = {value for p, a, value in labels if (p, a) == (path, attribute)}
            contradictions += len(values) > 1
            if path in listed:
                found = both.loc[both["path"] == path, column].iloc[0]
                assert (values == {found}) if len(values) == 1 else pd.isna(found)
    assert [int(note.split()[0]) for note in notes] == [contradictions] * bool(contradictions)
