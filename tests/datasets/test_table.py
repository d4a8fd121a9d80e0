"""A user's own table: renames, words for splits, files that are not there."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet

from flam_pl.attributes import AttributeSchema
from flam_pl.config.data import TableData
from flam_pl.config.loading import load_config
from flam_pl.datasets import table as table_reader
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.inspection import describe
from flam_pl.datasets.listings import keep_photos
from flam_pl.datasets.sources import open_catalog
from flam_pl.datasets.splits import split_csv
from flam_pl.errors import FlamError

TYPES = ("shape", "color")


def frame(rows: int = 8) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "path": [f"photos/{i}.png" for i in range(rows)],
            "shape": ["shirt", "jeans"] * (rows // 2),
            "color": [1, 1, 2, 2] * (rows // 4),
        }
    )


def write(root: Path, table: pd.DataFrame, name: str = "shop.csv", images: int = 8) -> Path:
    (root / "photos").mkdir(parents=True, exist_ok=True)
    for i in range(images):
        (root / "photos" / f"{i}.png").write_bytes(f"never decoded: {i}".encode())
    if name.endswith(".parquet"):
        table.to_parquet(root / name)
    else:
        table.to_csv(root / name, index=False, sep="\t" if name.endswith(".tsv") else ",")
    return root / name


def read(path: Path, schema: AttributeSchema | None = None, **options: Any) -> Catalog:
    data = TableData(**{"types": list(TYPES), "evaluation": 4, "validation": 1, **options})
    return table_reader.read(path, data, schema)


@pytest.mark.parametrize("name", ["shop.csv", "shop.tsv", "shop.parquet"])
def test_a_plain_table_is_split_and_gets_views(tmp_path: Path, name: str) -> None:
    mini = read(write(tmp_path, frame(), name))
    assert mini.name == "shop" and mini.root == tmp_path
    assert mini.schema.of("color") == ("1", "2")  # numbers as labels are words
    assert len(mini.rows("evaluation", "shop")) == 4 and len(mini.rows("val", "shop")) == 1
    assert len(mini.rows(domain="consumer")) == 5
    assert not len(mini.rows(domain="consumer", labelled=True))
    queries = mini.items[mini.rows("evaluation", "consumer")]
    assert sorted(queries) == sorted(mini.items[mini.rows("evaluation", "shop")])


def test_number_columns_with_gaps_keep_whole_numbers(tmp_path: Path) -> None:
    table = frame().assign(color=[1, 1, 2, 2, None, 1, 2, 2], shape=["a", "b"] * 3 + ["", " b "])
    mini = read(write(tmp_path, table, "shop.parquet"))
    photos = mini.table[mini.table["view"] == 0]
    assert photos["color"].dropna().tolist() == ["1", "1", "2", "2", "1", "2", "2"]
    assert photos["shape"].isna().sum() == 1 and set(photos["shape"].dropna()) == {"a", "b"}


def test_na_and_none_are_words(tmp_path: Path) -> None:
    table = frame().assign(shape=["None", "NA"] * 4, color=["007", "null"] * 4)
    mini = read(write(tmp_path, table))
    assert set(mini.schema.of("shape")) == {"None", "NA"}
    assert set(mini.schema.of("color")) == {"007", "null"}


def test_renames_images_root_and_extras(tmp_path: Path) -> None:
    table = frame().rename(columns={"path": "photo", "color": "farbe"})
    table["photo"] = table["photo"].str.replace("photos/", "").str.replace("/", "\\")
    table["view"] = "front"  # a user's word, not ours
    table["season"] = "fall"
    path = write(tmp_path, table)
    columns = ["photo:path", "farbe:color"]
    images = str(tmp_path / "photos")
    mini = read(path, columns=columns, images=images, extra_attributes=["season"])
    assert mini.paths[0] == tmp_path / "photos" / "0.png"
    assert (mini.table["view"] != "front").all()
    for wrong, words in {
        "photos:path": "renames 'photos'.*did you mean photo.; it has photo, shape, farbe",
        "color:farbe": "renames 'color' to 'farbe'.*did you mean farbe:color.; it has photo",
        "photo": "expected own_name:name",
        ":path": "expected own_name:name",
    }.items():
        with pytest.raises(FlamError, match=f"data.columns .*{words}"):
            read(path, columns=[wrong])
    with pytest.raises(FlamError, match="expected one column 'path', got 0; it has photo, shape"):
        read(path)
    with pytest.raises(FlamError, match="expected one column 'color', got 0; it has path, shape"):
        read(path, columns=["photo:path"])
    with pytest.raises(FlamError, match="expected one column 'path', got 2"):
        read(path, columns=[*columns, "season:path"])
    with pytest.raises(FlamError, match="'colour', got 0; did you mean color"):
        read(write(tmp_path, frame()), types=["colour"])


def test_extra_attributes_are_columns_that_no_network_trains_on(tmp_path: Path) -> None:
    path = write(tmp_path, frame().assign(season="fall", brand="Roxy", gender="women"))
    mini = read(path, extra_attributes=["brand", "gender", "brand"])
    assert mini.extra_attributes == ("brand", "gender")
    assert {*mini.table["brand"]} == {"Roxy"} and "season" not in mini.table
    with pytest.raises(FlamError, match="'sleeve', got 0.*data.extra_attributes"):
        read(path, extra_attributes=["sleeve"])


def test_columns_are_found_in_any_spelling(tmp_path: Path) -> None:
    """An item column that is overlooked lets photos of a product train and be evaluated."""
    path = write(tmp_path, frame().assign(item=[*"aabbccdd"], größe=["s", "m"] * 4))
    rows = path.read_text().splitlines()
    path.write_text("\n".join([" Image,SHAPE,Color\u200b,Item,gro\u0308\u00dfe", *rows[1:]]))
    mini = read(path, types=[*TYPES, "größe"])
    assert mini.schema.types == ("shape", "color", "größe")
    assert mini.table["item"].tolist()[:8] == [*"aabbccdd"]
    path.write_text("\n".join(["path,shape,Color,COLOR,item", *rows[1:]]))
    with pytest.raises(FlamError, match="expected one column 'color', got 2"):
        read(path)
    path.write_text("\n".join(["path,shape,color,COLOR,item", *rows[1:]]))
    assert read(path).schema.of("color") == ("1", "2")  # the name itself is no question


def test_a_column_called_image_needs_no_rename(tmp_path: Path) -> None:
    assert len(read(write(tmp_path, frame().rename(columns={"path": "image"})))) == 13


def test_split_words_and_queries(tmp_path: Path) -> None:
    words = ["train", "Training", "validation", "dev", "query", "gallery", "test", "eval"]
    table = frame().assign(split=words, item=list("abcdeefg"), color=[1, 2] * 4)
    mini = read(write(tmp_path, table))
    assert mini.table["split"].tolist() == ["train"] * 2 + ["val"] * 2 + ["evaluation"] * 4
    assert mini.table["domain"].tolist() == ["shop"] * 4 + ["consumer"] + ["shop"] * 3
    assert (mini.table["view"] == 0).all()  # item e has a pair, so nothing is made up
    # Classes are counted on what trains: here one color only.
    with pytest.raises(FlamError, match=r"'color' has the classes \['1'\]"):
        read(write(tmp_path, table.assign(color=[1, 1, 2, 2, 2, 2, 2, 2])))
    path = write(tmp_path, table.assign(split=["train", "holdout", *words[2:]]))
    with pytest.raises(
        FlamError, match="shop.csv line 3: column split has 'holdout'; expected one of train"
    ):
        read(path)
    path = write(tmp_path, table.assign(split=["train", None, *words[2:]]))
    with pytest.raises(FlamError, match="line 3: column split has nothing"):
        read(path)


def test_domains(tmp_path: Path) -> None:
    table = frame().assign(domain=["Shop", "consumer", None, "shop"] * 2, item=list("aabbccdd"))
    mini = read(write(tmp_path, table))
    assert mini.table["domain"].tolist()[:4] == ["shop", "consumer", "shop", "shop"]
    assert (mini.table.groupby("item")["split"].nunique() == 1).all()
    path = write(tmp_path, table.assign(domain=["shop"] * 7 + ["street"]))
    with pytest.raises(FlamError, match="line 9: .*'street'; expected one of shop, consumer"):
        read(path)


def copy(root: Path, source: int, *targets: int) -> None:
    for target in targets:
        photo = (root / "photos" / f"{source}.png").read_bytes()
        (root / "photos" / f"{target}.png").write_bytes(photo)


def test_identical_files_are_split_together(tmp_path: Path) -> None:
    path = write(tmp_path, frame(40), images=40)
    for i in range(0, 40, 4):
        copy(tmp_path, i, i + 3)
    for seed in range(3):
        mini = read(path, evaluation=16, validation=4, split_seed=seed)
        photos = mini.table[mini.table["view"] == 0].set_index("path")
        for i in range(0, 40, 4):
            pair = photos.loc[[f"photos/{i}.png", f"photos/{i + 3}.png"]]
            assert pair["split"].nunique() == 1
            assert pair["item"].nunique() == int(pair["split"].iloc[0] != "train")
        assert not mini.notes


def test_identical_files_that_the_table_parts_are_reported(tmp_path: Path) -> None:
    words = ["train"] * 4 + ["val", "val", "query", "gallery"]
    table = frame().assign(split=words, item=list("abcdefgg"))
    path = write(tmp_path, table)
    copy(tmp_path, 6, 7)  # both are evaluated
    assert not read(path).notes
    copy(tmp_path, 0, 1, 5, 6)
    mini = read(path)
    (note,) = mini.notes
    assert note.startswith("4 photos are byte by byte equal to a photo of another")
    assert "photos/0.png" in note and note in describe(mini)
    assert mini.table["split"].tolist() == ["train"] * 4 + ["val"] * 2 + ["evaluation"] * 2


def test_garments_are_read_and_split_together(tmp_path: Path) -> None:
    table = frame(40).assign(
        item=[str(i) for i in range(40)],
        counterfactual_of=[str(i - 1) if i % 8 == 1 else None for i in range(40)],
        garment=[f"g{i // 8}" if i % 8 in (2, 4, 6) else None for i in range(40)],
    )
    path = write(tmp_path, table, images=40)
    for seed in range(3):
        mini = read(path, evaluation=16, validation=4, split_seed=seed)
        photos = mini.table[mini.table["view"] == 0]
        garments = photos["garment"].fillna("-").tolist()
        first = ["0", "0", "g0", "-", "g0", "-", "g0", "-"]
        assert garments[:8] == first and garments[8:10] == ["8", "8"]
        assert (photos.groupby("garment")["split"].nunique() == 1).all()
        assert mini.table.loc[mini.table["view"] > 0, "garment"].isna().all()
        assert [note[:13] for note in mini.notes] == ["10 garment(s)"]


def test_whole_numbers_of_a_column_with_gaps_are_the_same_label(tmp_path: Path) -> None:
    """A CSV file that pandas wrote has 38.0, a Parquet file 38."""
    mini = read(write(tmp_path, frame().assign(color=["38.0", "38", "00", "0"] * 2), "a.csv"))
    assert set(mini.schema.of("color")) == {"38", "00", "0"}
    trained = AttributeSchema({"shape": ("shirt", "jeans"), "color": ("38.0", "40.0")})
    mini = read(write(tmp_path, frame().assign(color=[38, 40] * 4), "b.parquet"), trained)
    assert set(mini.table["color"].dropna()) == {"38.0", "40.0"}


def test_files_that_are_not_there_are_counted_and_all_of_them_refused(tmp_path: Path) -> None:
    table = pd.concat([frame(), frame()[:1]], ignore_index=True)
    table.loc[3, "path"] = None
    mini = read(write(tmp_path, table, images=7))
    assert [(d.where, d.reason) for d in mini.dropped] == [
        ("shop.csv line 5", "no path"),
        ("shop.csv line 9 (photos/7.png)", "no image file"),
        ("shop.csv line 10 (photos/0.png)", "the same file was listed before"),
    ]
    with pytest.raises(FlamError, match=r"first: photos/0.png; .*elsewhere. Set data.images"):
        read(tmp_path / "shop.csv", images=str(tmp_path / "elsewhere"))


def test_lines_are_those_that_an_editor_shows(tmp_path: Path) -> None:
    write(tmp_path, frame())
    rows = ["path,shape,color,about", 'photos/0.png,shirt,1,"two', 'lines"', "", ",,,"]
    rows += ["photos/1.png,jeans,2,one", "gone.png,jeans,2,one"]
    (tmp_path / "shop.csv").write_text("\n".join([*rows, "", ""]))
    mini = read(tmp_path / "shop.csv", extra_attributes=["about"])
    assert [(d.where, d.reason) for d in mini.dropped] == [
        ("shop.csv line 7 (gone.png)", "no image file")
    ]
    assert mini.table["path"].tolist()[:2] == ["photos/0.png", "photos/1.png"]


def test_rows_of_parquet_are_counted_from_1(tmp_path: Path) -> None:
    write(tmp_path, frame(), images=7)
    frame().to_parquet(tmp_path / "shop.parquet")
    mini = read(tmp_path / "shop.parquet")
    assert [d.where for d in mini.dropped] == ["shop.parquet row 8 (photos/7.png)"]


def test_labels_outside_the_classes_are_counted_and_named(tmp_path: Path) -> None:
    table = frame().assign(color=["a", "a", "b", "b", "c", None, "c", "d"])
    mini = read(write(tmp_path, table), classes=3)
    assert mini.notes == (
        "1 color label(s) name none of the 3 classes and count as unlabelled: d (1)",
    )
    assert mini.notes[0] in describe(mini)


def test_a_schema_from_elsewhere(tmp_path: Path) -> None:
    schema = AttributeSchema({"color": ("2", "3"), "shape": ("shirt", "sari")})
    mini = read(write(tmp_path, frame()), schema=schema)
    assert mini.schema is schema and mini.labels.shape[1] == 2
    dense = mini.rows(dense=True)
    assert mini.table.loc[dense, "path"].tolist() == ["photos/2.png", "photos/6.png"]
    assert dense.tolist() == mini.rows("evaluation", "shop").tolist()
    given = frame().assign(split=["train", "test"] * 4)
    mini = read(write(tmp_path, given), schema=schema)
    assert len(mini.rows("evaluation", "shop")) == 4  # a split of the table's own is kept


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("gone.csv", None, "is not there"),
        ("shop.xlsx", b"x", "ends in '.xlsx'"),
        ("shop.csv", b"", "has no rows"),
        ("shop.csv", b"path,shape,color\n", "has no rows"),
        ("shop.csv", b"path,shape,color\n\n,,\n", "has no rows"),
        ("shop.csv", b"path,shape\na,b\n\xff\xfe,a\n", "shop.csv line 3 is no UTF-8; save"),
        ("shop.csv", "path\na\n".encode("utf-16"), "shop.csv line 1 is no UTF-8; save"),
        ("shop.csv", b'path,shape\na,b\nc,"d\ne,f\n', "line 3: unexpected end.*Close each double"),
        ("shop.csv", b'"path,shape\na,b\n', "line 1: unexpected end.*Close each double"),
        ("shop.csv", b'path,shape\na,b\nc,"d"e\n', "shop.csv line 3: ',' expected after"),
        ("shop.parquet", b"no parquet at all", "cannot be read as parquet"),
    ],
)
def test_files_that_are_no_tables(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(FlamError, match=words):
        read(tmp_path / name)


# --- what people's own tables hold


def test_other_spellings_join_their_class(tmp_path: Path) -> None:
    colors = ["Black", "black", "Black", "WHITE", "White", "White ", "Cafe\u0301", "Caf\u00e9"]
    mini = read(write(tmp_path, frame().assign(color=colors)))
    assert mini.schema.of("color") == ("Black", "White", "Cafe\u0301")
    photos = mini.table[mini.table["view"] == 0]
    assert photos["color"].value_counts().tolist() == [3, 3, 2]
    assert any(n.startswith("3 color label(s) are respelled: ") for n in mini.notes)
    assert any("black -> Black (1)" in n and "WHITE -> White (1)" in n for n in mini.notes)


def test_a_trained_run_keeps_its_own_spelling(tmp_path: Path) -> None:
    schema = AttributeSchema({"shape": ("Shirt", "Jeans"), "color": ("1", "2")})
    mini = read(write(tmp_path, frame()), schema)
    assert set(mini.table["shape"].dropna()) == {"Shirt", "Jeans"} and mini.schema is schema


def test_invisible_labels_are_none(tmp_path: Path) -> None:
    shapes = ["a", "b", " ", "\u200b", "", "a", "b", "a"]
    assert read(write(tmp_path, frame().assign(shape=shapes))).table["shape"].isna()[2:5].all()


def test_classes_are_chosen_by_type(tmp_path: Path) -> None:
    path = write(tmp_path, frame().assign(color=[*"aabbbcc", "d"]))
    given = [f"data.root={path}", "data=table", "data.types=[shape,color]", "data.evaluation=2"]
    for classes, expected in {
        "{color:[a,C]}": ("a", "C"),
        "{color:2}": ("b", "a"),
        "{shape:2}": ("b", "a", "c", "d"),
        "3": ("b", "a", "c"),
    }.items():
        mini = open_catalog(load_config([*given, f"data.classes={classes}"]).data)
        assert mini.schema.of("color") == expected
        assert set(mini.table["color"].dropna()) <= set(expected)
    with pytest.raises(FlamError, match="names the color 'e', which no photo has"):
        open_catalog(load_config([*given, "data.classes={color:[a,e]}"]).data)


SEVERAL = ["red;blue", "red", "blue", "Red ; green", "green", " ;blue", "red", "blue;"]


def test_several_labels_in_one_cell_with_a_separator(tmp_path: Path) -> None:
    path = write(tmp_path, frame().assign(color=SEVERAL))
    given = [f"data.root={path}", "data=table", "data.types=[shape,color]", "data.evaluation=2"]
    mini = open_catalog(load_config([*given, "data.label_separator=;"]).data)
    photos = mini.table[mini.table["view"] == 0]
    first = ["red", "red", "blue", "red", "green", "blue", "red", "blue"]
    assert photos["color"].tolist() == first
    assert "2 color cell(s) list several labels, such as 'red;blue': the first" in mini.notes[0]


def test_several_labels_without_a_separator_are_reported_with_the_remedy(tmp_path: Path) -> None:
    mini = read(write(tmp_path, frame().assign(color=SEVERAL)))
    (note,) = (note for note in mini.notes if "several" in note)
    assert note.startswith("2 color cell(s) list several labels, such as 'red;blue': set ")
    assert "data.label_separator=';'" in note and "red;blue" in mini.schema.of("color")
    names = frame().assign(color=["off/white", "1", "2", "3"] * 2)  # "off" is no label by itself
    assert not any("several" in note for note in read(write(tmp_path, names)).notes)


def test_cells_that_other_programs_write(tmp_path: Path) -> None:
    colors = [["red"], ["blue"], [], None, ["red"], ["blue"], ["red"], ["blue"]]
    mini = read(write(tmp_path, frame().assign(color=colors), "shop.parquet"))
    assert mini.schema.of("color") == ("blue", "red")
    mini = read(write(tmp_path, frame().assign(color=[b"red", b"blue"] * 4), "shop.parquet"))
    assert mini.schema.of("color") == ("blue", "red")
    two = frame().assign(color=[["red"], ["red", "blue"], *[["blue"]] * 6])
    path = write(tmp_path, two, "shop.parquet")
    with pytest.raises(FlamError, match=r"shop.parquet row 2: column color .*label_separator"):
        read(path)
    assert read(path, label_separator="|").table["color"].tolist()[:3] == ["red", "red", "blue"]
    images = frame().assign(path=[{"bytes": b"x", "path": f"photos/{i}.png"} for i in range(8)])
    with pytest.raises(FlamError, match="row 1: column path has .*bytes.*expected one value"):
        read(write(tmp_path, images, "shop.parquet"))
    long = frame().assign(path=["x" * 5000, *frame()["path"][1:]])
    assert read(write(tmp_path, long)).dropped[0].reason == "no image file"


@pytest.mark.parametrize(
    "cell",
    [
        ["red", None],
        [{"name": "red"}],
        {"name": "red"},
        [[["red", "blue"]]],
        "caf\xe9".encode("l1"),
    ],
)
def test_cells_that_are_not_one_text_are_refused_in_parquet(tmp_path: Path, cell: object) -> None:
    path = write(tmp_path, frame().assign(color=[cell] * 8), "shop.parquet")
    with pytest.raises(FlamError, match="shop.parquet row 1: column color has .*Write bytes as"):
        read(path)


@pytest.mark.parametrize(
    "cell",
    ["['red']", '["red", "blue"]', "['red' 'blue']", "[1, 2]", "[]", "b'red'", "{'name': 'red'}"],
)
def test_lists_and_records_that_a_program_wrote_as_text_are_refused(
    tmp_path: Path, cell: str
) -> None:
    path = write(tmp_path, frame().assign(color=["red", "[red]", "b", cell] * 2))
    with pytest.raises(FlamError, match="shop.csv line 5: column color has .*expected one value"):
        read(path)


def test_bytes_of_a_fixed_length_and_lists_in_lists_are_read(tmp_path: Path) -> None:
    for cells in ([b"red\0\0", b"blue\0"], [[["red"]], [["blue"]]], [[None, "red"][1:], ["blue"]]):
        mini = read(write(tmp_path, frame().assign(color=cells * 4), "shop.parquet"))
        assert mini.schema.of("color") == ("blue", "red")


@pytest.mark.parametrize("names", [["item"], ["item", "path"], ["path"]])
def test_columns_that_pandas_stores_as_its_index_are_read(tmp_path: Path, names: list[str]) -> None:
    path = write(tmp_path, frame().assign(item=[*"aabbccdd"]).set_index(names), "shop.parquet")
    photos = read(path).table.query("view == 0")
    assert photos["item"].tolist() == [*"aabbccdd"]
    assert (photos.groupby("item")["split"].nunique() == 1).all()


def test_large_numbers_beside_a_gap_are_not_rounded(tmp_path: Path) -> None:
    items = [2**60, 2**60 + 1, None, 3, 4, 5, 6, 7]
    path = write(tmp_path, frame(), "shop.parquet")
    with_items = pa.Table.from_pandas(frame()).append_column("item", pa.array(items))
    parquet.write_table(with_items.replace_schema_metadata(), path)
    assert read(path).table["item"].tolist()[:2] == [str(2**60), str(2**60 + 1)]


@pytest.mark.parametrize("name", ["shop.csv", "shop.tsv"])
@pytest.mark.parametrize("delimiter", [*",;|\t"])
def test_the_header_tells_the_delimiter(tmp_path: Path, name: str, delimiter: str) -> None:
    write(tmp_path, frame())
    table = frame().assign(color=["a,b", "c;d", "a,b", "e|f"] * 2)
    table.to_csv(tmp_path / name, index=False, sep=delimiter)
    assert set(read(tmp_path / name).schema.of("color")) == {"a,b", "c;d", "e|f"}


@pytest.mark.parametrize("told", ["sep=;", '"sep=;"', "SEP=;"])
def test_the_separator_that_excel_reads_is_no_header(tmp_path: Path, told: str) -> None:
    path = write(tmp_path, frame())
    path.write_text(f"{told}\n" + path.read_text().replace(",", ";"))
    assert read(path).schema.of("color") == ("1", "2")
    path.write_text(path.read_text() + "photos/7.png;only\n")
    with pytest.raises(FlamError, match="line 11: got 2 values, expected 3"):
        read(path)


def test_rows_that_take_several_lines_are_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A double quote too many hides the rows up to the next one."""
    path = write(tmp_path, frame().assign(name="x"))
    read(path)
    assert "several lines" not in caplog.text
    rows = path.read_text().splitlines()
    rows[3], rows[5] = 'photos/2.png,shirt,2,"Top', 'photos/4.png,shirt,1,Top"'
    path.write_text("\n".join(rows))
    assert len(read(path).rows(domain="shop")) == 6
    assert "1 rows take several lines" in caplog.text and "first in line 4" in caplog.text


