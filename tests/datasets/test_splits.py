"""What readers share: classes, who stands on which side, identical files, distorted views."""

from __future__ import annotations

import hashlib
import itertools
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flam_pl.attributes import AttributeSchema
from flam_pl.datasets import splits
from flam_pl.datasets.assembly import has_item_pairs, with_distorted_views
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.splits import (
    identical_files,
    identical_on_two_sides,
    leak_groups,
    split_csv,
    split_dense,
)

SCHEMA = AttributeSchema({"shape": ("shirt", "jeans"), "color": ("red", "green", "blue")})


def dense_of(rows: pd.DataFrame, types: list[str]) -> np.ndarray:
    """Which rows have a label of every type."""
    return rows[types].notna().all(axis=1).to_numpy(bool)


def is_partition_of(codes: np.ndarray, together: list[list[bool]]) -> None:
    """Codes are equal exactly where ``together`` says so, and counted in order of the rows."""
    assert [[bool(a == b) for b in codes] for a in codes] == together
    assert list(dict.fromkeys(codes.tolist())) == list(range(len(set(codes.tolist()))))


LONG = [b"a" + b"x" * 5000, b"b" + b"x" * 5000, b"x" * 5000 + b"a"]  # alike at the end, or start


@given(files=st.lists(st.sampled_from([b"", b"a", b"b", b"ab", b"ba", *LONG, None]), max_size=9))
@settings(max_examples=40)
def test_identical_files_are_those_that_are_equal_byte_by_byte(
    tmp_path_factory: pytest.TempPathFactory, files: list[bytes | None]
) -> None:
    folder = tmp_path_factory.mktemp("files")
    for number, content in enumerate(files):
        if content is not None:  # None: a file that is not there
            (folder / f"{number}.jpg").write_bytes(content)
    codes = identical_files([folder / f"{number}.jpg" for number in range(len(files))])
    pairs = itertools.product(enumerate(files), repeat=2)
    same = [i == j or (a is not None and a == b) for (i, a), (j, b) in pairs]
    together = [same[len(files) * i :][: len(files)] for i in range(len(files))]
    assert [[bool(a == b) for b in codes] for a in codes] == together


