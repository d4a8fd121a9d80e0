"""Extra attributes as codes: what agrees, what is unknown, and by which rule numbers agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flam_pl.attributes import AttributeSchema
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.labels import extra_attribute_codes
from flam_pl.errors import FlamError

SCHEMA = AttributeSchema({"color": ("red", "blue")})


def catalog(
    values: list[object], split: list[str] | None = None, extra: tuple[str, ...] = ("x",)
) -> Catalog:
    table = pd.DataFrame(
        {"path": [f"{i}.jpg" for i in range(len(values))], "split": split or "train", "x": values}
    )
    return Catalog.build("mini", Path("."), table, SCHEMA, extra_attributes=extra)


def test_equal_words_have_equal_codes_and_nothing_known_has_none() -> None:
    codes = extra_attribute_codes(catalog(["v", "boat", " v ", None, "", "NA", "boat", "V"]))["x"]
    assert codes[0] == codes[2] and codes[1] == codes[6]
    assert len({codes[0], codes[1], codes[7]}) == 3 and codes.min() == -1
    assert (codes == -1).tolist() == [False, False, False, True, True, True, False, False]


def test_few_numbers_are_words() -> None:
    codes = extra_attribute_codes(catalog([2011, 2012, 2011, 2018]))["x"]
    assert codes[0] == codes[2] and len(set(codes.tolist())) == 3


@pytest.mark.parametrize("kind", [float, str])
def test_many_numbers_agree_by_thirds_of_the_training_images(kind: type) -> None:
    """Training values 0 .. 299 are cut at about 100 and 200, whatever is evaluated."""
    rng = np.random.default_rng(0)
    train = rng.permutation(300).tolist()
    held_out: list[object] = [-50, 99, 101, 150, 199, 201, 9999]
    values = [None if v is None else kind(v) for v in [*train, *held_out, None]]
    split = ["train"] * 300 + ["evaluation"] * 8
    codes = extra_attribute_codes(catalog(values, split))["x"]
    assert codes[300:].tolist() == [0, 0, 1, 1, 1, 2, 2, -1]
    assert np.bincount(codes[:300]).tolist() == [100, 100, 100]


def test_without_training_images_all_images_are_cut_into_thirds() -> None:
    codes = extra_attribute_codes(catalog([i / 10 for i in range(30)], ["evaluation"] * 30))["x"]
    assert np.bincount(codes).tolist() == [10, 10, 10]


def test_one_word_among_numbers_makes_all_of_them_words() -> None:
    codes = extra_attribute_codes(catalog([*map(str, range(20)), "L", "7"]))["x"]
    assert len(set(codes.tolist())) == 21 and codes[7] == codes[21]


def test_a_column_of_nothing_has_no_values() -> None:
    assert extra_attribute_codes(catalog([None, None]))["x"].tolist() == [-1, -1]


def test_an_extra_attribute_is_a_column_of_its_own_and_stays_one() -> None:
    for name, words in {
        "color": "with one meaning",
        "brand": "expected one column 'brand'",
    }.items():
        with pytest.raises(FlamError, match=words):
            catalog(["a", "b"], extra=(name,))
    whole = catalog(["a", "b", "c"])
    for part in (whole.select([2, 0]), whole.without({1: "broken"})):
        assert part.extra_attributes == ("x",)
    assert extra_attribute_codes(catalog(["a", "b"], extra=())) == {}
