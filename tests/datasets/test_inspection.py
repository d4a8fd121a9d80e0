"""How a catalog is described, and which catalogs are refused."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from flam_pl.attributes import AttributeSchema
from flam_pl.datasets.catalog import Catalog, Dropped
from flam_pl.datasets.inspection import (
    check_usable,
    describe,
    edits_cannot_be_evaluated,
    instance_queries,
)
from flam_pl.errors import FlamError

SCHEMA = AttributeSchema({"shape": ("shirt", "jeans"), "color": ("red", "blue")})


def mini(root: Path = Path("/nowhere"), **changes: object) -> Catalog:
    columns: dict[str, object] = {
        "path": [f"{i}.jpg" for i in range(4)] + ["2.jpg"],
        "item": ["a", "a", "b", "c", "b"],
        "domain": ["shop"] * 4 + ["consumer"],
        "split": ["train", "train", "evaluation", "val", "evaluation"],
        "view": [0, 0, 0, 0, 1],
        "shape": ["shirt", "jeans", "jeans", None, None],
        "color": ["red", "blue", "red", "blue", None],
    }
    dropped = [Dropped(f"shop.csv row {i}", "no image file") for i in range(5)]
    table = pd.DataFrame({**columns, **changes})
    return Catalog.build("mini", root, table, SCHEMA, dropped=tuple(dropped))


def test_a_bad_photo_counts_once_with_its_views() -> None:
    bad = {1: "smaller than 8 pixels", 2: "unreadable: truncated", 4: "unreadable: truncated"}
    text = describe(mini(), bad)
    assert "1 x unreadable: truncated: 2.jpg\n" in text
    assert "1 x smaller than 8 pixels: 1.jpg\n" in text


def test_the_description_counts_what_is_there() -> None:
    text = describe(mini())
    cells = [line.split() for line in text.splitlines()]
    assert "mini: 4 photos in /nowhere" in text
    assert "items: 3, 2 with one photo" in text
    assert "distorted views, the queries of the instance search: 1" in text
    assert ["train", "2", "0", "2", "2"] in cells
    assert ["evaluation", "1", "0", "1", "1"] in cells
    assert ["shape", "jeans", "1", "0", "1"] in cells
    assert ["shape", "(unlabelled)", "0", "1", "0"] in cells
    assert "5 x no image file: shop.csv row 0; shop.csv row 1; shop.csv row 2 and 2 more" in text
    assert "not looked for" in text
    assert "cannot be used: none" in describe(mini(), {})


def test_items_that_were_made_for_distorted_views_are_not_counted() -> None:
    text = describe(mini(item=["a", "a", "2.jpg", None, "2.jpg"]))
    assert "items: 1, 0 with one photo; photos without an item: 2" in text


def test_a_usable_catalog_passes_and_the_others_are_refused_with_all_problems() -> None:
    check_usable(mini())
    with pytest.raises(FlamError, match="no training photo: expected"):
        check_usable(mini(split="evaluation"))
    check_usable(mini(split="evaluation"), training=False)
    with pytest.raises(FlamError) as refused:
        check_usable(mini(shape=["jeans", "jeans", None, None, None], color=["red"] * 5))
    for words in (
        "mini (/nowhere)",
        "shape shirt",
        "color blue",
        "no evaluation photo has labels of two types (shape, color)",
        "2 photo(s) of all splits do",
    ):
        assert words in str(refused.value)


def test_photos_of_items_are_enough_without_edits() -> None:
    """A set for instance search may have no image with all labels; distorted views are not enough,
    since every set has them."""
    both = {"view": [0] * 5, "path": [f"{i}.jpg" for i in range(5)]}
    unlabelled = {
        "shape": ["shirt", "jeans", None, None, None],
        "color": ["red", "blue"] + [None] * 3,
    }
    mini_set = mini(**both, **unlabelled)
    check_usable(mini_set)
    check_usable(mini_set, training=False)
    reason = edits_cannot_be_evaluated(mini_set)
    assert (
        reason is not None
        and "no evaluation photo has labels of two types (shape, color)" in reason
    )
    assert f"Edits: {reason}" in describe(mini_set)
    assert instance_queries(mini_set) == (1, 1, 0)
    assert edits_cannot_be_evaluated(mini()) is None
    for changes in (unlabelled, {**both, **unlabelled, "item": list("aabce")}):
        with pytest.raises(FlamError, match="no edit can be evaluated"):
            check_usable(mini(**changes))


def test_the_instance_search_and_notes_are_described() -> None:
    text = describe(mini(item=["a", "a", "b", "c", "d"]))
    assert "instance search: 1 queries among 1 photos; queries whose item is not among" in text
    assert "them: 1" in text
    noted = Catalog.build("mini", Path("."), mini().table, SCHEMA, notes=("5 images, not 6",))
    assert "Notes:\n  - 5 images, not 6" in describe(noted)
    assert "Notes" not in text
