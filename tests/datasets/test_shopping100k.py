"""Shopping100k: numbers by attribute file, and the one-hot blocks of ADDE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published import write_images, write_lines

from flam_pl.attributes import AttributeSchema
from flam_pl.config.data import Shopping100kData
from flam_pl.datasets import shopping100k
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.inspection import check_usable
from flam_pl.datasets.shopping100k import ATTRIBUTES
from flam_pl.errors import FlamError

ATTR_NUM = (16, 17, 19, 14, 10, 15, 2, 11, 16, 7, 9, 15)
FOLDERS = ("Male/1_Coats", "Female/2_Coats", "Male/3_T shirts", "Female/4_Dresses")
CATEGORY_OF = (0, 0, 5, 7)  # both folders of coats are category 0
COUNT = 80


def image(n: int) -> str:
    return f"{FOLDERS[n % 4]}/{n:07d}_{n % 15}.jpg"


def value(n: int, attribute: str) -> int:
    """-1 is missing: every seventh color, every third pattern, most pockets."""
    known = {
        "category": CATEGORY_OF[n % 4],
        "color": -1 if n % 7 == 0 else n % 5,
        "pattern": -1 if n % 3 == 0 else n % 2 + 10,
        "pocket": n % 7 if n % 10 == 0 else -1,
        "gender": n % 2,
    }
    return known.get(attribute, n % 3)


def write_own(root: Path) -> Path:
    for attribute in ATTRIBUTES:
        lines = [f"{image(n)} {value(n, attribute)}" for n in range(COUNT)]
        write_lines(root / "Attributes" / f"{attribute}.txt", lines)
    write_images(root / "Images", map(image, range(COUNT)))
    return root


def one_hot(n: int) -> list[int]:
    vector: list[int] = []
    for attribute, size in zip(ATTRIBUTES, ATTR_NUM, strict=True):
        block = [0] * size
        if value(n, attribute) >= 0:
            block[value(n, attribute)] = 1
        vector += block
    return vector


def write_adde(folder: Path, num: list[object] | None = None) -> Path:
    for split, rows in (("train", range(60)), ("test", range(60, COUNT))):
        write_lines(folder / f"imgs_{split}.txt", map(image, rows))
        vectors = [" ".join(map(str, one_hot(n))) for n in rows]
        write_lines(folder / f"labels_{split}.txt", vectors)
    write_lines(folder / "attr_num.txt", num or [*ATTR_NUM])
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_own(tmp_path / "Shopping100k")


def read(root: Path, schema: AttributeSchema | None = None, **options: Any) -> Catalog:
    return shopping100k.read(
        root, Shopping100kData(**{"evaluation": 15, "validation": 4, **options}), schema
    )


def photos(mini: Catalog) -> Catalog:
    return mini.select(np.flatnonzero(mini.table["view"] == 0))


def test_the_own_layout(root: Path) -> None:
    mini = read(root, split_seed=2)
    table = photos(mini).table
    assert len(table) == COUNT and table["path"][2] == f"Images/{image(2)}"
    assert all(path.is_file() for path in mini.paths)
    assert table["shape"].tolist()[:4] == ["Coats", "Coats", "T shirts", "Dresses"]
    assert table["color"].isna().tolist()[:8] == [True, *[False] * 6, True]
    assert table["pattern"].tolist()[1:3] == ["11", "10"]
    assert {*mini.extra_attributes} == {*ATTRIBUTES} - {"category", "color", "pattern"}
    assert table["pocket"].notna().sum() == 8
    assert len(mini.rows("evaluation", dense=True)) == 15
    assert len(mini.rows("val", dense=True)) == 4
    assert len(photos(mini).rows("train")) == COUNT - 19
    assert len(mini.rows("evaluation", "consumer")) == 15
    assert read(root, split_seed=2).label_fingerprint() == mini.label_fingerprint()
    check_usable(mini)


@pytest.mark.parametrize("num", [None, [" ".join(map(str, ATTR_NUM))], [str(list(ATTR_NUM))]])
def test_the_files_of_adde_hold_the_same_labels(
    root: Path, tmp_path: Path, num: list[object] | None
) -> None:
    own = photos(read(root)).table
    mini = read(root, splits=write_adde(tmp_path / "splits", num), split_seed=2)
    table = photos(mini).table
    kinds = ["path", "shape", "color", "pattern", "pocket"]
    assert table[kinds].fillna("-").values.tolist() == own[kinds].fillna("-").values.tolist()
    # the published split; validation comes out of its training images
    assert table["split"].tolist()[60:] == ["evaluation"] * 20
    assert (table["split"][:60] == "val").sum() == 4
    assert not (table["split"][60:] != "evaluation").any()
    check_usable(mini)


def test_adde_beside_the_images_and_a_validation_list_of_its_own(root: Path) -> None:
    write_adde(root)
    write_lines(root / "imgs_val.txt", [image(0), image(1)])
    write_lines(root / "labels_val.txt", [" ".join(map(str, one_hot(n))) for n in (0, 1)])
    write_lines(root / "imgs_train.txt", map(image, range(2, 62)))
    mini = read(root)
    assert photos(mini).table["split"].value_counts().to_dict() == {
        "train": 60,
        "evaluation": 18,
        "val": 2,
    }
    reason = "the same file was listed before, with another split"
    assert [drop.reason for drop in mini.dropped] == [reason] * 2


def test_identical_files_stand_on_one_side_or_are_reported(root: Path, tmp_path: Path) -> None:
    folder = root / "Images"
    for n in range(40):
        (folder / image(n + 40)).write_bytes((folder / image(n)).read_bytes())
    for seed in range(3):
        mini = read(root, split_seed=seed)
        table = photos(mini).table.set_index("path")
        for n in range(40):
            pair = table.loc[[f"Images/{image(n)}", f"Images/{image(n + 40)}"]]
            assert pair["split"].nunique() == 1
            assert pair["item"].nunique() == int(pair["split"].iloc[0] != "train")
        assert not mini.notes
    mini = read(root, splits=write_adde(tmp_path / "splits"), validation=10)
    table = photos(mini).table
    sides = [set(table["split"][[n, n + 40]]) for n in range(40)]
    assert all("evaluation" in side and len(side) == 2 for side in sides[20:])
    assert all(len(side) == 1 for side in sides[:20])  # both are training images of ADDE
    assert any(note.startswith("40 photos are byte by byte equal") for note in mini.notes)


def test_all_twelve_attributes_can_be_types(root: Path) -> None:
    types = ["shape", *(name for name in ATTRIBUTES if name not in ("category", "pocket"))]
    mini = read(root, types=types)
    assert mini.schema.types == tuple(types) and mini.extra_attributes == ("pocket",)
    with pytest.raises(FlamError, match="has no length; data.types knows shape, category"):
        read(root, types=["length"])


def test_categories_stay_numbers_where_folders_do_not_tell_them_apart(root: Path) -> None:
    lines = [f"{image(n)} {(0, 1, 5, 7)[n % 4]}" for n in range(COUNT)]
    write_lines(root / "Attributes" / "category.txt", lines)
    assert set(photos(read(root)).table["shape"]) == {"0", "1", "5", "7"}


def test_images_that_are_missing_or_not_in_every_file(root: Path) -> None:
    (root / "Images" / image(4)).unlink()
    colors = root / "Attributes" / "color.txt"
    lines = colors.read_text().splitlines()
    write_lines(colors, [*lines[:8], *lines[9:], f"{image(9)} 0", "", f"{image(99)} 1"])
    (root / "Attributes" / "sport.txt").unlink()
    mini = read(root)
    assert [(drop.where, drop.reason) for drop in mini.dropped] == [
        (f"category.txt line 5 (Images/{image(4)})", "no image file"),
        (f"color.txt line 82 (Images/{image(99)})", "no image file"),
    ]
    table = photos(mini).table.set_index("path")
    assert table["color"].isna()[[f"Images/{image(8)}", f"Images/{image(9)}"]].all()
    assert any("1 label(s) contradict each other" in note for note in mini.notes)
    assert "sport" not in mini.extra_attributes


@pytest.mark.parametrize("line", ["Male/1_Coats/1.jpg", "Male/1_Coats/1.jpg one", "14"])
def test_a_line_of_another_layout_is_refused(root: Path, line: str) -> None:
    write_lines(root / "Attributes" / "fit.txt", [f"{image(0)} 3", line])
    with pytest.raises(FlamError, match=r"fit.txt line 2: got '.*expected an image and a number"):
        read(root)


def test_a_file_that_is_needed_is_named(root: Path) -> None:
    (root / "Attributes" / "pattern.txt").unlink()
    with pytest.raises(FlamError, match="Attributes/pattern.txt is not there"):
        read(root)
    assert read(root, types=["shape", "color"]).schema.types == ("shape", "color")


def test_files_of_adde_that_do_not_fit_each_other(root: Path, tmp_path: Path) -> None:
    folder = write_adde(tmp_path / "splits")
    labels = folder / "labels_train.txt"
    lines = labels.read_text().splitlines()

    def refused(*changed: str, says: str) -> None:
        write_lines(labels, changed)
        with pytest.raises(FlamError, match=says):
            read(root, splits=folder)

    refused(*lines[:-1], says=r"labels_train.txt has 59 lines and imgs_train.txt has 60")
    refused("0 " + lines[0], *lines[1:], says="line 1: got 152 numbers, expected 151 zeros and")
    refused(lines[0], lines[1].replace("1", "2"), *lines[2:], says="line 2: got 151 numbers")
    refused("x" + lines[0][1:], *lines[1:], says="line 1: .*expected zeros and ones")
    twice = "1 1" + lines[0][3:]
    refused(twice, *lines[1:], says="line 1: category has more than one value")
    names = (folder / "imgs_train.txt").read_text().splitlines()
    write_lines(folder / "imgs_train.txt", [names[0], "", *names[1:]])
    refused(*lines[:5], "", *lines[5:], says="belong together line by line, blank lines too")
    write_lines(folder / "imgs_train.txt", names)
    write_lines(labels, lines)
    write_lines(folder / "attr_num.txt", ATTR_NUM[:11])
    with pytest.raises(FlamError, match="attr_num.txt: got 11 numbers, expected 12"):
        read(root, splits=folder)


def test_a_schema_from_elsewhere(root: Path) -> None:
    schema = AttributeSchema({"color": ("1", "2"), "shape": ("Coats", "Sari")})
    mini = photos(read(root, schema=schema))
    assert mini.schema is schema
    assert mini.rows(dense=True).tolist() == mini.rows("evaluation").tolist()
    assert not len(mini.rows("val"))
