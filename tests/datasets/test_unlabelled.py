"""Further photos without item and label: who trains on them, and who must not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_in_shop import images as in_shop_images
from test_in_shop import write as write_in_shop

from flam_pl.config.loading import load_config
from flam_pl.config.root import Config
from flam_pl.data.batches import ItemBatchSampler
from flam_pl.data.datamodule import FlamDataModule
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.inspection import check_usable, describe
from flam_pl.datasets.sources import find_images, open_catalog, with_unlabelled
from flam_pl.datasets.splits import split_csv
from flam_pl.errors import FlamError
from flam_pl.experiments.pipeline import usable
from flam_pl.images.pixels import Preprocess
from flam_pl.training.backbone_module import most_photographed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """5 photos in subfolders, among what is no photo."""
    folder = tmp_path / "street photos"
    for name in ("b.JPG", "a/1.png", "a/deep/2.jpeg", "a/deep/3.webp", "c d/4.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"never opened by the reader")
    for name in ("notes.txt", "._b.jpg", ".thumbnails/1.jpg", "a/list.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_in_shop(tmp_path / "inshop", in_shop_images())


def config(root: Path, *more: object) -> Config:
    return load_config(["data=in_shop", f"data.root={root}", *map(str, more)])


def test_images_are_found_in_every_subfolder(folder: Path, tmp_path: Path) -> None:
    found = [path.relative_to(folder).as_posix() for path in find_images(folder)[0]]
    assert found == ["a/1.png", "a/deep/2.jpeg", "a/deep/3.webp", "b.JPG", "c d/4.jpg"]
    with pytest.raises(FlamError, match="nowhere, which is no folder"):
        find_images(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FlamError, match="empty, which holds no image, also not in its subfolders"):
        find_images(tmp_path / "empty")


def test_they_follow_the_catalog_as_training_images(root: Path, folder: Path) -> None:
    plain = open_catalog(config(root).data)
    mini = open_catalog(config(root, f"data.unlabelled='{folder}'").data)
    assert len(mini) == len(plain) + 5
    new = mini.table.iloc[len(plain) :]
    assert mini.table.iloc[: len(plain)].equals(plain.table)
    assert set(new["split"]) == {"train"} and (mini.items[-5:] == -1).all()
    assert (mini.labels[-5:] == -1).all()
    assert (mini.paths[-5:], []) == find_images(folder)
    assert all(Path(path).is_absolute() for path in new["path"])
    assert len(mini.fingerprint()) == 64  # every file is found
    note = f"5 unlabelled images of {folder} for the manipulator"
    assert note in mini.notes and note in describe(mini)
    assert (mini.extra_attributes, mini.gallery) == (plain.extra_attributes, plain.gallery)
    check_usable(mini)


def test_only_the_manipulator_trains_on_them(root: Path, folder: Path) -> None:
    settings = config(root, f"data.unlabelled='{folder}'")
    mini = open_catalog(settings.data)
    new = set(range(len(mini) - 5, len(mini)))
    data = FlamDataModule(mini, settings, Preprocess(32))
    assert not new & set(data.item_rows)
    assert not new & set(data.serve("labelled").feature_rows[0])
    assert new <= set(data.serve("unlabelled").feature_rows[0])
    assert not new & set(np.concatenate([data.validation_rows, data.feature_rows[1]]))
    assert not new & set(mini.instance_rows())
    assert -1 not in most_photographed(mini.items, 1000)
    batches = ItemBatchSampler(mini.items, 4, 2)
    assert not new & {row for batch in batches for row in batch}


def test_the_working_space_is_measured_on_a_sample_of_them(
    root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(root, f"data.unlabelled='{folder}'")
    mini = open_catalog(settings.data)
    data = FlamDataModule(mini, settings, Preprocess(32))
    assert data.fitting_rows.tolist() == mini.rows("train").tolist()
    monkeypatch.setattr("flam_pl.data.datamodule.FIT_SAMPLE", 3)
    labelled = set(mini.rows("train", labelled=True).tolist())
    rows = data.fitting_rows.tolist()
    assert len(labelled) > 3 and set(rows) <= set(mini.rows("train").tolist())
    assert len(labelled & set(rows)) == 3 and len(rows) == 6 and rows == sorted(set(rows))
    assert data.fitting_rows.tolist() == rows  # seeded


def test_an_image_of_the_catalog_is_not_added_again(root: Path, tmp_path: Path) -> None:
    """Else images that are evaluated would be trained on."""
    more = root / "Img" / "img" / "more.jpg"
    more.write_bytes(b"x")
    (tmp_path / "link").symlink_to(root / "Img")
    plain = open_catalog(config(root).data)
    for given in (root / "Img", tmp_path / "link", Path(os.path.relpath(root / "Img"))):
        mini = with_unlabelled(plain, given)
        assert len(mini) == len(plain) + 1
        assert mini.table["path"].iloc[-1] == "Img/img/more.jpg"  # inside of the root: relative
        assert f"{len(plain)} more are part of the data set" in mini.notes[-1]


def test_unreadable_ones_are_left_out_as_any_other(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    root, folder = write_in_shop(tmp_path / "inshop", in_shop_images()), tmp_path / "more"
    folder.mkdir()
    for path in root.rglob("*.jpg"):
        Image.fromarray(noise).save(path)
    Image.fromarray(noise[::-1]).save(folder / "good.jpg")
    (folder / "bad.jpg").write_bytes(b"no image")
    settings = config(root, f"data.unlabelled={folder}", f"runs_dir={tmp_path / 'runs'}")
    mini: Catalog = usable(open_catalog(settings.data), settings)
    assert mini.paths[-1] == folder / "good.jpg"
    assert mini.dropped[-1].reason.startswith("unreadable: not an image of a known format")


def test_links_into_the_data_set_are_part_of_it(root: Path, tmp_path: Path) -> None:
    """As git-annex and DVC keep data sets: the listed files are links into a store."""
    store = tmp_path / "store"
    store.mkdir()
    for number, path in enumerate(sorted(root.rglob("*.jpg"))):
        path.rename(store / f"{number}.jpg")
        path.symlink_to(store / f"{number}.jpg")
    plain = open_catalog(config(root).data)
    mini = with_unlabelled(plain, store)
    assert len(mini) == len(plain)
    assert f"0 unlabelled images of {store}" in mini.notes[-1]
    assert f"{len(plain)} more are part" in mini.notes[-1]


def test_broken_links_are_left_out_and_loops_end(root: Path, folder: Path) -> None:
    plain = open_catalog(config(root).data)
    (folder / "lost.jpg").symlink_to("nowhere.jpg")
    (folder / "a" / "round").symlink_to(folder)
    (folder / "again.png").symlink_to("a/1.png")
    mini = with_unlabelled(plain, folder)
    assert len(mini) == len(plain) + 5 and len(mini.fingerprint()) == 64
    assert [(d.where, d.reason) for d in mini.dropped] == [
        (str(folder / "lost.jpg"), "no image file")
    ]


def test_what_cannot_be_read_is_left_out_and_counted(
    root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "closed").mkdir()
    with open(os.fsencode(folder) + b"/caf\xe9.jpg", "wb") as file:  # Latin-1
        file.write(b"x")

    def scandir(place: Any, scan: Any = os.scandir) -> Any:
        if str(place).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(place))
        return scan(place)

    monkeypatch.setattr(os, "scandir", scandir)
    mini = with_unlabelled(open_catalog(config(root).data), folder)
    assert [(d.where, d.reason) for d in mini.dropped] == [
        (f"{folder}/closed", "cannot be opened (Permission denied)"),
        (f"{folder}/caf\ufffd.jpg", "its name is not UTF-8"),
    ]
    assert f"5 unlabelled images of {folder}" in mini.notes[-1]
    (describe(mini) + split_csv(mini)).encode()


def test_copies_of_held_out_photos_never_train(root: Path, folder: Path) -> None:
    plain = open_catalog(config(root).data)
    held_out, trained = plain.rows("evaluation")[0], plain.rows("train")[0]
    (folder / "b.JPG").write_bytes(plain.paths[held_out].read_bytes())
    (folder / "a" / "1.png").write_bytes(plain.paths[trained].read_bytes())
    mini = with_unlabelled(plain, folder)
    names = {path.name for path in mini.paths[len(plain) :]}
    assert names == {"1.png", "2.jpeg", "3.webp", "4.jpg"}
    assert "4 unlabelled images" in mini.notes[-1] and "1 more are part" in mini.notes[-1]
