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
from flam_pl.datasets.labels import choose_classes, join_spellings, keep_classes, with_labels
from flam_pl.errors import FlamError

SCHEMA = AttributeSchema({"shape": ("shirt", "jeans"), "color": ("red", "green", "blue")})


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


@given(labels=st.lists(WORDS, min_size=1), known=st.sampled_from([(), ("RED",), ("Blue", "red")]))
def test_labels_take_the_known_spelling_or_the_most_frequent_one(
    labels: list[str | None], known: tuple[str, ...]
) -> None:
    table = pd.DataFrame({"color": pd.Series(labels, dtype="string")})
    joined, notes = join_spellings(table, ["color"], {"color": known})
    counts = Counter(label for label in labels if label)
    expected: list[str | None] = []
    for label in labels:
        if label is None or label in known:
            expected.append(label)
            continue
        alike = [w for w in counts if w.strip().lower() == label.strip().lower()]
        given_one = [w for w in known if w.lower() == label.strip().lower()]
        expected.append((given_one or sorted(alike, key=lambda w: (-counts[w], w)))[0])
    found = [None if pd.isna(label) else label for label in joined["color"]]
    assert found == expected
    changed = sum(a != b for a, b in zip(labels, expected, strict=True))
    assert [int(note.split()[0]) for note in notes] == ([changed] if changed else [])


def test_the_note_names_what_was_respelled_with_counts() -> None:
    labels = ["Black"] * 9 + ["White"] * 8 + ["black"] * 6 + ["WHITE"] * 5
    joined, notes = join_spellings(pd.DataFrame({"color": labels}), ["color"], {})
    assert joined["color"].value_counts().to_dict() == {"Black": 15, "White": 13}
    assert notes == ["11 color label(s) are respelled: black -> Black (6), WHITE -> White (5)"]


def test_classes_by_frequency_and_then_by_name() -> None:
    words = pd.DataFrame({"color": ["b", "a", "c", "c", None, "d", "d", "d"]})
    assert choose_classes(words, ["color"], 3).of("color") == ("d", "c", "a")
    assert choose_classes(words, ["color"], 9, np.array([0, 1])).of("color") == ("a", "b")
    with pytest.raises(FlamError, match="'color' has the classes.*at least two"):
        choose_classes(words, ["color"], 3, np.array([0, 4]))
    for wrong in (1, True, "many", 2.0, None):
        with pytest.raises(FlamError, match="data.classes is .* for color; expected a number"):
            choose_classes(words, ["color"], wrong)


def test_classes_by_type() -> None:
    colors = ["red"] * 4 + ["blue"] * 3 + ["green"] * 2 + ["1"] * 2
    table = pd.DataFrame({"color": colors, "shape": [*"abcdefghijk"]})
    both = choose_classes(table, ["shape", "color"], {"color": ["green", "red", 1]})
    assert both.of("color") == ("green", "red", "1")  # in the order that is given
    assert both.of("shape") == tuple("abcdefghij")  # the ten of a type that is not named
    two = choose_classes(table, ["shape", "color"], {"shape": 2, "color": 3})
    assert two.sizes == (2, 3) and two.of("color") == ("red", "blue", "1")
    refused: list[tuple[dict[str, Any], str]] = [
        ({"colour": 3}, "the type 'colour'; did you mean color.; the types are shape, color"),
        ({"color": ["red", "bleu"]}, "the color 'bleu', which none of the 11.*did you mean blue"),
        ({"color": ["red"]}, "'color' has the classes"),
        ({"color": 1}, "is 1 for color"),
    ]
    for wanted, words in refused:
        with pytest.raises(FlamError, match=words):
            choose_classes(table, ["shape", "color"], wanted)


def test_labels_outside_the_classes_are_counted_and_mistakes_get_a_suggestion() -> None:
    rare = [f"rare {c}" for c in "abcdef"]
    labels = ["Tshirts"] * 100 + ["Shirts"] * 90 + ["Shorts"] * 9 + ["Tshrits"] * 2 + rare * 3
    schema = AttributeSchema({"shape": ("Tshirts", "Shirts")})
    kept, notes = keep_classes(pd.DataFrame({"shape": labels}), schema, "mine")
    assert kept["shape"].notna().sum() == 190
    assert notes == [
        "29 shape label(s) name none of the 2 classes and count as unlabelled: Shorts (9), "
        "rare a (3), rare b (3), rare c (3), rare d (3), Tshrits (2; did you mean Tshirts?) "
        "and 2 more"
    ]  # Shorts are too many for a mistake


def test_a_type_without_a_known_label_is_refused_where_labels_are_required() -> None:
    words = pd.DataFrame({"shape": ["shirt", "sari"], "color": ["rot", "blau"]})
    with pytest.raises(FlamError, match=r"shop.csv: no photo .* color classes red.*blau, rot"):
        keep_classes(words, SCHEMA, "shop.csv")
    kept, notes = keep_classes(words, SCHEMA, "shop.csv", required=False)
    assert kept["color"].isna().all() and len(notes) == 2


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
