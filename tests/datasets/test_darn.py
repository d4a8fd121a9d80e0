"""DARN: sparse labels by number, of varying length, in newer and older files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published import write_images, write_lines

from flam_pl.attributes import AttributeSchema
from flam_pl.config.data import SplitData
from flam_pl.datasets import darn
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.inspection import check_usable, describe
from flam_pl.errors import FlamError

CATEGORY, BUTTON, COLOR, PATTERN, SLEEVE = 0, 1, 2, 4, 7
SIZES = {"train": 60, "valid": 10, "test": 30}


def names(split: str) -> list[str]:
    return [f"pic/{split}/{i:04d}.jpg" for i in range(SIZES[split])]


def labels(split: str) -> list[str]:
    """Every third image lacks its pattern; some carry more than the three types."""
    lines = []
    for i in range(SIZES[split]):
        pairs = [(CATEGORY, i % 4), (COLOR, i % 3)]
        pairs += [(PATTERN, i % 2)] if i % 3 else []
        pairs += [(SLEEVE, i % 8), (BUTTON, 12)] if i % 5 == 0 else []
        lines.append(" ".join(str(n) for n in (i, *(n for pair in pairs for n in pair))))
    return lines


def write(
    root: Path, older: bool = False, splits: tuple[str, ...] = ("train", "valid", "test")
) -> Path:
    for split in splits:
        write_lines(root / f"filenames_{split}.txt", names(split))
        name = f"{split}_label.txt" if older else f"label_{split}.txt"
        write_lines(root / name, labels(split), newline="\r\n" if older else "\n")
        write_images(root, names(split))
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "DARN")


def read(root: Path, schema: AttributeSchema | None = None, **options: Any) -> Catalog:
    return darn.read(root, SplitData(**{"evaluation": 20, "validation": 5, **options}), schema)


def photos(mini: Catalog) -> Catalog:
    return mini.select(np.flatnonzero(mini.table["view"] == 0))


def test_newer_and_older_names_hold_the_same(root: Path, tmp_path: Path) -> None:
    mini, old = read(root), read(write(tmp_path / "old", older=True))
    assert mini.label_fingerprint() == old.label_fingerprint()
    table = photos(mini).table
    assert len(table) == 100 and table["path"][60] == "pic/valid/0000.jpg"
    assert table["published_split"].value_counts().to_dict() == SIZES
    row = table.loc[5]
    assert (row["shape"], row["color"], row["pattern"]) == ("1", "2", "1")
    assert (row["sleeve_length"], row["clothes_button"]) == ("5", "12")
    assert table["pattern"].isna().tolist()[:4] == [True, False, False, True]
    assert table["sleeve_length"].notna().sum() == 20
    assert {*mini.extra_attributes} == {*darn.ATTRIBUTES} - {*darn.NAMES.values()}
    check_usable(mini)


def test_the_paper_s_split_is_drawn_over_all_lists(root: Path) -> None:
    mini = read(root, split_seed=3)
    assert len(mini.rows("evaluation", dense=True)) == 20
    assert len(mini.rows("val", dense=True)) == 5
    assert (
        len(photos(mini).rows("train")) == 75
    )  # whatever is not evaluated trains, also unlabelled
    assert len(mini.table.loc[mini.rows("evaluation"), "published_split"].unique()) == 3
    assert read(root, split_seed=3).label_fingerprint() == mini.label_fingerprint()
    assert read(root, split_seed=4).label_fingerprint() != mini.label_fingerprint()
    assert len(mini.rows("evaluation", "consumer")) == 20  # distorted views, for FIR


def test_identical_files_stand_on_one_side_and_are_one_item(root: Path) -> None:
    everything = [name for split in SIZES for name in names(split)]
    for one, other in zip(everything[:50], everything[50:], strict=True):
        (root / other).write_bytes((root / one).read_bytes())
    for seed in range(3):
        table = photos(read(root, split_seed=seed)).table
        pairs = list(zip(range(50), range(50, 100), strict=True))
        assert all(table["split"][i] == table["split"][j] for i, j in pairs)
        items = table["item"].fillna("-")
        assert all(items[i] == items[j] for i, j in pairs) and items.nunique() > 10


def test_only_the_most_frequent_classes_are_used(root: Path) -> None:
    mini = read(root, classes=2)
    assert [len(mini.schema.of(kind)) for kind in mini.schema.types] == [2, 2, 2]
    assert set(mini.schema.of("shape")) == {"0", "1"}
    assert set(photos(mini).table["shape"].dropna()) == {"0", "1"}


def test_labels_on_several_lines_and_lists_for_the_test(root: Path) -> None:
    """The newer files have a line per label; valid and test may have only their search lists."""
    triples = [line.split() for line in labels("train")]
    one_each = [
        f"{image} {a} {v}"
        for image, *pairs in triples
        for a, v in zip(pairs[::2], pairs[1::2], strict=True)
    ]
    before = read(root).label_fingerprint()
    write_lines(root / "label_train.txt", one_each[::-1])
    (root / "label_test.txt").unlink()
    write_lines(root / "candidate_test.txt", labels("test")[:20])
    write_lines(root / "query_test.txt", labels("test")[20:])
    assert read(root).label_fingerprint() == before


def test_a_blank_line_of_the_list_has_a_number_too(root: Path) -> None:
    before = photos(read(root, evaluation=0)).label_fingerprint()
    write_lines(root / "filenames_train.txt", ["", *names("train")])
    with pytest.raises(FlamError, match="line 1: got photo 0, but that line of the list is blank"):
        read(root)
    shifted = [(int(line.split()[0]) + 1, line.split(None, 1)[1]) for line in labels("train")]
    write_lines(root / "label_train.txt", [f"{image} {pairs}" for image, pairs in shifted])
    assert photos(read(root, evaluation=0)).label_fingerprint() == before


def test_missing_images_are_counted(root: Path) -> None:
    for name in names("train")[3:5]:
        (root / name).unlink()
    write_lines(root / "filenames_test.txt", [names("train")[0], *names("test")[1:]])
    mini = read(root)
    assert [(drop.where, drop.reason) for drop in mini.dropped] == [
        ("filenames_train.txt line 4 (pic/train/0003.jpg)", "no image file"),
        ("filenames_train.txt line 5 (pic/train/0004.jpg)", "no image file"),
        (
            "filenames_test.txt line 1 (pic/train/0000.jpg)",
            "the same file was listed before, with another published_split",
        ),
    ]
    assert "2 x no image file" in describe(mini)


def test_a_contradiction_is_no_label(root: Path) -> None:
    lines = labels("train")
    lines[1] += f" {COLOR} 2"
    lines.append(f"2 {COLOR} 2")  # the same again is none
    write_lines(root / "label_train.txt", lines)
    mini = photos(read(root))
    assert mini.table["color"].isna().tolist()[:3] == [False, True, False]
    note = "1 label(s) contradict each other and count as unlabelled, for example clothes_color"
    assert any(note in text for text in mini.notes)


def test_names_of_meta_json(root: Path) -> None:
    order = ["clothes button", "clothes category", *list(darn.ATTRIBUTES)[2:]]
    meta = {
        "ATTRIBUTES": order,
        "ATTRIBUTES_NUM": dict.fromkeys(order, 60),
        "ATTRIBUTES_VALUES": {"clothes_color": ["red", "green", "blue"]},
    }
    (root / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(FlamError, match=r"attribute type 'shape' has the classes \['12'\]"):
        read(root)  # category and button have changed places
    mini = read(root, types=["clothes_button", "color"])
    assert set(mini.schema.of("color")) == {"red", "green", "blue"}
    assert photos(mini).table["clothes_button"][1] == "1"
    (root / "meta.json").write_text(json.dumps({"ATTRIBUTES": order}))
    with pytest.raises(FlamError, match=r"meta.json: got KeyError 'ATTRIBUTES_NUM'; expected"):
        read(root)
    meta["ATTRIBUTES_NUM"] = {"clothes_button": 3}
    (root / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(FlamError, match="meta.json: got KeyError 'clothes_category'; expected"):
        read(root)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0 0 1 2", ["line 2", "got 3 numbers after", "expected pairs"]),
        ("0 0 x", ["line 2", "'x'", "whole numbers"]),
        ("60 0 1", ["got photo 60, expected 0 to 59", "different versions"]),
        ("0 9 1", ["got attribute 9, expected 0 to 8"]),
        ("0 0 20", ["got value of clothes_category 20, expected 0 to 19"]),
    ],
)
def test_a_wrong_line_is_refused(root: Path, line: str, words: list[str]) -> None:
    write_lines(root / "label_train.txt", ["0 0 1", line])
    with pytest.raises(FlamError) as refused:
        read(root)
    for word in ("label_train.txt", *words):
        assert word in str(refused.value)


def test_minus_one_is_missing(root: Path) -> None:
    write_lines(root / "label_train.txt", ["0 0 -1 2 1", "1", *labels("train")[2:]])
    table = photos(read(root)).table
    assert table["shape"].isna().tolist()[:3] == [True, True, False] and table["color"][0] == "1"


def test_missing_files_are_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(FlamError, match="none of filenames_train.txt"):
        read(tmp_path)
    with pytest.raises(FlamError, match="DARN has no neckline; data.types knows shape, color"):
        read(root, types=["neckline"])
    (root / "label_valid.txt").unlink()
    with pytest.raises(
        FlamError, match=r"filenames_valid.txt has no labels; expected one of label_valid.txt"
    ):
        read(root)
    (root / "filenames_valid.txt").unlink()
    assert len(photos(read(root))) == 90


def test_a_schema_from_elsewhere_evaluates_every_dense_image(root: Path) -> None:
    schema = AttributeSchema({"shape": ("0", "9"), "color": ("0", "1"), "pattern": ("0", "1")})
    mini = photos(read(root, schema=schema))
    assert mini.schema is schema
    dense = mini.rows(dense=True)
    assert len(dense) and dense.tolist() == mini.rows("evaluation").tolist()