@pytest.mark.parametrize("line", [2, 4])
def test_a_row_with_fewer_values_than_columns_is_refused(tmp_path: Path, line: int) -> None:
    path = write(tmp_path, frame())
    rows = path.read_text().splitlines()
    rows[line - 1] = rows[line - 1].replace(",", " ", 1)
    path.write_text("\n".join(rows))
    with pytest.raises(FlamError, match=f"shop.csv line {line}: got 2 values, expected 3"):
        read(path)
    header, *rest = frame().to_csv(index=False).splitlines()
    path.write_text("\n".join([f" {header.replace(',', ' , ')},,", *rest, "  "]))
    assert len(read(path).rows(domain="shop")) == 8  # spaces, empty columns of the header


@pytest.mark.parametrize("line", [2, 4])
def test_a_row_with_more_values_than_columns_is_refused(tmp_path: Path, line: int) -> None:
    path = write(tmp_path, frame())
    rows = path.read_text().splitlines()
    rows[line - 1] = rows[line - 1].replace(",", ",extra,", 1)
    path.write_text("\n".join(rows))
    with pytest.raises(FlamError, match=f"shop.csv line {line}: got 4 values, expected 3"):
        read(path)
    path.write_text("\n".join(f"{row},," for row in frame().to_csv(index=False).splitlines()))
    assert len(read(path).rows(domain="shop")) == 8  # empty columns at the end