def test_only_files_whose_size_and_end_occur_again_are_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = [b"one", b"two", b"three", b"two", b"seven", b"a size of its own", *LONG]
    paths = [tmp_path / f"{number}.jpg" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    read: list[str] = []
    hash_ = splits._hash

    def counted(path: Path, last: int) -> bytes | None:
        if last > 4096:
            read.append(path.name)
        return hash_(path, last)

    monkeypatch.setattr(splits, "_hash", counted)
    codes = identical_files(paths)
    assert sorted(read) == ["1.jpg", "3.jpg", "6.jpg", "7.jpg"]
    assert codes[1] == codes[3] and len(set(codes.tolist())) == 8


WORD = st.sampled_from([*"abcdef", None])


@given(rows=st.lists(st.tuples(WORD, WORD, st.integers(0, 12)), min_size=1, max_size=12))
@settings(max_examples=80)
def test_leak_groups_against_a_closure(
    rows: list[tuple[str | None, str | None, int]],
) -> None:
    table = pd.DataFrame(rows, columns=["name", "garment", "file"])
    codes = leak_groups(table.astype("string"), ("name", "garment"), table["file"].to_numpy())
    linked = [
        [a is b or any(x is not None and x == y for x, y in zip(a, b, strict=True)) for b in rows]
        for a in rows
    ]
    size = range(len(rows))
    for k, i, j in itertools.product(size, size, size):  # Warshall's closure
        linked[i][j] = linked[i][j] or (linked[i][k] and linked[k][j])
    is_partition_of(codes, linked)


def test_leak_groups_of_rows_with_nothing_in_common() -> None:
    table = pd.DataFrame({"item": [None, None, "a"]}, index=[7, 3, 5])
    assert leak_groups(table, ("item",), np.arange(3)).tolist() == [0, 1, 2]
    assert leak_groups(table, (), np.array([4, 9, 4])).tolist() == [0, 1, 0]


def test_identical_photos_that_a_given_split_parts_are_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    table = pd.DataFrame({"path": list("abcde"), "split": ["train", "val", "train", "val", "val"]})
    assert identical_on_two_sides(table, np.array([0, 1, 0, 1, 2])) == []
    assert not caplog.messages
    with caplog.at_level(logging.WARNING):
        (note,) = identical_on_two_sides(table, np.array([2, 1, 0, 0, 0]))
    assert note.startswith("3 photos") and "example c" in note and caplog.messages == [note]


ROW = st.tuples(st.booleans(), st.booleans(), st.sampled_from([*"abcdefgh", None]))


@given(
    labels=st.lists(ROW, min_size=1, max_size=60),
    apart=st.sets(st.sampled_from("abcdefgh")),
    evaluation=st.integers(-1, 30),
    validation=st.integers(0, 10),
    seed=st.integers(0, 5),
)
@settings(max_examples=120)
def test_split_dense_keeps_groups_whole_and_its_numbers(
    labels: list[tuple[bool, bool, str | None]],
    apart: set[str],
    evaluation: int,
    validation: int,
    seed: int,
) -> None:
    rows = pd.DataFrame(
        {
            "shape": ["shirt" if first else None for first, _, _ in labels],
            "color": ["red" if second else None for _, second, _ in labels],
            "name": [name for _, _, name in labels],
        }
    ).astype("string")
    held_out = rows["name"].isin(apart).to_numpy(bool)
    options = {
        "evaluation": evaluation,
        "validation": validation,
        "seed": seed,
        "groups": leak_groups(rows, ["name"], np.arange(len(rows))),
        "held_out": held_out,
    }
    split = split_dense(rows, dense_of(rows, ["shape", "color"]), **options)  # type: ignore[arg-type]
    again = split_dense(rows, dense_of(rows, ["shape", "color"]), **options)  # type: ignore[arg-type]
    assert split.tolist() == again.tolist()

    dense = [first and second for first, second, _ in labels]
    sides: dict[str, str] = {}
    sizes: dict[str, int] = {}  # of the groups that may train, in dense rows
    count = {"train": 0, "val": 0, "evaluation": 0}
    fixed = dict(count)
    for i, (is_dense, side, (_, _, name)) in enumerate(zip(dense, split, labels, strict=True)):
        group = name or f"row {i}"
        assert sides.setdefault(group, side) == side
        count[side] += is_dense
        if name in apart:
            fixed[side] += is_dense
        else:
            sizes[group] = sizes.get(group, 0) + is_dense

    if evaluation == -1:
        wanted = {"evaluation": sum(dense), "val": 0}
        assert count == {"train": 0, "val": 0, "evaluation": sum(dense)}
    else:
        wanted = {
            "evaluation": min(evaluation, int(0.6 * sum(dense))),
            "val": min(validation, int(0.15 * sum(dense))),
        }
    held = [side for group, side in sides.items() if group in apart]
    if evaluation or validation:
        third = round(len(held) / 3) if evaluation else len(held)
        third = 0 if evaluation == -1 or not validation else third
        assert (held.count("val"), held.count("train")) == (third, 0)
        for side, number in wanted.items():
            assert count[side] <= max(number, fixed[side])
            gap = number - count[side]  # not filled only where no group that trains fits in
            assert all(not 0 < n <= gap for g, n in sizes.items() if sides[g] == "train")
    else:
        assert set(sides.values()) == {"train"}
    # A row that is not dense leaves training only together with a dense one of its group.
    assert all(sizes[group] for group in sizes if sides[group] != "train")


def test_split_dense_meets_the_numbers_and_says_where_it_cannot(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows = pd.DataFrame({"shape": ["shirt"] * 100})
    groups = np.array([0] * 50 + [*range(1, 51)])
    with caplog.at_level(logging.WARNING):
        split = split_dense(
            rows, dense_of(rows, ["shape"]), evaluation=30, validation=10, seed=1, groups=groups
        )
        assert split.value_counts().to_dict() == {"train": 60, "evaluation": 30, "val": 10}
        assert not caplog.messages
        split = split_dense(
            rows, dense_of(rows, ["shape"]), evaluation=90, validation=50, seed=1, groups=None
        )
    assert split.value_counts().to_dict() == {"evaluation": 60, "train": 25, "val": 15}
    assert "60 photos instead of 90" in caplog.messages[0] and "60 %" in caplog.messages[0]
    other = split_dense(
        rows, dense_of(rows, ["shape"]), evaluation=30, validation=10, seed=2, groups=None
    )
    assert other.tolist() != split.tolist()
    none = split_dense(
        rows, dense_of(rows, ["shape"]), evaluation=0, validation=0, seed=1, groups=None
    )
    assert set(none) == {"train"}


def test_a_third_of_what_is_held_out_validates_however_many_they_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows = pd.DataFrame({"shape": ["shirt", "shirt", None] * 30 + ["shirt"] * 10})
    groups = np.repeat(np.arange(34), [3] * 30 + [3, 3, 2, 2])
    held_out = np.arange(100) % 3 == 0
    held_out[90:] = False  # one row of a group holds all of it out
    options = {"groups": groups, "held_out": held_out}

    def counts(evaluation: int, validation: int, seed: int = 0) -> tuple[list[int], pd.Series]:
        split = split_dense(
            rows,
            dense_of(rows, ["shape"]),
            evaluation=evaluation,
            validation=validation,
            seed=seed,
            **options,  # type: ignore[arg-type]
        )
        return [int((split[:90] == s).sum()) for s in ("train", "val", "evaluation")], split

    with caplog.at_level(logging.WARNING):
        held, split = counts(42, 10)
    assert held == [0, 30, 60]
    # 40 + 2 dense rows are evaluated; 20 validate although 10 are wanted: that is said
    assert (split[90:] == "evaluation").sum() == 2 and not (split[90:] == "val").any()
    (message,) = caplog.messages
    assert message.startswith("val gets 20 photos instead of 10")
    assert counts(42, 10)[1].tolist() == split.tolist() != counts(42, 10, seed=1)[1].tolist()
    assert counts(42, 0)[0] == [0, 0, 90]  # no validation is wanted
    assert counts(0, 10)[0] == [0, 90, 0]
    assert counts(0, 0)[0] == [90, 0, 0]
    held, split = counts(-1, 10)
    assert held == [0, 0, 90] and set(split) == {"evaluation"}


def test_distorted_views_have_an_item_and_no_label() -> None:
    bare = pd.DataFrame(
        {
            "path": ["a.jpg", "b.jpg", "c.jpg"],
            "item": ["10", "9", None],
            "garment": ["10", "10", None],
            "counterfactual_of": [None, "10", None],
            "shape": ["shirt", "jeans", None],
            "color": ["blue", None, None],
        }
    ).assign(split="evaluation", domain="shop")
    both = with_distorted_views(bare, SCHEMA.types, np.arange(3))
    mini = Catalog.build("mini", Path("."), both, SCHEMA)
    views = mini.rows(domain="consumer")
    assert views.tolist() == [3, 4, 5]
    assert (mini.labels[views] == -1).all()
    assert mini.table.loc[views, ["garment", "counterfactual_of"]].isna().all(axis=None)
    assert mini.items[views].tolist() == mini.items[:3].tolist()
    assert mini.table["item"].tolist()[2] == "c.jpg"  # it had none
    assert not has_item_pairs(bare, np.arange(3))


def test_views_of_identical_files_ask_for_one_item() -> None:
    table = pd.DataFrame(
        {
            "path": list("abcdefg"),
            "item": [None, None, None, "7", None, "8", "9"],
            "split": ["val", "val", "evaluation", "evaluation", "evaluation", "train", "train"],
            "domain": "shop",
        }
    )
    both = with_distorted_views(table, (), np.array([0, 0, 0, 1, 1, 1, 2]))
    # c is of another split than a and b, and what trains names nobody; 7 is known
    assert both["item"].tolist() == ["a", "a", "c", "7", "7", "8", "9"] + ["a", "a", "c", "7", "7"]
    assert not both.duplicated(["path", "view"]).any()
    without = with_distorted_views(table.drop(columns="item"), (), np.zeros(7, int))
    assert without["item"].fillna("-").tolist()[:7] == ["a", "a", "c", "c", "c", "-", "-"]


def test_an_item_with_two_different_photos_is_a_pair() -> None:
    photos = pd.DataFrame({"item": ["a", "a", "b", None, None], "split": "evaluation"})
    assert has_item_pairs(photos, np.arange(5))
    assert not has_item_pairs(photos, np.array([0, 0, 1, 2, 3]))  # the same photo twice
    assert not has_item_pairs(photos.assign(split=["train", *["evaluation"] * 4]), np.arange(5))
    assert not has_item_pairs(photos.drop(columns="item"), np.arange(5))


def test_the_split_is_written_a_row_per_photo(tmp_path: Path) -> None:
    names = ["a.jpg", "b, c.jpg", "c.jpg"]
    for name in names:
        (tmp_path / name).write_text(name)
    splits, items = ["evaluation", "train", "train"], ["x", None, "7"]
    table = pd.DataFrame({"path": names, "split": splits, "item": items, "view": 0})
    table = pd.concat([table, table.iloc[[0]].assign(view=1)])
    lines = split_csv(Catalog.build("mini", tmp_path, table, SCHEMA)).splitlines()
    a, b, c = (hashlib.sha256(name.encode()).hexdigest() for name in names)
    assert lines == [
        "path,split,item,sha256",
        f"a.jpg,evaluation,x,{a}",
        f'"b, c.jpg",train,,{b}',
        f"c.jpg,train,7,{c}",
    ]
