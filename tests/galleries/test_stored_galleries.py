"""SQLite and Milvus Lite against a slow gallery, and what both refuse."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flam_pl.errors import FlamError
from flam_pl.galleries.copy import copy_gallery
from flam_pl.galleries.items import Value
from flam_pl.galleries.stored import Item, Range, StoredGallery, UnknownItem, open_gallery
from slow_gallery import DIMENSION, SlowGallery, made_items, made_queries

ITEMS = made_items(150)
NO_MILVUS = not all(map(importlib.util.find_spec, ("pymilvus", "milvus_lite")))
KINDS = [
    "sqlite",
    pytest.param("milvus", marks=pytest.mark.skipif(NO_MILVUS, reason="no pymilvus[milvus_lite]")),
]


def address_of(kind: str, folder: Path, name: str = "shop") -> str:
    return f"milvus:{folder / name}_milvus.db" if kind == "milvus" else str(folder / f"{name}.db")


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def full(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoredGallery]:
    """A gallery of all photos; tests must not change it."""
    folder = tmp_path_factory.mktemp("gallery")
    gallery = open_gallery(address_of(kind, folder), "space", DIMENSION)
    gallery.add(ITEMS[:100])
    gallery.add(ITEMS[100:])
    yield gallery
    gallery.close()


@pytest.fixture
def gallery(kind: str, tmp_path: Path) -> Iterator[StoredGallery]:
    made = open_gallery(address_of(kind, tmp_path), "space", DIMENSION)
    yield made
    made.close()


@pytest.fixture(scope="module")
def slow() -> SlowGallery:
    oracle = SlowGallery()
    oracle.add(ITEMS)
    return oracle


WHERES = st.fixed_dictionaries(
    {},
    optional={
        "color": st.sampled_from(
            ["red", 'it\'s "old"', "none has this", ["red", "blue"], [], ["blue", None]]
        ),
        "price": st.one_of(
            st.builds(
                Range,
                st.one_of(st.none(), st.integers(-5, 150)),
                st.one_of(st.none(), st.floats(-5, 160)),
            ),
            st.sampled_from([None, 3, 3.0, 6.5, [7, 6.5, 1000], [None, 9]]),
        ),
        "size": st.sampled_from(["M", 38, "38", ["M", 38], None, Range(least=1), Range(most=38)]),
    },
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=WHERES, k=st.integers(1, 160), distinct=st.booleans(), seed=st.integers(0, 9))
def test_filters_and_searches_as_the_slow_gallery(
    full: StoredGallery, slow: SlowGallery, where: Any, k: int, distinct: bool, seed: int
) -> None:
    assert full.ids(0, 1000, where) == slow.ids(where)
    assert full.count(where) == len(slow.ids(where))
    queries = made_queries(3, seed)
    found = full.search(queries, k, where, distinct)
    for query, ids, scores in zip(queries, found.ids, found.scores, strict=True):
        expected = slow.search(query, k, where, distinct)
        np.testing.assert_allclose(scores, [score for _, score in expected], atol=1e-5)
        if not distinct:  # equal scores are in no order
            assert set(ids[:-1]) <= {id for id, _ in slow.search(query, k + 1, where)}
        assert len(set(ids)) == len(ids)


def test_the_first_ten_are_those_of_the_slow_gallery(
    full: StoredGallery, slow: SlowGallery
) -> None:
    queries = made_queries(1000)
    found = full.search(queries, 10).ids
    exact = [[id for id, _ in slow.search(query, 10)] for query in queries]
    # the order of two scores that differ in the last digit may be another one
    assert sum(ids == best for ids, best in zip(found, exact, strict=True)) >= 999


def test_photos_come_back_as_they_were_added(full: StoredGallery) -> None:
    wanted = [ITEMS[7], ITEMS[120], ITEMS[7]]
    for item, expected in zip(full.fetch([i.id for i in wanted]), wanted, strict=True):
        np.testing.assert_array_equal(item.vector, expected.vector)
        assert item.vector.dtype == np.float16
        for field in ("id", "uri", "columns", "hash", "length", "stamp"):
            assert getattr(item, field) == getattr(expected, field)
    assert full.stamps() == {item.id: (item.stamp, item.hash) for item in ITEMS}


def test_pages_facets_and_facts(full: StoredGallery, slow: SlowGallery) -> None:
    assert full.ids(20, 7) == slow.ids()[20:27]
    facets = full.facets(["color", "size"], {"price": Range(least=50)})
    chosen = slow.passing({"price": Range(least=50)})
    for name, counts in facets.items():
        held = [str(i.columns[name]) for i in chosen if name in i.columns]
        assert counts == {value: held.count(value) for value in set(held)}
        assert list(counts.values()) == sorted(counts.values(), reverse=True)
    info = full.info()
    assert (info.rows, info.dimension, info.space) == (150, DIMENSION, "space")
    numbers = dict.fromkeys(("item", "price"), "number")
    assert info.columns == {"color": "text", "size": "text", **numbers}
    assert info.disk_bytes > 0 and info.memory_bytes >= 150 * DIMENSION * 4


def test_replaced_photos_keep_their_place_and_deleted_ones_are_gone(
    gallery: StoredGallery,
) -> None:
    slow = SlowGallery()
    changed = [Item(i.id, "new", {"n": 1}, "h", -i.vector) for i in ITEMS[10:20]]
    for each in (gallery, slow):
        each.add(ITEMS[:60])
        each.add(changed)
        assert each.delete(["photo 3", "photo 3", "photo 15", "none"]) == 2
        each.add(made_items(20, seed=5, start=50))
    assert gallery.ids(0, 1000) == slow.ids() and len(gallery) == len(slow.ids())
    assert gallery.fetch(["photo 12"])[0].columns == {"n": 1}
    query = made_queries(1)
    assert gallery.search(query, 70).ids[0] == [id for id, _ in slow.search(query[0], 70)]
    with pytest.raises(UnknownItem, match="photo 15"):
        gallery.fetch(["photo 12", "photo 15"])


def test_a_number_and_its_text_are_one_value(gallery: StoredGallery) -> None:
    """A column of numbers can get a text later, as sizes do; a page asks with texts."""
    sizes: list[Value] = [36, "37", 38.0, "M", "007", 7, 41, "41"]
    made = made_items(len(sizes))
    gallery.add([replace(i, columns={"size": s}) for i, s in zip(made, sizes, strict=True)])
    for size in ("36", 36, "37", 37, 37.0, "38", 38, "M", "007", "7", 7):
        assert gallery.count({"size": size}) == 1, size
        assert gallery.count({"size": [size, "XL"]}) == 1, size
    assert gallery.count({"size": "36.5"}) == 0
    assert gallery.count({"size": "41"}) == gallery.count({"size": 41}) == 2
    counts = gallery.facets(["size"])["size"]
    assert counts["36"] == 1 and next(iter(counts.items())) == ("41", 2)


def test_an_item_may_be_a_number_or_its_text(gallery: StoredGallery) -> None:
    items: list[Value] = [7, "7", "007"]
    made = zip(made_items(3), items, "abc", strict=True)
    gallery.add([replace(photo, hash=hash, columns={"item": item}) for photo, item, hash in made])
    assert len(gallery.search(made_queries(1), 3, distinct=True).ids[0]) == 2


def test_a_column_without_values_is_left_out(gallery: StoredGallery) -> None:
    gallery.add([replace(GOOD, columns={"gender": "Women", "price": 3})])
    gallery.add([replace(GOOD, columns={"sex": "Women", "price": 3})])
    assert gallery.info().columns == {"price": "number", "sex": "text"}


def test_an_empty_gallery_finds_nothing(gallery: StoredGallery) -> None:
    found = gallery.search(made_queries(2), 5, distinct=True)
    assert found.ids == [[], []] and [len(s) for s in found.scores] == [0, 0]
    assert len(gallery) == 0 and gallery.ids(0, 5) == [] and gallery.stamps() == {}
    gallery.add([])
    assert gallery.delete([]) == 0
    assert gallery.search(np.empty((0, DIMENSION), np.float32), 3).ids == []


GOOD = ITEMS[0]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (Item("", "u", {}, "h", GOOD.vector), "has 0 letters"),
        (Item("a" * 1001, "u", {}, "h", GOOD.vector), "1,001 letters.*1 to 1,000"),
        (Item("a", "u", {}, "h", GOOD.vector[:5]), r"shape \(5,\).*takes \(24,\)"),
        (Item("a", "u", {}, "h", np.full(DIMENSION, np.nan, np.float16)), "not finite"),
        (Item("a", "u", {}, "h", np.full(DIMENSION, 1e6, np.float32)), "not finite"),
        (Item("a", "u", {}, "h", GOOD.vector, math.inf), "length is inf"),
        (Item("a", "u", {"c": math.nan}, "h", GOOD.vector), "'c' is nan"),
        (Item("a", "u", {"c": 2**70}, "h", GOOD.vector), "can be stored"),
        (Item("a\udc80", "u", {}, "h", GOOD.vector), "Unicode"),
        (Item("a", "u", {"c": ["x"]}, "h", GOOD.vector), "neither a text nor a number"),  # type: ignore[dict-item]
    ],
)
def test_a_bad_photo_is_refused_with_its_whole_batch(
    gallery: StoredGallery, bad: Item, message: str
) -> None:
    with pytest.raises(FlamError, match=message):
        gallery.add([GOOD, bad])
    assert len(gallery) == 0


def test_bad_questions_are_refused(full: StoredGallery) -> None:
    with pytest.raises(FlamError, match=r"no column 'colour'.*color.*price"):
        full.search(made_queries(1), 3, {"colour": "red"})
    with pytest.raises(FlamError, match="no column 'colour'"):
        full.facets(["colour"])
    with pytest.raises(FlamError, match=r"shape \(1, 3\).*\(Q, 24\)"):
        full.search(np.zeros((1, 3)), 3)
    with pytest.raises(FlamError, match="not finite"):
        full.search(np.full((1, DIMENSION), np.inf), 3)
    with pytest.raises(FlamError, match="k is 0"):
        full.search(made_queries(1), 0)


def test_a_gallery_of_another_bundle_is_refused(kind: str, tmp_path: Path) -> None:
    address = address_of(kind, tmp_path)
    with pytest.raises(FlamError, match="there is no gallery"):
        open_gallery(address)
    made = open_gallery(address, "space", DIMENSION)
    made.add(ITEMS[:3])
    made.close()
    with pytest.raises(FlamError, match="made by another bundle.*'space'.*'other'"):
        open_gallery(address, "other", DIMENSION)
    with pytest.raises(FlamError, match="24 numbers, not 9"):
        open_gallery(address, "space", 9)
    with pytest.raises(FlamError, match="no index 'best'"):
        open_gallery(address, index="best")
    again = open_gallery(address)
    assert (again.space, again.dimension, len(again)) == ("space", DIMENSION, 3)
    again.close()


def test_a_copy_goes_on_where_it_stopped(kind: str, tmp_path: Path) -> None:
    source = open_gallery(tmp_path / "source.db", "space", DIMENSION)
    target = open_gallery(address_of(kind, tmp_path), "space", DIMENSION)
    source.add(ITEMS)
    target.add(ITEMS[:40])
    assert copy_gallery(source, target, batch=30) == 110
    assert copy_gallery(source, target) == 0
    queries = made_queries(5)
    assert target.search(queries, 10).ids == source.search(queries, 10).ids
    assert target.ids(0, 200) == source.ids(0, 200)
    target.close()
    with (
        pytest.raises(FlamError, match="two bundles"),
    ):
        copy_gallery(source, open_gallery(tmp_path / "other.db", "other", DIMENSION))
    source.close()