def test_one_file_in_many_spellings_is_one_photo(tmp_path: Path) -> None:
    table = pd.concat([frame()] * 3, ignore_index=True)
    spellings = ("./photos/{}.png", "photos//{}.png", "photos/../photos/{}.png", "links/{}.png")
    table["path"] = [
        f"photos/{i}.png" if n < 8 else spellings[n % 4].format(i)
        for n, i in enumerate([*range(8)] * 3)
    ]
    path = write(tmp_path, table)
    (tmp_path / "links").mkdir()
    for i in range(8):
        (tmp_path / "links" / f"{i}.png").symlink_to(f"../photos/{i}.png")
    mini = read(path)
    assert [d.reason for d in mini.dropped] == ["the same file was listed before"] * 16
    assert len({file.resolve() for file in mini.paths}) == 8 == len(mini.rows(domain="shop"))


def test_numbers_of_items_that_a_column_with_gaps_turned_into_floats(tmp_path: Path) -> None:
    table = frame().assign(item=range(8), counterfactual_of=[None] * 6 + [2, 3])
    assert ",2.0" in write(tmp_path, table).read_text()
    for name in ("shop.csv", "shop.parquet"):
        mini = read(write(tmp_path, table, name))
        made = mini.table["counterfactual_of"].dropna()
        assert made.tolist() == ["2", "3"] and made.isin(mini.table["item"]).all()
        assert not any("counterfactuals" in note for note in mini.notes)
    lost = table.assign(counterfactual_of=[None] * 6 + ["22", "3"])
    notes = read(write(tmp_path, lost)).notes
    assert "1 counterfactuals of no item here, such as '22'" in notes
    (tmp_path / "photos" / "3.png").unlink()  # the photo of the other one's original
    assert any("2 counterfactuals of no item" in note for note in read(tmp_path / "shop.csv").notes)


