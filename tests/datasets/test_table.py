"""A user's own table: renames, words for splits, files that are not there."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from flam_pl.attributes import AttributeSchema
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.inspection import describe
from flam_pl.datasets.table import read_table
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


def read(path: Path, **options: object) -> Catalog:
    settings: dict[str, object] = {"types": TYPES, "evaluation": 4, "validation": 1, **options}
    return read_table(path, **settings)  # type: ignore[arg-type]


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


def test_words_that_look_like_nothing_are_kept(tmp_path: Path) -> None:
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
    columns = {"photo": "path", "farbe": "color"}
    mini = read(path, columns=columns, images=tmp_path / "photos", extras=["season"])
    assert mini.paths[0] == tmp_path / "photos" / "0.png" and mini.extras == ("season",)
    with pytest.raises(FlamError, match="data.columns renames 'foto'.*it has photo, shape, farbe"):
        read(path, columns={"foto": "path"})
    with pytest.raises(FlamError, match="no column with the image's path.*photo"):
        read(path)
    with pytest.raises(FlamError, match="no column for color; it has path, shape, farbe"):
        read(path, columns={"photo": "path"})
    with pytest.raises(FlamError, match="more than one column 'season'"):
        read(path, columns={"photo": "path", "farbe": "season"})


def test_traits_are_kept_as_extras_once(tmp_path: Path) -> None:
    path = write(tmp_path, frame().assign(season="fall", brand="Roxy", gender="women"))
    mini = read(path, extras=["season", "brand"], traits=["brand", "gender"])
    assert mini.extras == ("season", "brand", "gender") and mini.traits == ("brand", "gender")
    with pytest.raises(FlamError, match="no column for sleeve.*data.traits"):
        read(path, traits=["sleeve"])


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
        FlamError, match=r"shop.csv line 3 \(photos/1.png\): column split has 'holdout'"
    ):
        read(path)
    path = write(tmp_path, table.assign(split=["train", None, *words[2:]]))
    with pytest.raises(FlamError, match="line 3 .*has nothing"):
        read(path)


def test_domains(tmp_path: Path) -> None:
    table = frame().assign(domain=["Shop", "consumer", None, "shop"] * 2, item=list("aabbccdd"))
    mini = read(write(tmp_path, table))
    assert mini.table["domain"].tolist()[:4] == ["shop", "consumer", "shop", "shop"]
    assert (mini.table.groupby("item")["split"].nunique() == 1).all()
    path = write(tmp_path, table.assign(domain=["shop"] * 7 + ["street"]))
    with pytest.raises(FlamError, match="line 9 .*'street', expected one of shop, consumer"):
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
        mini = read(path, evaluation=16, validation=4, seed=seed)
        photos = mini.table[mini.table["view"] == 0].set_index("path")
        for i in range(0, 40, 4):
            pair = photos.loc[[f"photos/{i}.png", f"photos/{i + 3}.png"]]
            assert pair["split"].nunique() == 1
            assert pair["item"].nunique() == int(pair["split"].iloc[0] != "train")
        assert not mini.notes


def test_identical_files_that_the_table_sets_apart_are_told(tmp_path: Path) -> None:
    words = ["train"] * 4 + ["val", "val", "query", "gallery"]
    table = frame().assign(split=words, item=list("abcdefgg"))
    path = write(tmp_path, table)
    copy(tmp_path, 6, 7)  # both are evaluated
    assert not read(path).notes
    copy(tmp_path, 0, 1, 5, 6)
    mini = read(path)
    (note,) = mini.notes
    assert note.startswith("4 photos are byte by byte equal to one of another split")
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
        mini = read(path, evaluation=16, validation=4, seed=seed)
        photos = mini.table[mini.table["view"] == 0]
        garments = photos["garment"].fillna("-").tolist()
        first = ["0", "0", "g0", "-", "g0", "-", "g0", "-"]
        assert garments[:8] == first and garments[8:10] == ["8", "8"]
        assert (photos.groupby("garment")["split"].nunique() == 1).all()
        assert mini.table.loc[mini.table["view"] > 0, "garment"].isna().all()
        assert [note[:13] for note in mini.notes] == ["10 garment(s)"]


def test_files_that_are_not_there_are_counted_and_all_of_them_refused(tmp_path: Path) -> None:
    table = pd.concat([frame(), frame()[:1]], ignore_index=True)
    table.loc[3, "path"] = None
    mini = read(write(tmp_path, table, images=7))
    assert [(d.where, d.reason) for d in mini.dropped] == [
        ("shop.csv line 5", "no path"),
        ("shop.csv line 9 (photos/7.png)", "no image file"),
        ("shop.csv line 10 (photos/0.png)", "the same file was listed before"),
    ]
    with pytest.raises(FlamError, match=r"elsewhere/photos/0.png. Set data.images"):
        read(tmp_path / "shop.csv", images=tmp_path / "elsewhere")


def test_lines_are_those_that_an_editor_shows(tmp_path: Path) -> None:
    write(tmp_path, frame())
    rows = ["path,shape,color,about", 'photos/0.png,shirt,1,"two', 'lines"', "", ",,,"]
    rows += ["photos/1.png,jeans,2,one", "gone.png,jeans,2,one"]
    (tmp_path / "shop.csv").write_text("\n".join([*rows, "", ""]))
    mini = read(tmp_path / "shop.csv", types=("shape", "color"), extras=("about",))
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
        ("shop.csv", b"", "is empty"),
        ("shop.csv", b"path,shape,color\n", "has no rows"),
        ("shop.csv", b"path,shape,color\n\n,,\n", "has no rows"),
        ("shop.csv", b"path,shape\n\xff\xfe,a\n", "cannot be read as csv"),
        ("shop.csv", b'path,shape\na,"b\nc,d,e\n', "cannot be read as csv"),
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
