"""DeepFashion Consumer-to-shop: pairs that repeat images, and queries that find nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published import write_images, write_lines, write_listing

from flam_pl.attributes import AttributeSchema
from flam_pl.config.data import ConsumerToShopData
from flam_pl.datasets import consumer_to_shop
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.inspection import check_usable, describe, instance_queries
from flam_pl.errors import FlamError

HEADER = "image_pair_name_1 image_pair_name_2 item_id evaluation_status"
CATEGORIES = ("TOPS/T_Shirt", "DRESSES/Dress", "TOPS/Blouse")
STATUS = ("train", "train", "train", "val", "test", "test")
Pair = tuple[str, str, str, str]


def pairs() -> list[Pair]:
    """6 items, each with 2 consumer and 2 shop photos: all four pairs of them."""
    rows = []
    for n, status in enumerate(STATUS):
        folder = f"img/{CATEGORIES[n % 3]}/id_{n:08d}"
        for c in (1, 2):
            for s in (1, 2):
                consumer, shop = f"{folder}/comsumer_{c:02d}.jpg", f"{folder}/shop_{s:02d}.jpg"
                rows.append((consumer, shop, f"id_{n:08d}", status))
    return rows


def write(root: Path, rows: list[Pair], folder: str = "Img") -> Path:
    write_listing(root / "Eval" / "list_eval_partition.txt", HEADER, rows)
    write_images(root / folder, {name for row in rows for name in row[:2]})
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "c2s", pairs())


def read(root: Path, schema: AttributeSchema | None = None, **options: Any) -> Catalog:
    return consumer_to_shop.read(root, ConsumerToShopData(**options), schema)


@pytest.mark.parametrize("folder", ["Img", ""])
def test_an_image_of_many_pairs_is_one_row(tmp_path: Path, folder: str) -> None:
    mini = read(write(tmp_path / "c2s", pairs(), folder))
    assert len(mini) == 6 * 4 and not mini.dropped  # of 24 pairs, 48 names
    assert all(path.is_file() for path in mini.paths)
    is_consumer = mini.table["path"].str.contains("comsumer")
    assert (mini.table["domain"] == np.where(is_consumer, "consumer", "shop")).all()
    assert mini.table["split"].value_counts().to_dict() == {
        "train": 12,
        "val": 4,
        "evaluation": 8,
    }
    assert set(mini.schema.of("shape")) == {"T_Shirt", "Dress", "Blouse"}
    assert set(mini.table["department"]) == {"TOPS", "DRESSES"}
    assert mini.table["item"].nunique() == 6
    check_usable(mini)


def test_the_gallery_is_all_shop_photos_of_val_and_test(root: Path) -> None:
    mini = read(root)
    rows = mini.instance_rows()
    asking = mini.table.loc[rows][lambda t: t["domain"] == "consumer"]
    searched = mini.table.loc[rows][lambda t: t["domain"] == "shop"]
    assert len(asking) == 4 and set(asking["split"]) == {"evaluation"}
    assert len(searched) == 6 and set(searched["split"]) == {"val", "evaluation"}
    first = read(root, gallery="test")
    assert instance_queries(first) == (4, 4, 0)
    assert "the gallery of the instance search is all shop photos of test" in first.notes


def test_a_query_without_a_shop_photo_stays_and_is_counted(root: Path) -> None:
    for shop in (1, 2):
        (root / "Img" / "img/DRESSES/Dress/id_00000004" / f"shop_{shop:02d}.jpg").unlink()
    mini = read(root)
    assert instance_queries(mini) == (4, 4, 2)
    assert len(mini.rows("evaluation", "consumer")) == 4
    assert "4 queries among 4 photos; queries whose item is not among them: 2" in describe(mini)
    assert [drop.reason for drop in mini.dropped] == ["no image file"] * 2
    assert mini.dropped[0].where == (
        "list_eval_partition.txt line 19 (Img/img/DRESSES/Dress/id_00000004/shop_01.jpg)"
    )


def test_an_image_keeps_its_first_item_and_a_name_decides_its_domain(tmp_path: Path) -> None:
    rows = pairs()
    consumer, shop, _, _ = rows[0]
    swapped = [(shop, consumer, "id_00000000", "train"), *rows[1:]]
    mini = read(write(tmp_path / "c2s", [*swapped, (consumer, shop, "id_00000001", "train")]))
    assert len(mini) == 24
    assert (mini.table["domain"] == "consumer").sum() == 12
    assert [(drop.where, drop.reason) for drop in mini.dropped] == [
        (
            f"list_eval_partition.txt line 27 ({name})",
            "the image was there before with another item, split or domain",
        )
        for name in (consumer, shop)
    ]
    other = [("img/TOPS/T_Shirt/id_9/a.jpg", "img/TOPS/T_Shirt/id_9/b.jpg", "id_9", "test")]
    table = read(write(tmp_path / "other", [*rows, *other])).table.set_index("item")
    assert table.loc["id_9", "domain"].tolist() == ["consumer", "shop"]


def test_another_layout_is_refused(tmp_path: Path) -> None:
    partition = tmp_path / "Eval" / "list_eval_partition.txt"
    with pytest.raises(FlamError, match="list_eval_partition.txt is not there"):
        read(tmp_path)
    write_lines(partition, [1, HEADER, "a/b/c/comsumer_01.jpg a/b/c/shop_01.jpg id_1 query"])
    with pytest.raises(FlamError, match="line 3: column split has 'query'; expected one of train"):
        read(tmp_path)
    write_lines(partition, [1, HEADER, "", "a/b/c/comsumer_01.jpg id_1 train"])
    with pytest.raises(FlamError, match=r"line 4: got 3 field\(s\).*expected 4"):
        read(tmp_path)


def test_identical_photos_on_two_sides_are_reported(root: Path) -> None:
    rows = pairs()
    (root / "Img" / rows[-1][1]).write_bytes((root / "Img" / rows[0][1]).read_bytes())
    (note,) = (note for note in read(root).notes if "byte by byte" in note)
    assert note.startswith("2 photos are byte by byte equal to a photo of another split")


def test_a_run_trained_elsewhere(root: Path) -> None:
    schema = AttributeSchema({"shape": ("0", "1"), "color": ("red", "blue")})
    mini = read(root, schema=schema)
    assert mini.schema is schema and not len(mini.rows(labelled=True))
    assert instance_queries(mini) == (4, 6, 0)
    check_usable(mini, training=False)