@pytest.mark.parametrize(
    ("items", "originals"),
    [
        (["000", "001", "002", "003"], ["2", "3.0"]),  # a program read them as numbers
        (["0", "1", "2", "3"], ["002", "03"]),
        (["a-0", "a-1", "A-2", "A-3"], ["a-2\u200b", "a-3"]),
    ],
)
def test_counterfactuals_are_found_by_another_spelling_of_the_item(
    tmp_path: Path, items: list[str], originals: list[str]
) -> None:
    made = [None] * 6 + originals
    mini = read(write(tmp_path, frame().assign(item=[*items, *"efgh"], counterfactual_of=made)))
    assert mini.table["counterfactual_of"].dropna().tolist() == items[2:]
    assert any(note.startswith("2 counterfactual_of label(s) are respelled") for note in mini.notes)


def test_spellings_of_an_item_are_one_item_on_one_side(tmp_path: Path) -> None:
    items = ["007", "7", "7.0", "Dress-1", "dress-1", "DRESS-1\u200b", "caf\u00e9", "cafe\u0301"]
    for seed in range(3):
        mini = read(write(tmp_path, frame().assign(item=items)), split_seed=seed)
        photos = mini.table[mini.table["view"] == 0]
        assert pd.factorize(photos["item"])[0].tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
        assert (photos.groupby("item")["split"].nunique() == 1).all()
        assert any(n.startswith("4 item label(s) are respelled: ") for n in mini.notes)


