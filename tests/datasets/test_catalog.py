"""Catalog: what it refuses, what it selects, what its fingerprints see."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flam_pl.attributes import AttributeSchema
from flam_pl.datasets.catalog import Catalog, Dropped
from flam_pl.errors import FlamError
from flam_pl.images.files import view_seed

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
    return Catalog.build("mini", root, table(**changes), SCHEMA, extra_attributes=("season",))


def test_the_arrays_are_those_written_down_by_hand() -> None:
    mini = catalog()
    assert mini.labels.tolist() == [[0, 2], [1, -1], [-1, -1], [-1, -1]]
    assert mini.labels.dtype == np.int64
    assert mini.items.tolist() == [0, 1, -1, 0]  # "10" sorts before "9": items are names
    assert mini.paths[1] == Path("/nowhere/b.jpg")
    known = ["path", "item", "domain", "split", "view", "counterfactual_of", "garment"]
    assert list(mini.table) == [*known, "shape", "color", "season"]


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
    with pytest.raises(FlamError, match="expected one column 'split'.*shape, color, season"):
        Catalog.build("mini", Path("."), table().drop(columns="split"), SCHEMA)
    with pytest.raises(FlamError, match="expected one column 'brand'"):
        Catalog.build("mini", Path("."), table(), SCHEMA, extra_attributes=("brand",))
    with pytest.raises(FlamError, match=r"no rows \(1 were left out\)"):
        Catalog.build("mini", Path("."), table()[:0], SCHEMA, dropped=(Dropped("x", "y"),))
    with pytest.raises(FlamError, match="expected one column 'view', with one meaning"):
        Catalog.build("mini", Path("."), table(), SCHEMA, extra_attributes=("view",))
    twice = AttributeSchema({"item": ("10", "9")})
    with pytest.raises(FlamError, match="expected one column 'item', with one meaning"):
        Catalog.build("mini", Path("."), table(), twice)


def test_build_fills_what_has_a_default() -> None:
    bare = pd.DataFrame({"price": [1], "path": ["a.jpg"], "split": ["train"]})
    mini = Catalog.build("mini", Path("."), bare, SCHEMA)
    row = mini.table.iloc[0]
    assert (row["domain"], row["view"]) == ("shop", 0)
    missing = ["item", "counterfactual_of", "garment", "shape", "color"]
    assert mini.table[missing].isna().all(axis=None)
    assert mini.table["garment"].dtype == "string"
    assert mini.table.columns[-1] == "price"


def test_build_makes_garments_of_counterfactuals() -> None:
    made = catalog(counterfactual_of=[None, "10", None, None])
    assert made.table["garment"].fillna("-").tolist() == ["10", "10", "-", "-"]  # row 3 is a view
    again = Catalog.build("mini", made.root, made.table, SCHEMA)
    assert again.label_fingerprint() == made.label_fingerprint()
    own = catalog(counterfactual_of=[None, "10", None, None], garment=[None, "g", "h", None])
    assert own.table["garment"].fillna("-").tolist() == ["g", "g", "h", "-"]
    text = catalog(counterfactual_of=[None, "10", None, None], view=["0", "0", "0", "1"])
    assert text.label_fingerprint() == made.label_fingerprint()


@pytest.mark.parametrize("view", [["0", "0", "0", "1"], [0.0, 0.0, 0.0, 1.0]])
def test_views_become_whole_numbers(view: list[object]) -> None:
    views = catalog(view=view).table["view"]
    assert views.tolist() == [0, 0, 0, 1] and views.dtype == np.int64


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
    with pytest.raises(IndexError):
        mini.select([0, 4])
    assert mini.without({0: "truncated", 3: "truncated"}).dropped == (
        Dropped("a.jpg", "truncated"),
    )
    assert len(mini.without({})) == 4
    with pytest.raises(FlamError, match="no photo can be used, the first: a.jpg: truncated"):
        mini.without(dict.fromkeys(range(4), "truncated"))


def test_the_fingerprint_sees_the_photos_and_not_their_times_names_or_labels(
    tmp_path: Path,
) -> None:
    for name in "abc":
        (tmp_path / f"{name}.jpg").write_bytes(name.encode())
    first = catalog(tmp_path).fingerprint()
    assert first == catalog(tmp_path, color=["red", None, None, None]).fingerprint()
    assert first != catalog(tmp_path, view=[0, 0, 0, 2]).fingerprint()
    assert first != catalog(tmp_path).select([1, 0, 2, 3]).fingerprint()
    os.utime(tmp_path / "b.jpg", ns=(1, 2))
    (tmp_path / "c.jpg").rename(tmp_path / "d.jpg")
    renamed = catalog(tmp_path, path=["a.jpg", "b.jpg", "d.jpg", "a.jpg"])
    assert first == renamed.fingerprint()
    (tmp_path / "b.jpg").write_bytes(b"B")
    assert first != renamed.select(range(4)).fingerprint()
    (tmp_path / "b.jpg").unlink()
    with pytest.raises(FlamError, match="mini: .*b.jpg cannot be read"):
        renamed.select(range(4)).fingerprint()


def test_photo_keys_are_of_content_and_of_the_seed_of_a_view(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.jpg").write_bytes(name.encode())
    mini = catalog(tmp_path)
    keys = [key.decode() for key in mini.photo_keys]
    assert keys[:3] == [hashlib.sha256(name).hexdigest() for name in (b"a", b"b", b"c")]
    seed = view_seed(tmp_path / "a.jpg", 1)
    assert keys[3] == hashlib.sha256(f"{keys[0]}?{seed}".encode()).hexdigest()
    known = replace(mini, contents={"a.jpg": "f" * 64})
    assert known.photo_keys[0] == b"f" * 64 and known.photo_keys[1] == mini.photo_keys[1]
    assert known.without({1: "truncated"}).select([0]).contents == known.contents


def test_the_label_fingerprint_sees_each_of_its_parts() -> None:
    variants = [
        catalog(),
        catalog(split=["evaluation", "train", "val", "evaluation"]),
        catalog(item=["10", "9", "8", "10"]),
        catalog(domain=["shop"] * 4),
        catalog(counterfactual_of=[None, "10", None, None]),
        catalog(garment=["g", "g", None, None]),
        Catalog.build(
            "mini",
            Path("."),
            table(),
            AttributeSchema({"color": SCHEMA.of("color"), "shape": SCHEMA.of("shape")}),
        ),
    ]
    assert len({variant.label_fingerprint() for variant in variants}) == len(variants)
    assert catalog().label_fingerprint() == variants[0].label_fingerprint()


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
    mini = Catalog.build("mini", Path("."), table(), SCHEMA, notes=("one", "two"))
    assert mini.without({0: "truncated"}).select([0]).notes == ("one", "two")
