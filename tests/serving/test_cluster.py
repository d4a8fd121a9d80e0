"""Extraction on two workers of Ray: nothing is lost when they die, and nothing is done twice."""

from __future__ import annotations

import csv
import os
import signal
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from extract_driver import Sums, extracted, started
from PIL import Image

from flam_pl.attributes import AttributeSchema
from flam_pl.errors import FlamError
from flam_pl.galleries.items import Item
from flam_pl.galleries.stored import open_gallery
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.backbone import Backbone
from flam_pl.serving.bundle import Bundle, Contents, write_bundle
from flam_pl.serving.cluster import bulk_import, extract
from flam_pl.serving.cluster.extraction import (
    Extractor,
    Job,
    checked_total,
    decode,
    pieces_of,
    plain_errors,
)
from flam_pl.serving.cluster.shards import (
    LIST,
    Photo,
    ShardList,
    Store,
    content,
    shard_name,
    stamp_of,
)
from flam_pl.serving.indexing import index_photos
from flam_pl.serving.photo_lists import list_photos
from flam_pl.serving.runtime import open_runtime

parquet = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("ray", reason='Ray is missing: pip install "flam-pl[ray]"')

PHOTOS, ROWS = 23, 4
SHARDS = -(-PHOTOS // ROWS)
FIRST = [str(number) for number in range(0, PHOTOS, ROWS)]
BROKEN, MISSING = "7", "13"


def small_bundle(folder: Path, seed: int = 0) -> Bundle:
    torch.manual_seed(seed)
    schema = AttributeSchema({"color": ("red", "blue"), "sleeve": ("short", "long", "none")})
    shapes = {
        "backbone": {"model": "test_resnet", "feature_dim": 12, "image_size": 32},
        "embedders": {"dimension": 12, "working_dim": None, "embedding_dim": 4, "hidden": 8}
        | {"dropout": 0.0, "members": 1},
    }
    embedders = AttributeEmbedders(schema, **shapes["embedders"])
    features = torch.randn(40, 12)
    embedders.fit(features, torch.stack([torch.randint(n, (40,)) for n in schema.sizes], dim=1))
    networks = {"backbone": Backbone(**shapes["backbone"]), "embedders": embedders}
    contents = Contents(
        name="small",
        row="no_edit",
        networks={name: {"kind": name, "architecture": shapes[name]} for name in networks},
        editor={"kind": "none", "embedders": "embedders"},
        posteriors={"embedders": "embedders", "classifiers": None, "hardened": False},
        weights={"target": 0.3, "others": 0.1, "moved": 0.0},
        preprocess={"size": 32, "fit": "pad"},
        dimension=12,
        calibration=None,
        images=[[1] * n for n in schema.sizes],
        labelled=[[[1, 1]] * n for n in schema.sizes],
        figures={},
        versions={},
    )
    tensors = {
        name: {key: value.contiguous().numpy() for key, value in network.state_dict().items()}
        for name, network in networks.items()
    }
    return write_bundle(folder, contents, schema, {}, tensors, "# card")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return small_bundle(tmp_path_factory.mktemp("cluster") / "bundle")


def photo_table(folder: Path) -> Path:
    """A table of photos, of which one is broken and one is missing."""
    folder.mkdir()
    random = np.random.default_rng(0)
    rows = []
    for number in range(PHOTOS):
        path = folder / f"{number}.png"
        blocks = random.integers(0, 256, (6, 5, 3), dtype=np.uint8)
        Image.fromarray(blocks).resize((40, 48), Image.Resampling.NEAREST).save(path)
        address = path.as_uri() if number % 5 == 0 else path.name
        rows.append({"id": number, "path": address, "brand": f"b{number % 3}", "price": number / 2})
    (folder / f"{BROKEN}.png").write_bytes(b"no image")
    (folder / f"{MISSING}.png").unlink()
    table = folder / "photos.csv"
    with open(table, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return table


def readable(shards: Path) -> dict[str, Item]:
    store = Store(str(shards))
    listed = store.read_list()
    items = [item for name in listed.names for item in store.read(name, listed)[0]]
    assert len({item.id for item in items}) == len(items)
    return {item.id: item for item in items}


def in_one_process(bundle: Bundle, table: Path, gallery: Path, networks: bool) -> dict[str, Item]:
    """What ``index build`` stores; it takes no addresses, so they become paths."""
    found = open_gallery(gallery, bundle.space, bundle.dimension)
    photos = [
        replace(listed, path=table.parent / listed.path.name, address="")
        for listed in list_photos(table)
    ]
    runtime = open_runtime(bundle, device="cpu") if networks else Sums()
    index_photos(found, lambda: runtime, photos)
    items = {item.id: item for item in found.fetch(found.ids(0, PHOTOS))}
    found.close()
    return items


def check_same(found: dict[str, Item], expected: dict[str, Item]) -> None:
    assert list(found) == [str(n) for n in range(PHOTOS) if str(n) not in (BROKEN, MISSING)]
    assert set(expected) == set(found)
    for name, item in expected.items():
        mine = found[name]
        # the size of a batch changes the last bit of a sum
        np.testing.assert_allclose(mine.vector, item.vector, rtol=2e-3, atol=2e-3)
        assert mine.length == pytest.approx(item.length, rel=1e-5)
        assert (mine.hash, mine.columns) == (item.hash, item.columns)
        if int(name) % 5:
            assert (mine.uri, mine.stamp) == (item.uri, item.stamp)
        else:
            assert mine.uri == Path(item.uri).as_uri()


def setting(folder: Path, bundle: Bundle) -> dict[str, object]:
    table = photo_table(folder / "photos")
    places = {"source": table, "bundle": bundle.folder, "shards": folder / "shards"}
    return places | {"rows_per_shard": ROWS, "batch": 3}


@pytest.mark.slow
@pytest.mark.parametrize("networks", [False, True])
def test_a_worker_that_dies_loses_nothing(tmp_path: Path, bundle: Bundle, networks: bool) -> None:
    how, log, shards = setting(tmp_path, bundle), tmp_path / "log", tmp_path / "shards"
    share = 0.5 if networks else 0  # with GPUs, Ray Data decodes outside the workers
    done = extracted(log, deadly="9", networks=networks, gpus_per_worker=share, **how)
    assert Path(f"{log}.killed").exists()
    assert done == {"photos": PHOTOS, "unreadable": 2, "shards": SHARDS, "computed": SHARDS}
    # only the shard of the worker that died was computed twice
    assert Counter(log.read_text().split()) == Counter([*FIRST, "8"])
    assert len(list(shards.iterdir())) == SHARDS + 1  # with the list, and no half file

    assert bulk_import(shards, tmp_path / "shop.db") == PHOTOS - 2
    gallery = open_gallery(tmp_path / "shop.db", bundle.space)
    stored = {item.id: item for item in gallery.fetch(gallery.ids(0, PHOTOS))}
    gallery.close()
    expected = in_one_process(bundle, how["source"], tmp_path / "one.db", networks)
    check_same(stored, expected)
    check_same(readable(shards), expected)


@pytest.mark.slow
def test_a_killed_command_goes_on_where_it_was(tmp_path: Path, bundle: Bundle) -> None:
    how, log, shards = setting(tmp_path, bundle), tmp_path / "log", tmp_path / "shards"
    process = started(log, seconds=2, **how)
    while len(list(shards.glob("[!.]*.parquet"))) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(5)  # the workers die with it
    finished = {path.name: path.stat().st_mtime_ns for path in shards.glob("[!.]*.parquet")}
    before = len(log.read_text().split())
    assert 2 <= len(finished) < SHARDS and not (shards / LIST).exists()
    with pytest.raises(FlamError, match="not finished"):
        bulk_import(shards, tmp_path / "shop.db")

    done = extracted(log, **how)
    assert done == {"photos": PHOTOS, "unreadable": 2, "shards": SHARDS} | {
        "computed": SHARDS - len(finished)
    }
    again = log.read_text().split()
    assert len(again) - before == SHARDS - len(finished)
    assert before - len(finished) <= 2  # at most one shard per worker
    for name, time_written in finished.items():
        assert (shards / name).stat().st_mtime_ns == time_written
    assert len(list(shards.iterdir())) == SHARDS + 1
    check_same(readable(shards), in_one_process(bundle, how["source"], tmp_path / "one.db", False))
    assert extracted(log, **how)["computed"] == 0


def written_shards(folder: Path | str, bundle: Bundle, source: Path) -> Store:
    """Shards of the source, written by this process without Ray."""
    job = Job(
        source=str(source),
        listing={},
        bundle=str(bundle.folder),
        space=bundle.space,
        shards=str(folder),
        rows=ROWS,
        batch=3,
        runtime="torch",
        device="cpu",
    )
    store, worker = Store(str(folder)), Extractor(job)
    store.create()
    pieces = [{k: v[0] for k, v in piece.items()} for piece in pieces_of({}, job)]
    done = [worker(decode(piece, job)) for piece in pieces]
    store.write_list(ShardList(bundle.space, bundle.dimension, tuple(r["name"] for r in done)))
    return store


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> Path:
    folder = tmp_path_factory.mktemp("written")
    written_shards(folder / "shards", bundle, photo_table(folder / "photos"))
    return folder / "shards"


def test_shards_hold_what_one_process_computes(
    tmp_path: Path, bundle: Bundle, shards: Path
) -> None:
    table = shards.parent / "photos" / "photos.csv"
    check_same(readable(shards), in_one_process(bundle, table, tmp_path / "one.db", True))


def test_unreadable_photos_are_noted_with_the_reason(shards: Path) -> None:
    files = [path for path in shards.iterdir() if path.name != LIST]
    rows = [row for path in files for row in parquet.read_table(path).to_pylist()]
    assert sorted(int(row["id"]) for row in rows) == list(range(PHOTOS))
    reasons = {row["id"]: row["reason"] for row in rows if row["reason"]}
    assert set(reasons) == {BROKEN, MISSING}
    assert "not an image" in reasons[BROKEN] and "No such file" in reasons[MISSING]


def test_an_import_adds_only_what_the_gallery_lacks(
    tmp_path: Path, bundle: Bundle, shards: Path
) -> None:
    gallery = open_gallery(tmp_path / "shop.db", bundle.space, bundle.dimension)
    assert bulk_import(shards, gallery) == PHOTOS - 2
    assert bulk_import(shards, gallery) == 0
    gallery.delete(["3", "9"])
    assert bulk_import(shards, gallery) == 2 * ROWS  # the two shards that are not whole
    item = gallery.fetch(["4"])[0]
    gallery.add([replace(item, columns={"brand": "other"}, stamp="other")])
    assert bulk_import(shards, gallery) == 1
    assert gallery.fetch(["4"])[0].columns == item.columns
    # what came out of shards is not extracted again
    table = shards.parent / "photos" / "photos.csv"
    files = [listed for listed in list_photos(table) if not listed.address]
    done = index_photos(gallery, Sums, files)
    assert (done.extracted, done.updated) == (0, 0) and done.unchanged == len(files) - 2


def test_shards_of_another_bundle_are_refused(tmp_path: Path, bundle: Bundle, shards: Path) -> None:
    other = small_bundle(tmp_path / "other", seed=1)
    gallery = open_gallery(tmp_path / "shop.db", other.space, other.dimension)
    with pytest.raises(FlamError, match="another bundle"):
        bulk_import(shards, gallery)
    with pytest.raises(FlamError, match="another bundle"):
        bulk_import(shards, tmp_path / "shop.db")
    assert len(gallery) == 0
    mixed = Store(str(shards)).read_list()
    with pytest.raises(FlamError, match="another bundle"):
        Store(str(shards)).read(mixed.names[0], replace(mixed, space=other.space))


def test_a_damaged_shard_is_named_and_computed_again(tmp_path: Path, bundle: Bundle) -> None:
    table = photo_table(tmp_path / "photos")
    store = written_shards(tmp_path / "shards", bundle, table)
    name = store.read_list().names[1]
    path = tmp_path / "shards" / name
    before = path.read_bytes()
    path.write_bytes(before[: len(before) // 2])
    left = path.with_name(f".{name}.0a.new")
    left.touch()
    with pytest.raises(FlamError, match=name):
        bulk_import(tmp_path / "shards", tmp_path / "shop.db")
    written_shards(tmp_path / "shards", bundle, table)
    assert not left.exists()
    # the first shard was added before the damaged one was found
    assert bulk_import(tmp_path / "shards", tmp_path / "shop.db") == PHOTOS - 2 - ROWS


def test_the_name_of_a_shard_follows_bundle_photos_files_and_columns(tmp_path: Path) -> None:
    table = photo_table(tmp_path / "photos")

    def name(space: str = "space") -> str:
        return shard_name(space, [stamp_of(Photo.of(listed)) for listed in list_photos(table)])

    names = [name(), name("other")]
    assert name() == names[0]
    text = table.read_text()
    table.write_text(text.replace("b1", "b7", 1))
    names.append(name())
    table.write_text(text.replace("\n4,", "\n44,"))
    names.append(name())
    table.write_text(text)
    assert name() == names[0]
    os.utime(tmp_path / "photos" / "3.png", ns=(5, 5))
    names.append(name())
    assert len(set(names)) == 5


def test_an_address_is_opened_by_pyarrow(tmp_path: Path) -> None:
    (tmp_path / "a b").write_bytes(b"content")
    address = (tmp_path / "a b").as_uri()
    assert "%20" in address
    photo = Photo("1", address, {}, 0)
    state = (tmp_path / "a b").stat()
    assert stamp_of(photo).stamp == f"7-{state.st_mtime_ns}-0"
    assert content(address) == b"content"
    assert stamp_of(replace(photo, uri=f"{address}.png")).reason
    for wrong in ("http://shop/1.jpg", "nothing://shop/1.jpg"):
        assert "cannot open" in stamp_of(replace(photo, uri=wrong)).reason


def test_the_folder_of_the_shards_may_be_an_address(
    tmp_path: Path, bundle: Bundle, shards: Path
) -> None:
    table, address = shards.parent / "photos" / "photos.csv", (tmp_path / "s h").as_uri()
    store = written_shards(address, bundle, table)
    assert store.read_list() == Store(str(shards)).read_list()
    assert bulk_import(address, tmp_path / "shop.db") == PHOTOS - 2
    for name in store.read_list().names:
        assert (tmp_path / "s h" / name).read_bytes() == (shards / name).read_bytes()


def test_a_folder_of_photos_is_extracted_too(tmp_path: Path, bundle: Bundle) -> None:
    photo_table(tmp_path / "photos")
    written_shards(tmp_path / "shards", bundle, tmp_path / "photos")
    found = readable(tmp_path / "shards")
    assert set(found) == {f"{n}.png" for n in range(PHOTOS)} - {f"{BROKEN}.png", f"{MISSING}.png"}
    assert found["3.png"].uri == str(tmp_path / "photos" / "3.png")


def test_an_error_of_a_worker_is_shown_as_it_is() -> None:
    import ray

    for error in (RuntimeError("a fault of the program"), FlamError("the disk is full")):
        ours = isinstance(error, FlamError)
        task = ray.exceptions.RayTaskError("task", "traceback", error).as_instanceof_cause()
        with pytest.raises(FlamError if ours else type(task)) as found, plain_errors():
            raise task
        assert not ours or str(found.value) == "the disk is full"


def test_a_name_that_is_no_unicode_is_noted() -> None:
    assert "0 letters" in stamp_of(Photo("", "/photos/1.jpg", {}, 0)).reason
    found = stamp_of(Photo("\udcff", "/photos/\udcff.jpg", {}, 0))
    assert "Unicode" in found.reason and found.uri.isascii()


def test_photos_without_an_id_are_no_doubles(tmp_path: Path) -> None:
    (tmp_path / "photos.csv").write_text("id,path\n,a.jpg\n,b.jpg\n1,c.jpg\n")
    job = Job(str(tmp_path / "photos.csv"), {}, "", "", "", 1, 1, "torch", None)
    assert checked_total(job) == 3


def test_what_cannot_be_extracted_is_refused(tmp_path: Path, bundle: Bundle) -> None:
    table = tmp_path / "photos.csv"
    table.write_text("id,path\n1,a.jpg\n2,b.jpg\n1,c.jpg\n")
    with pytest.raises(FlamError, match="'1' 2 times"):
        extract(table, bundle.folder, tmp_path / "shards")
    with pytest.raises(FlamError, match="workers is 0"):
        extract(table, bundle.folder, tmp_path / "shards", workers=0)
    table.write_text("id,path\n")
    with pytest.raises(FlamError, match="no photo"):
        extract(table, bundle.folder, tmp_path / "shards")
    table.write_text("id,path\n1,a.jpg\n")
    with pytest.raises(FlamError, match="cannot be made"):
        extract(table, bundle.folder, table / "shards")
    with pytest.raises(FlamError, match="no ONNX files"):
        extract(table, bundle.folder, tmp_path / "shards", runtime="onnx")