def test_words_of_programs_for_an_empty_cell(tmp_path: Path) -> None:
    items = ["nan", "NaN", "None", "NULL", "<NA>", "a", "a", "b"]
    mini = read(write(tmp_path, frame().assign(item=items, color=["nan", "red", "blue", "b"] * 2)))
    listed = mini.table.loc[mini.table["view"] == 0, "item"]
    assert listed[5:].tolist() == ["a", "a", "b"] and not set(listed[:5]) & {*items}
    (note,) = (note for note in mini.notes if "classes: leave cells empty" in note)
    assert note.startswith("2 color cell(s) hold words such as 'nan'")


def test_a_split_is_read_in_any_spelling(tmp_path: Path) -> None:
    words = ["TRAIN", "train\u200b", " Training", "Val", "val", "test", "Test", "TEST"]
    mini = read(write(tmp_path, frame().assign(split=words)))
    photos = mini.table.loc[mini.table["view"] == 0, "split"]
    assert photos.tolist() == ["train"] * 3 + ["val"] * 2 + ["evaluation"] * 3


def test_paths_are_found_in_the_spelling_of_the_disk(tmp_path: Path) -> None:
    """Tables and photos that come from Windows or macOS."""
    table = frame().assign(path=[f"Photos/{i}.PNG" for i in range(8)])
    table.loc[[1, 2], "path"] = ["photos/caf\u00e9.jpg", "./photos//2.png"]
    path = write(tmp_path, table)
    (tmp_path / "photos" / "1.png").rename(tmp_path / "photos" / "cafe\u0301.JPEG")
    mini = read(path)
    expected = [f"photos/{i}.png" for i in range(8)]
    expected[1] = "photos/cafe\u0301.JPEG"
    assert mini.table.loc[mini.table["view"] == 0, "path"].tolist() == expected
    (tmp_path / "photos" / "3.png").rename(tmp_path / "photos" / "3.Png")
    (tmp_path / "photos" / "3.pNG").write_bytes(b"which of the two?")
    assert [d.reason for d in read(path).dropped] == ["no image file"]


