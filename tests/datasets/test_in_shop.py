"""DeepFashion In-shop: a miniature in the published layout, with its difficulties."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published import write_images, write_lines, write_listing

from flam_pl.attributes import AttributeSchema
from flam_pl.config.data import InShopData
from flam_pl.datasets import in_shop
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.inspection import check_usable, describe, edits_cannot_be_evaluated
from flam_pl.errors import FlamError

HEADER = "image_name item_id evaluation_status"
CATEGORIES = ("WOMEN/Blouses_Shirts", "MEN/Denim", "WOMEN/Dresses")
COLORS = ("Cream", "Heather grey", "Black-white")
ATTRIBUTES = ("striped", "floral print", "v-neck", "plaid shirt")


def images() -> list[tuple[str, str, str]]:
    """20 training items with 4 images (the last with one), 6 evaluation items with 1 + 2."""
    rows = []
    for n in range(26):
        item = f"id_{n:08d}"
        statuses = ["train"] * (1 if n == 19 else 4) if n < 20 else ["query", "gallery", "gallery"]
        for k, status in enumerate(statuses):
            name = f"img/{CATEGORIES[n % 3]}/{item}/{k + 1:02d}_1_front.jpg"
            rows.append((name, item, status))
    return rows


def write(
    root: Path, rows: list[tuple[str, str, str]], folder: str = "Img", newline: str = "\n"
) -> Path:
    write_listing(root / "Eval" / "list_eval_partition.txt", HEADER, rows, newline=newline)
    described = [
        {"item": f"id_{n:08d}", "color": COLORS[n % 3], "description": ["a", "b"]}
        for n in range(26)
    ]
    (root / "Anno").mkdir()
    (root / "Anno" / "list_description_inshop.json").write_text(json.dumps(described))
    write_images(root / folder, [name for name, _, _ in rows])
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "inshop", images())


def read(root: Path, schema: AttributeSchema | None = None, **options: Any) -> Catalog:
    return in_shop.read(root, InShopData(**options), schema)


@pytest.mark.parametrize(
    ("folder", "newline", "start"), [("Img", "\n", ""), ("", "\r\n", ""), ("", "\n", "\ufeff")]
)
def test_the_published_split_is_used(tmp_path: Path, folder: str, newline: str, start: str) -> None:
    root = write(tmp_path / "inshop", images(), folder, newline)
    partition = root / "Eval" / "list_eval_partition.txt"
    partition.write_bytes(start.encode() + partition.read_bytes())
    mini = read(root)
    assert len(mini) == 19 * 4 + 1 + 6 * 3 and not mini.dropped
    assert mini.table["path"][0] == f"{folder}/{images()[0][0]}".lstrip("/")
    assert all(path.is_file() for path in mini.paths)
    evaluated = mini.table.loc[mini.rows("evaluation")]
    assert len(evaluated) == 18
    asks = evaluated["published_split"] == "query"
    assert (evaluated["domain"] == np.where(asks, "consumer", "shop")).all()
    assert mini.instance_rows().tolist() == mini.rows("evaluation").tolist()
    assert mini.schema.types == ("shape", "color")
    assert set(mini.schema.of("color")) == set(COLORS)  # also those of several words
    assert set(mini.table["gender"]) == {"WOMEN", "MEN"}
    assert mini.table["shape"][0] == "Blouses_Shirts"
    check_usable(mini)


def test_validation_is_carved_out_of_the_training_items(root: Path) -> None:
    mini = read(root, validation_items=2, split_seed=5)
    held_out = mini.table.loc[mini.rows("val")]
    assert held_out["item"].nunique() == 2 and len(held_out) == 8
    assert set(held_out["published_split"]) == {"train"}
    # an item is whole on one side, and half of its images ask for the other half
    assert (mini.table.groupby("item")["split"].nunique() == 1).all()
    assert (held_out.groupby("item")["domain"].value_counts() == 2).all()
    assert set(mini.table.loc[mini.rows("train"), "domain"]) == {"shop"}
    again = read(root, validation_items=2, split_seed=5)
    assert again.label_fingerprint() == mini.label_fingerprint()
    others = [read(root, validation_items=2, split_seed=s).label_fingerprint() for s in range(3)]
    assert len({mini.label_fingerprint(), *others}) > 1
    assert not len(read(root, validation_items=0).rows("val"))
    # at most 15 % of the items with two images: 19 of the 20
    assert read(root, validation_items=99).table.loc[lambda t: t["split"] == "val"][
        "item"
    ].nunique() == int(0.15 * 19)


def test_missing_and_repeated_images_are_counted(tmp_path: Path) -> None:
    rows = images()
    root = write(tmp_path / "inshop", [*rows, rows[3]])
    (root / "Img" / rows[1][0]).unlink()
    mini = read(root)
    assert [(d.where, d.reason) for d in mini.dropped] == [
        (f"list_eval_partition.txt line 4 (Img/{rows[1][0]})", "no image file"),
        (
            f"list_eval_partition.txt line {len(rows) + 3} (Img/{rows[3][0]})",
            "the same file was listed before",
        ),
    ]
    (root / "Img" / rows[-3][0]).unlink()  # the query of the last item
    (root / "Img" / rows[-5][0]).unlink()  # both gallery images of the one before
    (root / "Img" / rows[-4][0]).unlink()
    text = describe(read(root))
    assert "instance search: 5 queries among 10 photos" in text
    assert "queries whose item is not among them: 1" in text


def test_colors_of_images_win_over_those_of_items(root: Path) -> None:
    rows = [(name, "Rust red") for name, _, _ in images()[:5]] + [(images()[5][0], "Cream")]
    write_listing(root / "Anno" / "attributes" / "list_color_cloth.txt", "image_name color", rows)
    mini = read(root, validation_items=0)
    assert mini.table["color"].tolist()[:6] == ["Rust red"] * 5 + ["Cream"]
    assert mini.table["color"][6] == COLORS[1]  # not listed, so as its item
    assert describe(mini).count("Rust red") == 1


def test_descriptions_may_be_a_json_object_a_line(root: Path) -> None:
    path = root / "Anno" / "list_description_inshop.json"
    entries = json.loads(path.read_text())
    entries[0]["color"] = ""
    write_lines(path, map(json.dumps, entries))
    mini = read(root)
    assert mini.table["color"].isna().tolist()[:5] == [True] * 4 + [False]
    path.write_text('[{"item": "id_00000001"')
    with pytest.raises(FlamError, match="inshop.json.*expected JSON with item and color"):
        read(root)
    path.unlink()
    with pytest.raises(FlamError, match=r"tells no color; expected list_color_cloth.txt or "):
        read(root)
    assert read(root, types=["shape"]).schema.types == ("shape",)


def attributes(root: Path, rows: list[list[object]]) -> None:
    write_listing(
        root / "Anno" / "list_attr_cloth.txt", "attribute_name", [[a] for a in ATTRIBUTES]
    )
    write_listing(root / "Anno" / "list_attr_items.txt", "item_id attribute_labels", rows)


def test_pattern_is_read_from_the_attributes_that_the_item_has(root: Path) -> None:
    """1 is yes; -1 is no and 0 is not known, so that neither tells a pattern."""
    values: list[list[object]] = [[f"id_{n:08d}", -1, -1, 0, -1] for n in range(26)]
    values[0][1:] = [1, -1, 1, 0]
    values[1][1:] = [0, 1, 1, -1]
    values[2][1:] = [1, 1, 0, -1]  # two patterns: no label
    values[3][1:] = [0, 0, 1, 0]  # not known
    values[4][1:] = [-1, 0, 0, 1]
    attributes(root, [*values, values[0]])  # some items are listed twice
    mini = read(root, types=["shape", "color", "pattern"], validation_items=0)
    told = mini.table.drop_duplicates("item")["pattern"].tolist()
    assert told[0] == "stripes" and told[1] == "print" and told[4] == "check"
    assert mini.table["pattern"].notna().sum() == 12
    attributes(root, [values[0], values[1][:4]])
    with pytest.raises(FlamError, match=r"list_attr_items.txt line 4: got 3 values"):
        read(root, types=["pattern"])
    attributes(root, [values[0], ["id_00000001", 1, "x", 0, 0]])
    with pytest.raises(FlamError, match=r"line 4: got 'x', expected whole numbers"):
        read(root, types=["pattern"])


def test_notes_and_items_on_two_sides(tmp_path: Path) -> None:
    rows = images()
    root = write(tmp_path / "inshop", rows)
    partition = root / "Eval" / "list_eval_partition.txt"
    write_listing(partition, HEADER, rows, announced=96)
    assert "list_eval_partition.txt announces 96 rows and has 95" in read(root).notes
    shared = [(rows[0][0], rows[-1][1], "train"), *rows[1:]]
    write_listing(partition, HEADER, shared)
    with pytest.raises(FlamError, match=rf"1 item\(s\) stand in training and .*{rows[-1][1]}"):
        check_usable(read(root, validation_items=0))
    assert any("not cut to their boxes" in note for note in read(root).notes)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["image_name item_id evaluation_status"], ["line 1", "expected the number of rows"]),
        ([2, HEADER, "img/a/b/id/1.jpg id_1 train", "img/a/b"], ["line 4", "got 1 field", "3:"]),
        (
            [1, HEADER, "img/a/b/id/1.jpg id_1 test"],
            ["line 3", "has 'test'", "train, query, gallery"],
        ),
        ([1, HEADER, "img/a/b/id/1.jpg id_1 train"], ["none of the 1 photos", "img/a/b/id/1.jpg"]),
    ],
)
def test_another_layout_is_refused_with_file_and_line(
    tmp_path: Path, lines: list[object], words: list[str]
) -> None:
    write_lines(tmp_path / "Eval" / "list_eval_partition.txt", lines)
    with pytest.raises(FlamError) as refused:
        read(tmp_path, types=["shape"])
    for word in words:
        assert word in str(refused.value)


def test_identical_photos_on_two_sides_are_reported(root: Path) -> None:
    rows = images()
    assert not any("byte by byte" in note for note in read(root, validation_items=0).notes)
    evaluated, trained = root / "Img" / rows[-1][0], root / "Img" / rows[0][0]
    evaluated.write_bytes(trained.read_bytes())
    mini = read(root, validation_items=0)
    (note,) = (note for note in mini.notes if "byte by byte" in note)
    assert note.startswith("2 photos are byte by byte equal to a photo of another split")
    assert note in describe(mini)


def test_files_and_types_that_are_not_there(root: Path, tmp_path: Path) -> None:
    with pytest.raises(FlamError, match=r"Eval/list_eval_partition.txt is not there.*data.root"):
        read(tmp_path)
    with pytest.raises(FlamError, match="has no neckline; data.types knows shape, color, pattern"):
        read(root, types=["neckline"])


def test_a_run_trained_elsewhere_searches_items_here_and_edits_only_what_it_knows(
    root: Path,
) -> None:
    """As the paper does: trained on DARN, R@k measured on DeepFashion."""
    schema = AttributeSchema({"shape": ("3", "7"), "color": ("Cream", "1"), "pattern": ("0", "1")})
    mini = read(root, schema=schema)
    assert mini.schema is schema and not len(mini.rows("val"))
    assert set(mini.table["color"].dropna()) == {"Cream"}
    assert len(mini.instance_rows()) == 18
    reason = edits_cannot_be_evaluated(mini)
    assert reason is not None and "no edit can be evaluated" in reason
    assert f"Edits: {reason}" in describe(mini)
    check_usable(mini, training=False)
