"""Fashion Product Images: a miniature with every difficulty of the published files."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from flam_pl.attributes import AttributeSchema
from flam_pl.config.data import FashionProductsData
from flam_pl.datasets import fashion_products
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.fashion_products import TYPES, pattern_of
from flam_pl.datasets.labels import extra_attribute_codes
from flam_pl.errors import FlamError

HEADER = (
    "id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,"
    "productDisplayName"
)


def row(
    identity: object,
    shape: str = "Shirts",
    color: str = "Blue",
    name: str = "Turtle Check Men Blue Shirt",
    category: str = "Apparel",
    usage: str = "Casual",
) -> str:
    return f"{identity},Men,{category},Topwear,{shape},{color},Fall,2011,{usage},{name}"


TRAPS = [
    row(1, name="Arrow Men Solid, Slim, Blue Shirt"),  # bare commas in the name
    row(2, name='"Arrow Men Striped, ""Slim"" Blue Shirt",,'),  # quoted, and empty columns after
    row(3, usage="NA", name="Roxy Women Printed Top", shape="Tops", color="Red"),
    row(4, shape="", name="ROXY Women Printed Red Tunic", color="Red"),  # no articleType
    row(5, name="Roxy Printed Red Top", shape="Tops", color="Red"),  # nobody it is made for
    row(6, name="Roxy Women Printed Striped Top", shape="Tops", color="NA"),  # two patterns
    row(7, name="Turtle Check Men Brown Shirt"),
    row(8),  # no image
    row(1, name="Another Men Product"),  # the id once more
    row("x9"),  # no id
    "10,Men,Apparel",  # short
    "",
    row(11, category="Footwear", shape="Flats"),
]


def write(
    root: Path, rows: list[str], images: list[int], newline: str = "\n", start: str = ""
) -> Path:
    """The files of the set; no two images are identical."""
    (root / "images").mkdir(parents=True)
    text = newline.join([HEADER, *rows, ""])
    (root / "styles.csv").write_bytes((start + text).encode("utf-8"))
    for identity in images:
        (root / "images" / f"{identity}.jpg").write_bytes(f"never decoded: {identity}".encode())
    return root


def read(root: Path, schema: AttributeSchema | None = None, **options: Any) -> Catalog:
    data = FashionProductsData(**{"evaluation": 0, "validation": 0, **options})
    return fashion_products.read(root, data, schema)


@pytest.fixture
def traps(tmp_path: Path) -> Path:
    return write(tmp_path / "data", TRAPS, [1, 2, 3, 4, 5, 6, 7, 11, 77])


@pytest.mark.parametrize(
    ("newline", "start"), [("\n", ""), ("\r\n", ""), ("\n", "\ufeff"), ("\r\n", "\ufeff")]
)
def test_every_trap_however_the_lines_end(tmp_path: Path, newline: str, start: str) -> None:
    mini = read(write(tmp_path / "data", TRAPS, [1, 2, 3, 4, 5, 6, 7, 11, 77], newline, start))
    kept = mini.table.set_index("item")
    assert kept.index.tolist() == list("1234567")
    assert kept.loc["1", "name"] == "Arrow Men Solid, Slim, Blue Shirt"
    assert kept.loc["2", "name"] == 'Arrow Men Striped, "Slim" Blue Shirt'
    assert kept["usage"].tolist().count("NA") == 1
    codes = extra_attribute_codes(mini)
    assert list(codes) == ["gender", "season", "usage", "brand"]
    assert (codes["usage"] == -1).tolist() == (mini.table["usage"] == "NA").tolist()
    assert kept["shape"].isna().tolist() == [False] * 3 + [True] + [False] * 3
    assert kept["color"].isna().tolist() == [False] * 5 + [True, False]  # "NA" is no color
    patterns = ["solid", "stripes", "print", "print", "print", None, "check"]
    assert [None if p is mini.table["pattern"].dtype.na_value else p for p in kept["pattern"]] == (
        patterns
    )
    # One brand however it is spelled, no pattern word in it, and known without "Women" as well.
    brands = ["Arrow", "Arrow", "Roxy", "Roxy", "Roxy", "Roxy", "Turtle"]
    assert kept["brand"].tolist() == brands
    assert kept["path"].tolist()[0] == "images/1.jpg"
    assert [(drop.where, drop.reason) for drop in mini.dropped] == [
        ("styles.csv line 10 (id 1)", "the id was there before"),
        ("styles.csv line 11 (id x9)", "the id is not a whole number"),
        ("styles.csv line 12 (id 10)", "fewer than 10 fields"),
        ("styles.csv line 9 (images/8.jpg)", "no image file"),
        ("images/77.jpg", "no row in styles.csv"),
    ]


def test_empty_columns_in_the_header_and_another_category(traps: Path) -> None:
    styles = traps / "styles.csv"
    styles.write_text(styles.read_text().replace(HEADER, HEADER + ",,"))
    assert len(read(traps)) == 7
    with pytest.raises(FlamError, match="'Hats'; expected one of Apparel, Footwear"):
        read(traps, category="Hats")


def test_photos_with_other_endings_are_found(tmp_path: Path) -> None:
    rows = [row(n, color=("Red", "Blue")[n % 2], shape=("Tops", "Shirts")[n % 2]) for n in range(4)]
    rows += [row(4, name="Ed Men Solid Red Shirt")]
    root = write(tmp_path / "data", rows, [])
    for name in ("0.JPG", "1.jpeg", "1.jpg", "2.JPEG", "3.jpg", "4.jpg", "99.JPG", "note.txt"):
        (root / "images" / name).write_bytes(name.encode())
    mini = read(root)
    names = ["0.JPG", "1.jpg", "2.JPEG", "3.jpg", "4.jpg"]
    assert mini.table["path"].tolist() == [f"images/{name}" for name in names]
    assert [(d.where, d.reason) for d in mini.dropped] == [
        ("images/1.jpeg", "no row in styles.csv"),
        ("images/99.JPG", "no row in styles.csv"),
    ]


def test_labels_outside_the_classes_are_counted(traps: Path) -> None:
    whole, few = read(traps), read(traps, classes=2)
    lost = {note.split()[1]: int(note.split()[0]) for note in few.notes}
    assert not whole.notes and lost
    for kind in TYPES:
        before, after = (int(c.table[kind].notna().sum()) for c in (whole, few))
        assert lost.get(kind, 0) == before - after


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("Lee Men CHECKED Shirt", "check"),
        ("Lee Men Stripes Striped Shirt", "stripes"),
        ("Puma Men Graphic Print Tshirt", "print"),
        ("Lee Men Solid Stripe Tie", None),
        ("Lee Men Checkmate Shirt", None),  # whole words only
        ("Levis Men Washed-Blue Jeans", "wash"),
        ("Lee Men Blue Shirt", None),
        ("", None),
    ],
)
def test_pattern_of_a_name(name: str, pattern: str | None) -> None:
    assert pattern_of(name) == pattern


def many(names: int) -> list[str]:
    """Four products per name; every fourth has no color that counts."""
    rows = []
    for n in range(names):
        pattern, color = ("Solid", "Check")[n % 2], ("Red", "Blue")[n % 3 % 2]
        for k in range(4):
            rows.append(
                row(
                    4 * n + k, ("Shirts", "Tops")[k % 2], "" if k == 3 else color, f"B{n} {pattern}"
                )
            )
    return rows


def test_the_split_keeps_equal_names_together_and_adds_views(tmp_path: Path) -> None:
    mini = read(
        write(tmp_path / "data", many(30), list(range(120))),
        evaluation=30,
        validation=9,
        split_seed=3,
    )
    photos = mini.table[mini.table["view"] == 0]
    assert (photos.groupby("name")["split"].nunique() == 1).all()
    assert len(mini.rows("evaluation", dense=True)) == 30
    assert len(mini.rows("val", dense=True)) == 9
    views = mini.table[mini.table["view"] == 1]
    assert set(views["domain"]) == {"consumer"} and set(views["split"]) == {"val", "evaluation"}
    # Exactly one view for each row that does not train, the companions of a group included.
    expected = Counter(photos.loc[photos["split"] != "train", "item"])
    assert Counter(views["item"]) == expected and len(expected) == 4 * 13
    assert not len(mini.rows(domain="consumer", labelled=True))


def twin(root: Path, of: int, *others: int) -> None:
    photo = (root / "images" / f"{of}.jpg").read_bytes()
    for other in others:
        (root / "images" / f"{other}.jpg").write_bytes(photo)


def test_identical_photos_are_one_item_on_one_side(tmp_path: Path) -> None:
    root = write(tmp_path / "data", many(30), list(range(120)))
    for number in range(0, 112, 16):  # names of every fourth B share a photo with the next one
        twin(root, number + 1, number + 4, number + 11)
    for seed in range(3):
        mini = read(root, evaluation=30, validation=9, split_seed=seed)
        photos = mini.table[mini.table["view"] == 0]
        assert len(photos) == 120 and photos["path"].is_unique
        for number in range(0, 112, 16):
            one = photos[photos["path"].isin([f"images/{number + n}.jpg" for n in (1, 4, 11)])]
            assert one["item"].tolist() == [str(number + 1)] * 3
            assert one["split"].nunique() == 1
            named = photos["name"].isin(one["name"])
            assert named.sum() == 12 and photos.loc[named, "split"].nunique() == 1
        assert photos["item"].nunique() == 120 - 14
        assert mini.notes == ("21 products have the same photo as another one: they are 7 item(s)",)
        # every photo that is searched for is asked for by a view of its own item
        views = mini.table[mini.table["view"] == 1].set_index("path")["item"]
        held_out = photos[photos["split"] != "train"].set_index("path")["item"]
        assert views.to_dict() == held_out.to_dict()


def in_colors(garments: int, start: int = 1000) -> list[str]:
    """Garments in three colors, the last of which is no frequent class."""
    colors = ("Red", "Blue", "Mauve")
    return [
        row(start + 3 * n + k, "Shirts", color, f"Ed Men Name{n} Solid {color} Shirt")
        for n in range(garments)
        for k, color in enumerate(colors)
    ]


def test_garments_in_several_colors_never_train(tmp_path: Path) -> None:
    images = [*range(120), *range(1000, 1018)]
    root = write(tmp_path / "data", [*many(30), *in_colors(6)], images)
    twin(root, 1000, 3)  # a photo of B0 is one of a garment: B0 comes along
    splits = set()
    for seed in range(4):
        mini = read(root, evaluation=30, validation=9, split_seed=seed, classes=2)
        assert "Mauve" not in mini.schema.of("color")  # found before it was masked
        photos = mini.table[mini.table["view"] == 0]
        several = photos[photos["garment"].notna()]
        ids = [str(1000 + 3 * n) for n in range(6)]
        assert several["garment"].tolist() == [i for i in ids for _ in range(3)]
        assert (several.groupby("garment")["split"].nunique() == 1).all()
        side = several.groupby("garment")["split"].first()
        assert side.value_counts().to_dict() == {"evaluation": 4, "val": 2}
        assert set(photos.loc[photos["name"].str.startswith("B0 "), "split"]) == {side["1000"]}
        # 2 dense rows a garment are among the 30 and the 9; a group of 3 may not fit in the end
        assert 28 <= len(mini.rows("evaluation", dense=True)) <= 30
        assert 7 <= len(mini.rows("val", dense=True)) <= 9
        assert mini.table.loc[mini.table["view"] == 1, "garment"].isna().all()
        assert any(note.startswith("6 garment(s)") and "18 photos" in note for note in mini.notes)
        splits.add(tuple(side))
    assert len(splits) > 1
    schema = AttributeSchema({"color": ("Red", "Mauve"), "shape": ("Shirts", "Tops")})
    foreign = read(root, schema=schema)
    of = foreign.table[foreign.table["garment"].notna()]
    assert set(of["split"]) == {"evaluation"} and len(of) == 18


def test_a_schema_from_elsewhere_makes_every_dense_row_evaluation(traps: Path) -> None:
    schema = AttributeSchema(
        {"shape": ("Shirts", "Sari"), "color": ("Blue", "Red"), "pattern": ("solid", "check")}
    )
    mini = read(traps, schema=schema, evaluation=1)
    assert mini.schema is schema
    assert mini.table.loc[mini.rows("evaluation", dense=True), "item"].tolist() == ["1", "7"]
    assert not len(mini.rows("val")) and not len(mini.rows("train", dense=True))
    assert mini.table["shape"].dropna().unique().tolist() == ["Shirts"]
    with pytest.raises(FlamError, match="Fashion Product Images has no neckline"):
        read(traps, schema=AttributeSchema({"neckline": ("V", "U")}))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FlamError, match="nothing is not there or lacks styles.csv"):
        read(tmp_path / "nothing")
    root = write(tmp_path / "data", TRAPS, [])
    with pytest.raises(FlamError, match=r"none of the 9 photos.*the first: images/1.jpg"):
        read(root)
    (root / "styles.csv").write_text(f"{HEADER}\n1,2\n")
    with pytest.raises(FlamError, match=r"lists no product; 1 line\(s\) could not be read"):
        read(root)
    (root / "styles.csv").write_text("id;gender\n1;Men\n")
    with pytest.raises(FlamError, match="line 1: got the header 'id;gender'"):
        read(root)
    (root / "styles.csv").write_text("")
    with pytest.raises(FlamError, match="line 1: got the header ''"):
        read(root)
    (root / "images").rmdir()
    with pytest.raises(FlamError, match="lacks styles.csv or images/"):
        read(root)