def test_a_path_that_no_file_can_have_is_no_image_file(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "3.png").symlink_to("3.png")  # a link to itself
    table = frame()
    table.loc[[3, 4], "path"] = ["photos/3.png", "a\0b.png"]
    write(tmp_path, table, images=3)
    for i in (5, 6, 7):
        (tmp_path / "photos" / f"{i}.png").write_bytes(b"%d" % i)
    reasons = [d.reason for d in read(tmp_path / "shop.csv").dropped]
    assert reasons == ["no image file"] * 2


def test_what_differs_in_a_photo_s_second_row_is_named(tmp_path: Path) -> None:
    table = frame().assign(item=[*"aabbccdd"])
    again = [table[:1], table[1:2].assign(color=9), table[2:3].assign(item="x", color=9)]
    mini = read(write(tmp_path, pd.concat([table, *again])))
    assert [d.reason.removeprefix("the same file was listed before") for d in mini.dropped] == [
        "",
        ", with another color",
        ", with another item, with another color",
    ]
    assert "9" not in mini.schema.of("color")


def test_photos_with_some_labels_are_evaluated_where_few_have_all(tmp_path: Path) -> None:
    """Shoes have no pattern: they are split and evaluated like the rest."""
    labels = frame(80).assign(size=["s", "m"] * 40, pattern=["plain", "dots"] + [None] * 78)
    path = write(tmp_path, labels, images=80)
    types = ["shape", "color", "size", "pattern"]
    mini = read(path, types=types, evaluation=40, validation=10)
    assert len(mini.rows(dense=True)) == 2
    assert len(mini.edit_rows("evaluation")) == 40 and len(mini.edit_rows("val")) == 10
    # where most have all labels, the others are left out
    full = labels.assign(pattern=["plain", "dots"] * 39 + [None, None])
    full = read(write(tmp_path, full, images=80), types=types, evaluation=40, validation=10)
    assert len(full.edit_rows("evaluation")) == 40
    assert (full.labels[full.edit_rows("evaluation")] >= 0).all()


