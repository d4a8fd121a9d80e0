"""Garments in several colors: found by names or counterfactuals, whole on one side."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flam_pl.config.data import FashionProductsData
from flam_pl.datasets.assembly import garment_note
from flam_pl.datasets.catalog import fill_garments
from flam_pl.datasets.fashion_products import find_garments, read

PLACE = os.environ.get("FLAM_PL_FASHION_PRODUCTS")


def products(*rows: tuple[str | None, str | None], **columns: object) -> pd.DataFrame:
    """Products of these names and colors."""
    table = pd.DataFrame(rows, columns=["name", "color"])
    table["item"] = [str(100 + i) for i in range(len(rows))]
    return table.assign(**{"gender": "Men", "shape": "Shirts", **columns}).astype("string")


def found(table: pd.DataFrame) -> list[str | None]:
    return [None if pd.isna(garment) else str(garment) for garment in find_garments(table)]


RAKISH = (("Ed Men Rakish Blue Shirt", "Blue"), ("Ed Men Rakish Light-Red Shirt", "Red"))


def test_names_that_differ_in_words_of_color_only() -> None:
    assert found(products(*RAKISH)) == ["100", "100"]
    # "navy" is a color's word because some product is Navy Blue; "grape" is none here
    navy = (("ED men rakish NAVY shirt", "Navy Blue"), ("Ed Men Rakish Grape Shirt", "Purple"))
    assert found(products(*RAKISH, *navy)) == ["100", "100", "100", None]
    other = [*RAKISH, ("Ed Men Rakish Blue Shirts", "Green")]
    assert found(products(*other)) == ["100", "100", None]


def test_what_is_no_garment_in_several_colors() -> None:
    assert found(products(*RAKISH, gender=["Men", "Women"])) == [None, None]
    assert found(products(*RAKISH, shape=["Shirts", None])) == [None, None]
    assert found(products(*RAKISH, shape=[None, None])) == ["100", "100"]
    one_color = [(name, "Blue") for name, _ in RAKISH]
    assert found(products(*one_color)) == [None, None]
    assert found(products(RAKISH[0], (RAKISH[1][0], None))) == [None, None]  # who knows
    assert found(products(*RAKISH, (RAKISH[0][0], None))) == ["100"] * 3
    six = [RAKISH[0]] * 5 + [RAKISH[1]]
    assert found(products(*six)) == ["100"] * 6
    assert found(products(*six, RAKISH[0])) == [None] * 7
    assert found(products((None, "Blue"), (None, "Red"))) == [None, None]
    assert found(products(("Light Blue", "Blue"), ("Red", "Red"))) == [None, None]


def test_a_name_of_frequent_words_tells_no_garment() -> None:
    """A word is frequent from three names on; a name counts once, however it is colored."""
    line = [("Ed Men Blue Shirt", "Blue"), ("Ed Men Red Shirt", "Red")]
    others = [("Ed Men Check Shirt", None), ("Ed Men Solid Shirt", None)]
    assert found(products(*line, others[0])) == ["100", "100", None]  # each word is in two names
    assert found(products(*line, *others)) == [None] * 4
    again = [("Ed Men Check Red Shirt", None), ("Ed Men Light Check Shirt", None)]
    assert found(products(*line, others[0], *again))[:2] == ["100", "100"]
    song = [("La La La Red", "Red"), ("La La La Blue", "Blue")]  # a word counts once a name, too
    assert found(products(*song)) == ["100", "100"]


WORDS = ["Ed", "ed", "Tee", "Rakish", "blue", "Red", "Navy", "light", "dark", "women's", "A-1"]
PRODUCT = st.tuples(
    st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join),
    st.sampled_from(["Blue", "Red", "Navy Blue", None]),
    st.sampled_from(["Men", None]),
    st.sampled_from(["Shirts", "Tops", None]),
)


def by_looking_at_each(table: pd.DataFrame) -> list[str | None]:
    """The rule once more, one product after the other."""
    colors = "light dark " + " ".join(table["color"].dropna()).lower()

    def reduced(row: int) -> list[str]:
        name = table["name"].fillna("")[row].lower()
        return [word for word in re.findall(r"\w+", name) if word not in colors.split()]

    rows = range(len(table))
    names: list[list[str]] = []
    for row in rows:
        if reduced(row) not in names:
            names.append(reduced(row))
    keys = [[*table[["gender", "shape"]].fillna("").loc[row], reduced(row)] for row in rows]
    answer: list[str | None] = []
    for row in rows:
        group = [other for other in rows if keys[other] == keys[row]]
        shades = {table["color"][other] for other in group if not pd.isna(table["color"][other])}
        rare = [w for w in reduced(row) if sum(w in name for name in names) < 3]
        is_one = 1 < len(group) < 7 and len(shades) > 1 and bool(rare)
        answer.append(str(table["item"][group[0]]) if is_one else None)
    return answer


@given(rows=st.lists(PRODUCT, min_size=1, max_size=14))
@settings(max_examples=150)
def test_the_rule_against_a_slow_one(rows: list[tuple[str, str | None, str | None, str]]) -> None:
    names, colors, genders, shapes = zip(*rows, strict=True)
    pairs = zip(names, colors, strict=True)
    table = products(*pairs, gender=list(genders), shape=list(shapes))
    assert found(table) == by_looking_at_each(table)
    turned = found(table.set_index(pd.Index(range(len(rows), 0, -1))))  # the index does not matter
    assert turned == by_looking_at_each(table)


def filled(**columns: list[object]) -> list[str | None]:
    garment = fill_garments(pd.DataFrame(columns))
    assert garment.dtype == "string"
    return [None if pd.isna(name) else str(name) for name in garment]


def test_counterfactuals_and_their_originals_are_garments() -> None:
    items: list[object] = ["a", "a", "b", "c", None, "d"]
    made: list[object] = [None, None, "a", "gone", "a", None]
    assert filled(item=items, counterfactual_of=made) == ["a", "a", "a", "gone", "a", None]
    view: list[object] = [0, 1, 0, 0, 2, 0]
    expected = ["a", None, "a", "gone", None, None]
    assert filled(item=items, counterfactual_of=made, view=view) == expected
    assert filled(item=items) == [None] * 6
    assert filled(path=["x"]) == [None]


def test_a_garment_that_is_given_stays_and_is_passed_on() -> None:
    items: list[object] = ["a", "a", "b", "c", "d"]
    made: list[object] = [None, None, "a", "a", None]
    assert filled(item=items, counterfactual_of=made, garment=[None, None, "g", None, "h"]) == (
        ["g", "g", "g", "g", "h"]
    )
    assert filled(item=items, counterfactual_of=made, garment=[None, "g", "h", None, None]) == (
        ["g", "g", "h", "g", None]
    )
    assert filled(garment=["g", None]) == ["g", None]


ITEM = st.sampled_from(["a", "b", "c", None])


@given(rows=st.lists(st.tuples(ITEM, ITEM, st.sampled_from(["a", "g", None])), min_size=1))
@settings(max_examples=60)
def test_filling_against_a_slow_one(rows: list[tuple[str | None, str | None, str | None]]) -> None:
    items, made, given = (list(column) for column in zip(*rows, strict=True))
    originals = [m or (i if i in made else None) for i, m, _ in rows]
    expected = []
    for original, own in zip(originals, given, strict=True):
        same = [g for o, g in zip(originals, given, strict=True) if o == original and o and g]
        expected.append(own or (same[0] if same else original))
    assert filled(item=items, counterfactual_of=made, garment=given) == expected
    again = filled(item=items, counterfactual_of=made, garment=expected)
    assert again == expected


def test_the_note_counts_garments_and_photos() -> None:
    table = pd.DataFrame(
        {
            "garment": ["g", "g", "h", "h", "h", None],
            "split": ["val", "val", "evaluation", "evaluation", "evaluation", "train"],
        }
    ).astype("string")
    (note,) = garment_note(table)
    assert note.startswith("2 garment(s) in several classes, 5 photos: 1 validate, 1 are evaluated")
    assert garment_note(table[5:]) == []


@pytest.mark.skipif(
    not PLACE, reason="FLAM_PL_FASHION_PRODUCTS does not name a folder with styles.csv and images/"
)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_garments_of_the_real_photos(seed: int) -> None:
    assert PLACE is not None
    catalog = read(Path(PLACE), FashionProductsData(split_seed=seed))
    photos = catalog.table[catalog.table["view"] == 0]
    several = photos[photos["garment"].notna()]
    assert (several["garment"].nunique(), len(several)) == (107, 269)
    assert (several.groupby("garment")["split"].nunique() == 1).all()
    of = several.groupby("split")["garment"].nunique().to_dict()
    assert of == {"val": 36, "evaluation": 71}
    # photos that are equal byte by byte: one item, on one side
    contents = photos["path"].map(lambda path: (catalog.root / path).read_bytes())
    twins = photos[contents.duplicated(keep=False)].groupby(contents)
    assert len(twins) == 54 and int(twins.size().sum()) == 108
    assert (twins[["item", "split"]].nunique() == 1).all(axis=None)
    assert photos["item"].nunique() == contents.nunique()
