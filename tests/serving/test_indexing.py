"""Lists of photos, incremental indexing and duplicates, with a runtime that counts its photos."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pyarrow import parquet

from flam_pl.errors import ConfigError, FlamError
from flam_pl.galleries.stored import StoredGallery, open_gallery
from flam_pl.images.files import UnreadableImage
from flam_pl.serving import commands
from flam_pl.serving.indexing import Groups, duplicates, index_photos
from flam_pl.serving.photo_lists import Listed, list_photos
from flam_pl.serving.settings import read_settings

CLASSES = 4


class CountingRuntime:
    """A photo's feature is its mean color; ``seen`` counts the photos that were extracted."""

    table = np.eye(CLASSES, dtype=np.float32)[None]

    def __init__(self, stop_after: int | None = None) -> None:
        self.seen, self.stop_after = 0, stop_after

    def pixels(self, data: bytes, name: Path) -> np.ndarray:
        if not data.startswith((b"\xff\xd8", b"\x89PNG")):
            raise UnreadableImage(name, "not an image")
        import io

        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB").resize((4, 4))).transpose(2, 0, 1)

    def features(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        if self.stop_after is not None and self.seen + len(pixels) > self.stop_after:
            raise KeyboardInterrupt
        self.seen += len(pixels)
        return np.stack([each.mean(axis=(1, 2)) for each in pixels]).astype(np.float32)

    def read(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.full((len(features), CLASSES), 0.25), np.zeros((len(features), 1, CLASSES))

    def queries(self, *arrays: np.ndarray) -> np.ndarray:
        raise NotImplementedError


def draw(path: Path, color: tuple[int, int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), color).save(path)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for number in range(10):
        draw(tmp_path / "photos" / f"{number}.png", (20 * number, 40, 90))
    return tmp_path


@pytest.fixture
def gallery(tmp_path: Path) -> StoredGallery:
    return open_gallery(tmp_path / "shop.db", "space", 3 + CLASSES)


def write_table(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_only_what_is_new_or_changed_is_extracted(shop: Path, gallery: StoredGallery) -> None:
    runtime = CountingRuntime()
    done = index_photos(gallery, lambda: runtime, list_photos(shop / "photos"), batch=4)
    assert (done.extracted, done.unchanged, runtime.seen, len(gallery)) == (10, 0, 10, 10)
    again = index_photos(gallery, lambda: runtime, list_photos(shop / "photos"), batch=4)
    assert (again.extracted, again.unchanged, runtime.seen) == (0, 10, 10)
    draw(shop / "photos" / "3.png", (255, 0, 0))
    os.utime(shop / "photos" / "4.png", (1, 1))  # the content is the same
    draw(shop / "photos" / "new.png", (0, 255, 0))
    third = index_photos(gallery, lambda: runtime, list_photos(shop / "photos"), batch=4)
    assert (third.extracted, third.updated, third.unchanged, runtime.seen) == (2, 1, 8, 12)
    changed = gallery.fetch(["3.png"])[0]
    np.testing.assert_allclose(changed.vector[:3].astype(float), [1, 0, 0], atol=1e-3)
    assert changed.length == pytest.approx(255)


def test_a_changed_column_is_stored_without_extraction(shop: Path, gallery: StoredGallery) -> None:
    rows = [{"sku": f"s{n}", "image": f"photos/{n}.png", "price": str(n)} for n in range(3)]
    runtime = CountingRuntime()
    index_photos(
        gallery, lambda: runtime, list_photos(write_table(shop / "list.csv", rows), id="sku")
    )
    rows[1]["price"] = "99"
    listed = list_photos(write_table(shop / "list.csv", rows), id="sku")
    done = index_photos(gallery, lambda: runtime, listed)
    assert (done.extracted, done.updated, runtime.seen) == (0, 1, 3)
    assert gallery.fetch(["s1"])[0].columns == {"price": 99.0}


def test_a_stopped_command_goes_on_where_it_was(shop: Path, gallery: StoredGallery) -> None:
    photos = list_photos(shop / "photos")
    with pytest.raises(KeyboardInterrupt):
        index_photos(gallery, lambda: CountingRuntime(stop_after=6), photos, batch=3)
    assert len(gallery) == 6
    runtime = CountingRuntime()
    index_photos(gallery, lambda: runtime, photos, batch=3)
    assert (len(gallery), runtime.seen) == (10, 4)


def test_photos_that_are_gone_are_deleted_only_if_asked(shop: Path, gallery: StoredGallery) -> None:
    runtime = CountingRuntime()
    index_photos(gallery, lambda: runtime, list_photos(shop / "photos"))
    (shop / "photos" / "0.png").unlink()
    kept = index_photos(gallery, lambda: runtime, list_photos(shop / "photos"))
    assert (kept.deleted, len(gallery)) == (0, 10)
    gone = index_photos(gallery, lambda: runtime, list_photos(shop / "photos"), delete_others=True)
    assert (gone.deleted, len(gallery)) == (1, 9)


def test_a_photo_whose_file_is_gone_is_deleted_but_never_all_of_them(
    shop: Path, gallery: StoredGallery
) -> None:
    listed = list_photos(shop / "photos")
    index_photos(gallery, CountingRuntime, listed)
    (shop / "photos" / "0.png").unlink()
    assert index_photos(gallery, CountingRuntime, listed).deleted == 0
    assert index_photos(gallery, CountingRuntime, listed, delete_others=True).deleted == 1
    (shop / "photos").rename(shop / "elsewhere")  # as a disk that is not there
    with pytest.raises(FlamError, match=r"none of the 10 photos can be read.*0\.png.*as it was"):
        index_photos(gallery, CountingRuntime, listed, delete_others=True)
    assert len(gallery) == 9


def test_photos_of_a_folder_that_is_missing_stay(shop: Path, gallery: StoredGallery) -> None:
    """As those on one of two disks."""
    draw(shop / "other" / "x.png", (0, 0, 0))
    rows = [{"path": path} for path in ("photos/0.png", "photos/1.png", "other/x.png")]
    listed = list_photos(write_table(shop / "t.csv", rows))
    index_photos(gallery, CountingRuntime, listed)
    (shop / "photos" / "1.png").unlink()
    (shop / "other").rename(shop / "elsewhere")
    done = index_photos(gallery, CountingRuntime, listed, delete_others=True)
    assert (done.deleted, len(done.unusable)) == (1, 2)
    assert gallery.ids(0, 9) == ["photos/0.png", "other/x.png"]


def test_a_list_of_broken_photos_deletes_nothing(shop: Path, gallery: StoredGallery) -> None:
    index_photos(gallery, CountingRuntime, list_photos(shop / "photos"))
    (shop / "broken").mkdir()
    (shop / "broken" / "a.jpg").write_text("no photo")
    with pytest.raises(FlamError, match="none of the 1 photos can be read"):
        index_photos(gallery, CountingRuntime, list_photos(shop / "broken"), delete_others=True)
    assert len(gallery) == 10


def test_a_photo_that_cannot_be_stored_stops_no_other(shop: Path, gallery: StoredGallery) -> None:
    rows = [
        {"id": name, "path": f"photos/{n}.png"} for n, name in enumerate(["a", "", "", "x" * 1001])
    ]
    listed = list_photos(write_table(shop / "t.csv", rows))
    broken = Listed("gr\udcf6n.jpg", shop / "photos" / "3.png", {})
    done = index_photos(gallery, CountingRuntime, [*listed, broken])
    assert (done.extracted, len(done.unusable), gallery.ids(0, 9)) == (1, 4, ["a"])


CODES = ["007", "7", "0007", "1e2", "100", "1_00"]


@pytest.mark.parametrize("setting", ["", "sku"])
def test_codes_stay_texts_and_items_apart(setting: str, shop: Path) -> None:
    rows = [
        {"path": f"photos/{n}.png", setting or "item": code, "ean": code, "price": f"{n}.5"}
        for n, code in enumerate(CODES)
    ]
    found = list_photos(write_table(shop / "t.csv", rows), item=setting)
    assert [each.columns["item"] for each in found] == CODES
    assert [each.columns["ean"] for each in found] == CODES
    assert [each.columns["price"] for each in found] == [n + 0.5 for n in range(6)]


@pytest.mark.parametrize("columns", [(), ("price",)])
def test_the_item_is_stored_and_a_missing_one_is_none(columns: Sequence[str], shop: Path) -> None:
    (shop / "t.csv").write_text("path,price,item\nphotos/0.png,1,7\nphotos/1.png,2\n")
    found = list_photos(shop / "t.csv", columns=columns)
    assert [each.columns for each in found] == [{"price": 1, "item": "7"}, {"price": 2}]
    again = list_photos(shop / "t.csv", columns=columns, item="item")
    assert [each.columns for each in again] == [each.columns for each in found]


@pytest.mark.parametrize("delimiter", [*",;|\t"])
@pytest.mark.parametrize("told", [False, True])
def test_a_list_is_read_as_the_training_reads_it(delimiter: str, told: bool, shop: Path) -> None:
    first = f"sep={delimiter}\n" if told else ""
    cells = [
        ["path ", " price", "name"],
        ["photos\\1.png", "7.5", f'"red{delimiter}, new"', ""],
        [],
    ]
    text = first + "\n".join(delimiter.join(row) for row in cells)
    (shop / "t.csv").write_text("\ufeff" + text, encoding="utf-8")
    (found,) = list_photos(shop / "t.csv")
    assert (found.id, found.path) == ("photos/1.png", shop / "photos/1.png")
    assert found.columns == {"price": 7.5, "name": f"red{delimiter}, new"}


def test_a_backslash_in_a_file_name_stays(shop: Path) -> None:
    draw(shop / "photos" / "a\\b.png", (255, 0, 0))
    (found,) = list_photos(write_table(shop / "t.csv", [{"path": "photos/a\\b.png"}]))
    assert found.path.is_file() and found.id == "photos/a\\b.png"


def test_a_cell_without_a_number_leaves_the_others_numbers(shop: Path) -> None:
    cells = ["19.9", "n/a", "", "NaN", "-", "5"]
    rows = [
        {"path": f"photos/{n % 6}.png", "price": cell, "size": "n/a", "note": ["n/a", "new"][n % 2]}
        for n, cell in enumerate(cells)
    ]
    found = [each.columns for each in list_photos(write_table(shop / "t.csv", rows))]
    assert [of.get("price") for of in found] == [19.9, None, None, None, None, 5]
    assert all("price" in of for of in found[::5]) and not any("price" in of for of in found[1:5])
    # with no number at all, the words are texts
    assert [(of["size"], of["note"]) for of in found] == [("n/a", "n/a"), ("n/a", "new")] * 3


def test_the_row_numbers_that_pandas_writes_are_no_column(shop: Path) -> None:
    pd.DataFrame({"path": ["photos/0.png"], "price": [10]}, index=[12]).to_csv(shop / "t.csv")
    assert list_photos(shop / "t.csv")[0].columns == {"price": 10}


@pytest.mark.parametrize(
    ("content", "more", "message"),
    [
        (b"path\ngr\xf6n.jpg\n", {}, "t.csv is not UTF-8"),
        (b"path\n1.jpg\n", {"image": "images/{sku}.jpg"}, "no column 'sku'"),
        (b"path\n1.jpg\n", {"image": "images/{0}.jpg"}, "no column '0'"),
        (b"path\n1.jpg\n", {"image": "images/{.jpg"}, "no pattern such as"),
        (b"path\n1.jpg\n", {"image": "images/{path:d}.jpg"}, "no pattern such as"),
        (b"path\n1.jpg\n", {"only": ["path=2.jpg"]}, "rows with a path and path=2.jpg"),
    ],
)
def test_a_list_says_what_is_wrong(
    content: bytes, more: dict[str, Any], message: str, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(FlamError, match=message):
        list_photos(tmp_path / "t.csv", **more)


def test_unusable_photos_are_named_and_the_others_indexed(
    shop: Path, gallery: StoredGallery
) -> None:
    (shop / "photos" / "text.jpg").write_text("no photo")
    rows = [{"path": f"photos/{name}"} for name in ("0.png", "text.jpg", "missing.png")]
    done = index_photos(gallery, CountingRuntime, list_photos(write_table(shop / "t.csv", rows)))
    assert done.extracted == 1
    assert [("text.jpg" in line, "missing.png" in line) for line in done.unusable] == [
        (False, True),
        (True, False),
    ]
    assert "photos that cannot be used: 2" in str(done)


def test_a_table_may_have_a_pattern_of_paths_and_commas_in_its_last_column(shop: Path) -> None:
    (shop / "styles.csv").write_text("id,gender,name\n3,Women,A, B and C\n4,Men,D\n")
    found = list_photos(shop / "styles.csv", image="photos/{id}.png")
    assert [each.id for each in found] == ["3", "4"]
    assert found[0].path == shop / "photos" / "3.png"
    assert found[0].columns == {"gender": "Women", "name": "A, B and C"}
    men = list_photos(shop / "styles.csv", image="photos/{id}.png", only=["gender=Men"])
    assert [each.id for each in men] == ["4"]


def test_a_table_may_name_the_column_of_the_item(shop: Path) -> None:
    (shop / "list.csv").write_text("id,gender,product\n3,Women,07\n4,Men,08\n")
    how = {"image": "photos/{id}.png", "columns": ["gender"]}
    found = list_photos(shop / "list.csv", **how, item="product")
    assert [each.columns["item"] for each in found] == ["07", "08"]  # a name, never a number
    assert "item" not in list_photos(shop / "list.csv", **how)[0].columns
    with pytest.raises(FlamError, match="no column 'sku'.*item=<column>"):
        list_photos(shop / "list.csv", **how, item="sku")


def test_parquet_tables_keep_their_numbers(shop: Path) -> None:
    table = pa.table({"path": ["photos/1.png"], "price": [7], "brand": [None]})
    parquet.write_table(table, shop / "list.parquet")
    assert dict(list_photos(shop / "list.parquet")[0].columns) == {"price": 7}


def test_cells_of_parquet_that_no_gallery_stores_become_texts_or_nothing(shop: Path) -> None:
    cells = {"ean": (2**63, pa.uint64()), "day": (date(2024, 5, 1), pa.date32())}
    cells |= {"price": (math.nan, pa.float64()), "item": (None, pa.string())}
    cells |= {"id": (None, pa.string())}
    table = pa.table(
        {"path": ["photos/1.png"]} | {n: pa.array([c], t) for n, (c, t) in cells.items()}
    )
    parquet.write_table(table, shop / "list.parquet")
    listed = list_photos(shop / "list.parquet")[0]
    assert dict(listed.columns) == {"ean": "9223372036854775808", "day": "2024-05-01"}
    assert listed.id == ""  # index_photos refuses it alone


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.parquet").write_text("path")
    with pytest.raises(FlamError, match=r"list\.parquet cannot be read as a table"):
        list_photos(tmp_path / "list.parquet")


@pytest.mark.parametrize(
    ("rows", "how", "said"),
    [
        ([{"name": "a.png"}], {}, "no column"),
        ([{"path": "a.png"}], {"image": "photo"}, "no column 'photo'"),
        ([{"path": "a.png"}], {"columns": ["prise"]}, "no column 'prise'"),
        ([{"id": "1", "path": "a.png"}] * 2, {}, "the id '1' 2 times"),
        ([{"path": " "}], {}, "lists no photo"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused(
    tmp_path: Path, rows: list[dict[str, str]], how: dict, said: str
) -> None:
    with pytest.raises(FlamError, match=said):
        list_photos(write_table(tmp_path / "list.csv", rows), **how)


def test_a_missing_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FlamError, match="neither a folder nor a table"):
        list_photos(tmp_path / "nothing")


def test_duplicates_by_content_and_by_nearness(shop: Path, gallery: StoredGallery) -> None:
    draw(shop / "photos" / "copy.png", (20 * 4, 40, 90))
    draw(shop / "photos" / "near.png", (20 * 9, 41, 90))
    index_photos(gallery, CountingRuntime, list_photos(shop / "photos"))
    assert duplicates(gallery) == [["4.png", "copy.png"]]
    groups = duplicates(gallery, near=(0.99999, 3))
    assert ["9.png", "near.png"] in groups and ["4.png", "copy.png"] in groups
    with pytest.raises(FlamError, match="near is 0"):
        duplicates(gallery, near=(0, 3))


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=20))
def test_groups_are_the_connected_parts(pairs: list[tuple[int, int]]) -> None:
    groups, reach = Groups(12), [{n} for n in range(12)]
    for one, other in pairs:
        groups.join(one, other)
        both = reach[one] | reach[other]
        for n in both:
            reach[n] = both
    expected = {tuple(sorted(part)) for part in reach if len(part) > 1}
    assert {tuple(group) for group in groups.several()} == expected


def test_settings_are_typed_and_unknown_ones_named() -> None:
    words = ["bundle=b", "gallery=g", "photos=p", "columns=[a, b]", "batch=8"]
    found = read_settings(words, commands.Build, "index build")
    assert (found.columns, found.batch, found.device) == (("a", "b"), 8, None)
    with pytest.raises(ConfigError, match="did you mean gallery"):
        read_settings(["galery=g"], commands.Build, "index build")
    with pytest.raises(ConfigError, match="photos= is missing"):
        read_settings(words[:2], commands.Build, "index build")
    with pytest.raises(ConfigError, match="batch is 'many'; expected int"):
        read_settings(["batch=many"], commands.Build, "index build")
    with pytest.raises(ConfigError, match="expected true or false"):
        read_settings(["bundle=b", "gallery=g", "redirect=maybe"], commands.Serve, "serve")


def test_commands_delete_copy_and_describe(
    shop: Path, gallery: StoredGallery, capsys: pytest.CaptureFixture[str]
) -> None:
    index_photos(gallery, CountingRuntime, list_photos(shop / "photos"))
    gallery.close()
    place = f"gallery={shop / 'shop.db'}"
    commands.index(["delete", place, "ids=[0.png,none.png]"])
    commands.index(["copy", place, f"to={shop / 'copy.db'}"])
    commands.index(["info", f"gallery={shop / 'copy.db'}"])
    said = capsys.readouterr().out
    assert "1 of 2 photos deleted" in said and "9 photos copied" in said and "9 photos in" in said
    with pytest.raises(FlamError, match="expected one of build, add, delete"):
        commands.index(["bild"])