def test_a_new_photo_of_a_known_item_or_file_joins_its_split(tmp_path: Path) -> None:
    items = frame().assign(item=[*"abcdefgh"], counterfactual_of=None)
    before = read(write(tmp_path, items))
    record = tmp_path / "split.csv"
    record.write_text(split_csv(before))
    old = before.table.loc[before.table["view"] == 0, "split"].tolist()
    new = frame(24)[8:].assign(
        item=[*"abcdefgh", *"ijklmnop"], counterfactual_of=[None] * 12 + [*"abcd"]
    )
    path = write(tmp_path, pd.concat([items, new]), images=24)
    copy(tmp_path, 0, 16)
    copy(tmp_path, 7, 17)
    mini = read(path, recorded_split=str(record))
    found = mini.table.loc[mini.table["view"] == 0, "split"].tolist()
    assert found[:16] == [*old, *old] and {"train", "val", "evaluation"} == {*old}
    assert found[16:20] == [old[0], old[7], "evaluation", "evaluation"]
    assert found[20:] == old[:4]  # counterfactuals of the first four items


def test_a_split_without_val_draws_it_from_the_training_photos(tmp_path: Path) -> None:
    table = frame(80).assign(split=["train"] * 60 + ["test"] * 20)
    mini = read(write(tmp_path, table, images=80), validation=10)
    found = mini.table
    assert "no photo has the split val: 9 training photos validate instead" in mini.notes
    splits = found.loc[found["view"] == 0, "split"].tolist()
    assert splits[60:] == ["evaluation"] * 20
    assert set(splits[:60]) == {"train", "val"} and splits.count("val") == 9  # .15 of them


def test_a_kind_of_clothes_is_no_garment(tmp_path: Path) -> None:
    table = frame(80).assign(garment=["dress", "shirt"] * 40)
    with pytest.raises(FlamError, match=r"40 photos have the garment.*data\.columns"):
        read(write(tmp_path, table, images=80))
    record = tmp_path / "split.csv"  # a run that was trained on it stays usable
    record.write_text("path,split\nphotos/0.png,train\n")
    classes = {"shape": ["shirt", "jeans"], "color": ["1", "2"]}
    read(tmp_path / "shop.csv", recorded_split=str(record), classes=classes)
    few = table.assign(garment=[f"g{n // 4}" for n in range(80)])
    assert read(write(tmp_path, few, images=80)).table["garment"].nunique() == 20


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"types": ["path", "color"]}, "data.types names 'path', which has a meaning"),
        ({"types": ["shape", "image"]}, "data.types names 'image'"),
        ({"types": ["shape", "item"]}, "data.types names 'item'"),
        ({"extra_attributes": ["color"]}, "data.extra_attributes names 'color', which is a type"),
    ],
)
def test_own_columns_are_no_attributes(
    settings: dict[str, list[str]], message: str, tmp_path: Path
) -> None:
    with pytest.raises(FlamError, match=message):
        read(write(tmp_path, frame()), **settings)


