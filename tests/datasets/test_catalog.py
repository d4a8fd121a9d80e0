"""Catalog: what it refuses, what it selects, what its fingerprints see; and the shared splits."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flam_pl.attributes import AttributeSchema
from flam_pl.datasets.catalog import Catalog, Dropped
from flam_pl.datasets.splits import (
    has_item_pairs,
    keep_classes,
    split_csv,
    split_dense,
    top_classes,
    with_distorted_views,
)
from flam_pl.errors import FlamError

SCHEMA = AttributeSchema({"shape": ("shirt", "jeans"), "color": ("red", "green", "blue")})


def table(**changes: list[object]) -> pd.DataFrame:
    columns: dict[str, list[object]] = {
        "path": ["a.jpg", "b.jpg", "c.jpg", "a.jpg"],
        "item": ["10", "9", None, "10"],
        "domain": ["shop", "shop", "shop", "consumer"],
        "split": ["evaluation", "train", "train", "evaluation"],
        "view": [0, 0, 0, 1],
        "shape": ["shirt", "jeans", None, None],
        "color": ["blue", None, None, None],
        "season": ["fall", "fall", None, "fall"],
    }
    return pd.DataFrame({**columns, **changes})


def catalog(root: Path = Path("/nowhere"), **changes: list[object]) -> Catalog:
    return Catalog.build("mini", root, table(**changes), SCHEMA, extras=("season",))


def test_the_arrays_are_those_written_down_by_hand() -> None:
    mini = catalog()
    assert mini.labels.tolist() == [[0, 2], [1, -1], [-1, -1], [-1, -1]]
    assert mini.labels.dtype == np.int64
    assert mini.items.tolist() == [0, 1, -1, 0]  # "10" sorts before "9": items are names
    assert mini.paths[1] == Path("/nowhere/b.jpg")
    assert list(mini.table)[:6] == ["path", "item", "domain", "split", "view", "counterfactual_of"]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, [0, 1, 2, 3]),
        ({"split": "train"}, [1, 2]),
        ({"domain": "consumer"}, [3]),
        ({"dense": True}, [0]),
        ({"dense": False}, [1, 2, 3]),
        ({"labelled": True}, [0, 1]),
        ({"labelled": False}, [2, 3]),
        ({"split": "evaluation", "domain": "shop", "dense": True}, [0]),
        ({"split": "val"}, []),
    ],
)
def test_rows(conditions: dict[str, object], expected: list[int]) -> None:
    rows = catalog().rows(**conditions)  # type: ignore[arg-type]
    assert rows.tolist() == expected and rows.dtype == np.int64


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"split": ["train", "test", "train", "val"]}, ["row 1", "b.jpg", "split", "'test'"]),
        ({"split": ["train", "val", None, "val"]}, ["row 2", "c.jpg", "split"]),
        ({"domain": ["shop", "shop", "street", "shop"]}, ["row 2", "domain", "'street'"]),
        ({"color": ["blue", "mauve", None, None]}, ["row 1", "b.jpg", "color", "'mauve'", "red"]),
        ({"view": [0, 0, 0, 0]}, ["row 3", "a.jpg", "each file and view once"]),
        ({"view": [0, -1, 0, 1]}, ["row 1", "view", "-1"]),
        ({"view": [0.0, 0.5, 0, 1]}, ["row 1", "view", "0.5"]),
        ({"view": [0.0, 0.0, 0, 1]}, ["view", "float64", "integers"]),
        ({"view": ["0", "0", "front", "1"]}, ["row 2", "view", "'front'"]),
        ({"path": ["a.jpg", None, "c.jpg", "d.jpg"]}, ["row 1", "path"]),
    ],
)
def test_a_bad_value_is_refused_by_column_row_and_value(
    changes: dict[str, list[object]], words: list[str]
) -> None:
    with pytest.raises(FlamError) as refused:
        catalog(**changes)
    for word in words:
        assert word in str(refused.value)


def test_missing_columns_and_an_empty_table_are_refused() -> None:
    with pytest.raises(FlamError, match="lacks the column.*split"):
        Catalog.build("mini", Path("."), table().drop(columns="split"), SCHEMA)
    with pytest.raises(FlamError, match="lacks the column.*brand"):
        Catalog.build("mini", Path("."), table(), SCHEMA, extras=("brand",))
    with pytest.raises(FlamError, match=r"no rows \(1 were left out\)"):
        Catalog.build("mini", Path("."), table()[:0], SCHEMA, dropped=[Dropped("x", "y")])
    with pytest.raises(FlamError, match="view cannot name"):
        Catalog.build("mini", Path("."), table(), SCHEMA, extras=("view",))


def test_build_fills_what_has_a_default() -> None:
    bare = pd.DataFrame({"path": ["a.jpg"], "split": ["train"], "left behind": [1]})
    mini = Catalog.build("mini", Path("."), bare, SCHEMA)
    row = mini.table.iloc[0]
    assert (row["domain"], row["view"]) == ("shop", 0)
    assert mini.table[["item", "counterfactual_of", "shape", "color"]].isna().all(axis=None)
    assert "left behind" not in mini.table


def test_views_read_as_text_become_numbers() -> None:
    assert catalog(view=["0", "0", "0", "1"]).table["view"].tolist() == [0, 0, 0, 1]


def test_select_keeps_the_order_and_without_moves_rows_to_dropped() -> None:
    mini = catalog()
    chosen = mini.select([2, 0])
    assert chosen.table["path"].tolist() == ["c.jpg", "a.jpg"]
    assert chosen.table.index.tolist() == [0, 1]
    assert chosen.labels.tolist() == [[-1, -1], [0, 2]]  # not the cached ones of the original
    rest = mini.without({1: "truncated"})
    assert rest.table["path"].tolist() == ["a.jpg", "c.jpg", "a.jpg"]
    assert rest.dropped == (Dropped("b.jpg", "truncated"),)
    assert len(mini) == 4
    with pytest.raises(FlamError, match="rows 0 to 3, got 4"):
        mini.select([0, 4])
    with pytest.raises(FlamError, match="all 4 rows are unusable.*truncated"):
        mini.without(dict.fromkeys(range(4), "truncated"))


def test_the_fingerprint_sees_images_and_not_labels(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.jpg").write_bytes(b"one")
        os.utime(tmp_path / f"{name}.jpg", ns=(1, 1))
    first = catalog(tmp_path)
    relabelled = catalog(tmp_path, color=["red", None, None, None])
    assert first.fingerprint() == relabelled.fingerprint()
    assert first.label_fingerprint() != relabelled.label_fingerprint()
    assert first.fingerprint() != catalog(tmp_path, view=[0, 0, 0, 2]).fingerprint()
    assert first.fingerprint() != first.select([1, 0, 2, 3]).fingerprint()
    seen = {first.fingerprint()}
    os.utime(tmp_path / "b.jpg", ns=(1, 2))
    seen.add(first.fingerprint())
    (tmp_path / "b.jpg").write_bytes(b"longer")
    os.utime(tmp_path / "b.jpg", ns=(1, 2))
    seen.add(first.fingerprint())
    assert len(seen) == 3
    (tmp_path / "b.jpg").unlink()
    with pytest.raises(FlamError, match="mini: .*b.jpg cannot be read"):
        first.fingerprint()


def test_the_label_fingerprint_sees_each_of_its_parts() -> None:
    variants = [
        catalog(),
        catalog(split=["evaluation", "train", "val", "evaluation"]),
        catalog(item=["10", "9", "8", "10"]),
        catalog(domain=["shop"] * 4),
        catalog(counterfactual_of=[None, "10", None, None]),
        Catalog.build(
            "mini",
            Path("."),
            table(),
            AttributeSchema({"color": SCHEMA.of("color"), "shape": SCHEMA.of("shape")}),
        ),
    ]
    assert len({variant.label_fingerprint() for variant in variants}) == len(variants)
    assert catalog().label_fingerprint() == variants[0].label_fingerprint()


def test_top_classes_by_frequency_and_then_by_name() -> None:
    words = pd.DataFrame({"color": ["b", "a", "c", "c", None, "d", "d", "d"]})
    assert top_classes(words, ["color"], 3).of("color") == ("d", "c", "a")
    assert top_classes(words, ["color"], 9, np.array([0, 1])).of("color") == ("a", "b")
    with pytest.raises(FlamError, match="'color' has the classes.*at least two"):
        top_classes(words, ["color"], 3, np.array([0, 4]))
    with pytest.raises(FlamError, match="data.classes is 1"):
        top_classes(words, ["color"], 1)


def test_keep_classes_says_which_words_the_data_has() -> None:
    words = pd.DataFrame({"shape": ["shirt", "sari"], "color": ["rot", "blau"]})
    with pytest.raises(FlamError, match="no row has a color.*red, green, blue.*(rot|blau)"):
        keep_classes(words, SCHEMA, "shop.csv")


@given(
    labels=st.lists(
        st.tuples(st.booleans(), st.booleans(), st.sampled_from([*"abcdefgh", None])),
        min_size=1,
        max_size=60,
    ),
    evaluation=st.integers(-1, 30),
    validation=st.integers(0, 10),
    seed=st.integers(0, 5),
)
@settings(max_examples=80, deadline=None)
def test_split_dense_keeps_groups_whole_and_its_numbers(
    labels: list[tuple[bool, bool, str | None]], evaluation: int, validation: int, seed: int
) -> None:
    rows = pd.DataFrame(
        {
            "shape": ["shirt" if first else None for first, _, _ in labels],
            "color": ["red" if second else None for _, second, _ in labels],
            "name": [name for _, _, name in labels],
        }
    ).astype("string")
    options = {"evaluation": evaluation, "validation": validation, "group": "name"}
    split = split_dense(rows, ["shape", "color"], seed=seed, **options)  # type: ignore[arg-type]
    again = split_dense(rows, ["shape", "color"], seed=seed, **options)  # type: ignore[arg-type]
    assert split.tolist() == again.tolist()
    dense = [first and second for first, second, _ in labels]
    for name in "abcdefgh":
        assert len({s for s, (_, _, n) in zip(split, labels, strict=True) if n == name}) <= 1
    count = {
        s: sum(d for d, row in zip(dense, split, strict=True) if row == s)
        for s in ("train", "val", "evaluation")
    }
    if evaluation == -1:
        assert count == {"train": 0, "val": 0, "evaluation": sum(dense)}
    else:
        assert count["evaluation"] <= min(evaluation, 0.6 * sum(dense))
        assert count["val"] <= min(validation, 0.15 * sum(dense))
    # A row that is not dense leaves training only together with a dense one of its group.
    moved = {
        n for d, s, (_, _, n) in zip(dense, split, labels, strict=True) if d and s != "train" and n
    }
    for is_dense, side, (_, _, name) in zip(dense, split, labels, strict=True):
        if not is_dense and side != "train":
            assert name in moved


def test_split_dense_meets_the_numbers_and_says_where_it_cannot(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows = pd.DataFrame({"shape": ["shirt"] * 100, "name": ["same"] * 50 + [None] * 50})
    with caplog.at_level(logging.WARNING):
        split = split_dense(rows, ["shape"], evaluation=30, validation=10, seed=1, group="name")
        assert split.value_counts().to_dict() == {"train": 60, "evaluation": 30, "val": 10}
        assert not caplog.messages
        split = split_dense(rows, ["shape"], evaluation=90, validation=50, seed=1, group=None)
    assert split.value_counts().to_dict() == {"evaluation": 60, "train": 25, "val": 15}
    assert "60 rows instead of 90" in caplog.messages[0] and "60 %" in caplog.messages[0]
    other = split_dense(rows, ["shape"], evaluation=30, validation=10, seed=2, group=None)
    assert other.tolist() != split.tolist()
    none = split_dense(rows, ["shape"], evaluation=0, validation=0, seed=1, group=None)
    assert set(none) == {"train"}
    with pytest.raises(FlamError, match="data.evaluation is -2"):
        split_dense(rows, ["shape"], evaluation=-2, validation=0, seed=1, group=None)


def test_distorted_views_have_an_item_and_no_label() -> None:
    bare = table()[:3].drop(columns=["view", "domain"]).assign(split="evaluation", domain="shop")
    both = with_distorted_views(bare, SCHEMA.types)
    mini = Catalog.build("mini", Path("."), both, SCHEMA)
    views = mini.rows(domain="consumer")
    assert views.tolist() == [3, 4, 5]
    assert (mini.labels[views] == -1).all()
    assert mini.items[views].tolist() == mini.items[:3].tolist()
    assert mini.table["item"].tolist()[2] == "c.jpg"  # it had none
    assert has_item_pairs(both) and not has_item_pairs(bare)


def test_instance_rows_ask_from_the_evaluation_and_search_the_gallery_s_splits() -> None:
    rows = pd.DataFrame(
        {
            "path": list("abcdefg"),
            "split": ["train", "val", "val", "evaluation", "evaluation", "evaluation", "val"],
            "domain": ["shop", "shop", "consumer", "consumer", "shop", "shop", "shop"],
            "item": ["1", "2", "2", "3", "3", None, None],
        }
    )
    usual = Catalog.build("mini", Path("."), rows, SCHEMA)
    assert usual.instance_rows().tolist() == [3, 4]
    wide = Catalog.build("mini", Path("."), rows, SCHEMA, gallery=("val", "evaluation"))
    assert wide.instance_rows().tolist() == [1, 3, 4]
    assert wide.select([4, 1, 3]).instance_rows().tolist() == [0, 1, 2]
    assert wide.without({0: "truncated"}).gallery == ("val", "evaluation")


def test_notes_stay_with_the_catalog() -> None:
    mini = Catalog.build("mini", Path("."), table(), SCHEMA, notes=["one", "two"])
    assert mini.without({0: "truncated"}).select([0]).notes == ("one", "two")


def test_the_split_is_written_a_row_an_image() -> None:
    lines = split_csv(catalog(path=["a.jpg", "b, c.jpg", "c.jpg", "a.jpg"])).splitlines()
    assert lines == ["path,split", "a.jpg,evaluation", '"b, c.jpg",train', "c.jpg,train"]