def test_a_folder_and_a_table_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FlamError, match="is a folder; expected a .csv"):
        read(tmp_path)
    path = write(tmp_path, frame())
    with pytest.raises(FlamError, match="is a file, but the wardrobe.*data=table"):
        open_catalog(load_config([f"data.root={path}"]).data)


def test_a_recorded_split_holds_and_new_photos_are_evaluated(tmp_path: Path) -> None:
    before = read(write(tmp_path, frame(8)))
    record = tmp_path / "split.csv"
    record.write_text(split_csv(before))
    after = read(write(tmp_path, frame(12), images=12), recorded_split=str(record))
    photos = after.table[after.table["view"] == 0].set_index("path")["split"]
    old = before.table[before.table["view"] == 0].set_index("path")["split"]
    assert photos[old.index].tolist() == old.tolist()
    assert (photos.drop(old.index) == "evaluation").all() and len(photos) == 12
    # other spellings, and links to the files that were listed
    (tmp_path / "links").mkdir()
    for i in range(4, 8):
        (tmp_path / "links" / f"{i}.png").symlink_to(f"../photos/{i}.png")
    names = [f"./photos//{i}.png" for i in range(4)] + [f"links/{i}.png" for i in range(4, 8)]
    after = read(write(tmp_path, frame().assign(path=names)), recorded_split=str(record))
    assert after.table.loc[after.table["view"] == 0, "split"].tolist() == old.tolist()
    record.write_text("nothing")
    with pytest.raises(FlamError, match=r"split\.csv cannot be read as a split"):
        read(tmp_path / "shop.csv", recorded_split=str(record))


CELLS = st.text("ab ,;\"'\u00e9\u2028\u00a0\t", max_size=4)
LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=6), LINE_ENDS)
@example([["x", "", ""], ["", "", ""], [" ", "\u00a0", ""], ["", "y", ""]], "\n")
@example([["x", "y", "z"]] * 3, "\r")
def test_a_csv_file_has_the_cells_and_lines_that_a_plain_loop_reads(
    cells: list[list[str]], end: str
) -> None:
    """Files with and without quotes, which have readers of their own."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end).writerows([["a", "b", "c"], *cells])
    expected = {
        line: row
        for line, row in enumerate(csv.reader(io.StringIO(text.getvalue(), newline="")), start=1)
        if line > 1 and any(cell.strip() for cell in row)
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "t.csv"
        file.write_bytes(text.getvalue().encode())
        found = table_reader._read_csv(file, ",")
    assert list(found) == ["a", "b", "c"] and found.index.name == "t.csv line"
    assert found.index.tolist() == list(expected)
    assert found.to_numpy(object).tolist() == list(expected.values())


TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)
ODD = [*"b[{ '", "b'x'", 'b"', "b x", "bx ", "[a]", "['a']", "{a: 1}", "\x1f", "\u00a0", "blue"]


@given(st.lists(TEXTS | st.sampled_from(ODD), min_size=1, max_size=8))
def test_texts_that_stay_as_they_are_do_so_cell_by_cell(cells: list[str]) -> None:
    """All cells at once, against one cell at a time."""
    expected: list[Any] | str = []
    for value in cells:
        try:
            expected = [*expected, table_reader._text(value, None)]
        except ValueError:
            expected = value[:60]
            break
    column = pd.Series(cells, pd.RangeIndex(5, 5 + len(cells), name="t.csv line"), "string", "x")
    if isinstance(expected, str):
        with pytest.raises(FlamError) as error:
            table_reader._as_text(column, None)
        place = 5 + cells.index(value)
        assert str(error.value).startswith(f"t.csv line {place}: column x has {expected}, expected")
    else:
        found = table_reader._as_text(column, None)
        assert found.astype(object).where(found.notna(), None).tolist() == expected


def test_of_files_in_two_folders_only_the_same_file_is_left_out(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jpg").write_text(folder)
    (tmp_path / "three").symlink_to("one")
    paths = ["one/a.jpg", "two/a.jpg", "three/a.jpg", "./two//a.jpg", "one/../two/a.jpg", None]
    table = pd.DataFrame({"path": paths, "x": list("pqrqsp")}, index=list(np.arange(6)))
    kept, dropped = keep_photos(table, tmp_path)
    assert kept["path"].tolist() == ["one/a.jpg", "two/a.jpg"]
    before = "the same file was listed before"
    assert [(of.where, of.reason) for of in dropped] == [
        ("2 (three/a.jpg)", f"{before}, with another x"),
        ("3 (./two//a.jpg)", before),
        ("4 (one/../two/a.jpg)", f"{before}, with another x"),
        ("5", "no path"),
    ]
