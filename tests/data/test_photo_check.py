"""Which photos cannot be used, and that an unchanged photo is not read a second time."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from flam_pl.attributes import AttributeSchema
from flam_pl.data import photo_check
from flam_pl.data.photo_check import check_photos
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.inspection import describe
from flam_pl.errors import FlamError
from flam_pl.images.pixels import read_image

SCHEMA = AttributeSchema({"shape": ("shirt", "jeans")})
NAMES = [f"{i}.jpg" for i in range(4)]


def photos_in(folder: Path) -> Catalog:
    """Four photos, the third of them in two views."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(NAMES):
        noise = np.random.default_rng(seed).integers(0, 256, (40, 30, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / name)
    return catalog(folder)


def catalog(folder: Path) -> Catalog:
    table = pd.DataFrame({"path": [*NAMES, "2.jpg"], "view": [0, 0, 0, 0, 1], "split": "train"})
    return Catalog.build("mini", folder, table, SCHEMA)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files, in the order in which they are decoded."""
    names: list[str] = []
    decode: Callable[..., Any] = photo_check.decode

    def counted(data: bytes, path: Path) -> Any:
        names.append(path.name)
        return decode(data, path)

    monkeypatch.setattr(photo_check, "decode", counted)
    return names


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below the folder, with its time and its content."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(p): (p.stat().st_mtime_ns, p.read_bytes()) for p in files}


def test_every_bad_file_is_found_with_its_reason_in_each_of_its_rows(tmp_path: Path) -> None:
    photos_in(tmp_path)
    whole = (tmp_path / "2.jpg").read_bytes()
    (tmp_path / "2.jpg").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(np.zeros((7, 30, 3), np.uint8)).save(tmp_path / "1.jpg")
    (tmp_path / "3.jpg").unlink()
    for memory in (None, tmp_path / "memory.json", tmp_path / "memory.json"):
        _, bad = check_photos(catalog(tmp_path), memory=memory)
        assert list(bad) == [1, 2, 3, 4]
        assert bad[1] == "smaller than 8 pixels"
        assert bad[2] == bad[4] == "unreadable: truncated"
        assert bad[3].startswith("unreadable: cannot be opened")
        # another limit needs no second look
        assert list(check_photos(catalog(tmp_path), 7, memory)[1]) == [2, 3, 4]
    text = describe(catalog(tmp_path), bad)
    assert "1 x unreadable: truncated: 2.jpg\n" in text
    assert "1 x smaller than 8 pixels: 1.jpg" in text


def test_the_content_hashes_are_those_of_the_files(tmp_path: Path) -> None:
    photos_in(tmp_path)
    (tmp_path / "3.jpg").unlink()
    checked, _ = check_photos(catalog(tmp_path))
    assert checked.contents == {
        name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in NAMES[:3]
    }


def saved_again(file: Path, target: Path) -> None:
    """The same pixels in another file."""
    pixels = read_image(file).permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(target)


def test_pixels_are_compared_whatever_the_file(tmp_path: Path) -> None:
    photos_in(tmp_path)
    with_comment = Image.open(tmp_path / "0.jpg").copy()
    whole = (tmp_path / "0.jpg").read_bytes()
    (tmp_path / "comment.jpg").write_bytes(whole[:2] + b"\xff\xfe\0\6abcd" + whole[2:])
    saved_again(tmp_path / "0.jpg", tmp_path / "lossless.png")
    turned = with_comment.transpose(Image.Transpose.ROTATE_180)
    turned.save(tmp_path / "turned.png")
    names = ["0.jpg", "comment.jpg", "lossless.png", "turned.png", "1.jpg"]
    table = pd.DataFrame({"path": names, "split": "train"})
    checked, bad = check_photos(Catalog.build("mini", tmp_path, table, SCHEMA))
    assert bad == {} and len(set(checked.contents.values())) == 5
    assert checked.pixel_codes.tolist() == [0, 0, 0, 1, 2] and checked.notes == ()


def test_the_same_pixels_in_two_splits_or_items_are_noted(tmp_path: Path) -> None:
    photos_in(tmp_path)
    saved_again(tmp_path / "0.jpg", tmp_path / "0.png")
    shutil.copy(tmp_path / "1.jpg", tmp_path / "copy.jpg")  # the readers note equal files
    columns = {
        "path": ["0.jpg", "0.png", "1.jpg", "copy.jpg", "2.jpg", "3.jpg"],
        "item": ["a", "a", "b", "c", "b", "d"],
        "domain": ["shop", "shop", "shop", "shop", "consumer", "shop"],
        "split": ["train", *["evaluation"] * 5],
    }
    catalog = Catalog.build("mini", tmp_path, pd.DataFrame(columns), SCHEMA)
    memory = tmp_path / "memory.json"
    for _ in range(2):
        splits, items = check_photos(catalog, memory=memory)[0].notes
        assert splits.startswith("2 photos have the same pixels as a photo of another split")
        assert splits.endswith("for example 0.jpg")
        assert items.startswith("2 photos of the instance search have the same pixels")
    one_side = pd.DataFrame(columns).assign(split="evaluation", item=["a", "a", "b", "b", "b", "d"])
    assert check_photos(Catalog.build("mini", tmp_path, one_side, SCHEMA))[0].notes == ()


def test_a_pipe_in_the_table_stops_nothing(tmp_path: Path) -> None:
    photos_in(tmp_path)
    (tmp_path / "1.jpg").unlink()
    os.mkfifo(tmp_path / "1.jpg")
    checked, bad = check_photos(catalog(tmp_path))
    assert list(bad) == [1] and bad[1].startswith("unreadable: not a file but a folder, pipe")
    with pytest.raises(FlamError, match=r"1\.jpg cannot be read .not a file"):
        _ = checked.photo_keys


def test_only_what_has_changed_is_read_again(tmp_path: Path, decoded: list[str]) -> None:
    photos, memory = photos_in(tmp_path / "photos"), tmp_path / "run" / "photos.json"
    first, _ = check_photos(photos, memory=memory)
    assert sorted(decoded) == NAMES
    before = tree(tmp_path)
    assert check_photos(photos, memory=memory)[0].contents == first.contents
    assert tree(tmp_path) == before and len(decoded) == 4

    # a file with the same size and time is not opened, so other bytes in it are not seen ...
    file, state = tmp_path / "photos" / "1.jpg", (tmp_path / "photos" / "1.jpg").stat()
    file.write_bytes(bytes(state.st_size))
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert check_photos(photos, memory=memory)[1] == {}
    # ... with another time they are
    os.utime(file, ns=(1, 1))
    assert list(check_photos(photos, memory=memory)[1]) == [1]
    assert decoded[4:] == ["1.jpg"]
    again, bad = check_photos(photos, memory=memory)
    assert list(bad) == [1] and decoded[4:] == ["1.jpg"]
    assert again.contents["1.jpg"] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_copied_photos_have_the_same_fingerprint_and_are_not_decoded_again(
    tmp_path: Path, decoded: list[str]
) -> None:
    memory = tmp_path / "run" / "photos.json"
    first, _ = check_photos(photos_in(tmp_path / "photos"), memory=memory)
    copy = tmp_path / "elsewhere" / "photos"  # the folder's name counts for a distorted view
    shutil.copytree(tmp_path / "photos", copy)
    for file in copy.iterdir():
        os.utime(file, ns=(7, 7))
    decoded.clear()
    copied, bad = check_photos(catalog(copy), memory=memory)
    assert (copied.contents, bad, decoded) == (first.contents, {}, [])
    assert copied.fingerprint() == first.fingerprint()


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[1]", b"3", b'{"a": 3}', b'{"a": [1]}', b"\xff\xfe", b"null"),
        *(
            b'{"a": [1, 2, "b", null, ""]}',
            b'{"a": [1, 2, "b", 9, NaN]}',
            b'{"a": [1, 2, {}, 9, ""]}',
        ),
    ],
)
def test_a_damaged_memory_is_built_again(
    content: bytes, tmp_path: Path, decoded: list[str]
) -> None:
    photos, memory = photos_in(tmp_path / "photos"), tmp_path / "photos.json"
    first, _ = check_photos(photos, memory=memory)
    whole = memory.read_bytes()
    memory.write_bytes(content)
    assert check_photos(photos, memory=memory)[0].contents == first.contents
    assert len(decoded) == 8 and memory.read_bytes() == whole


@pytest.mark.parametrize("known", [False, True])
def test_a_check_that_may_not_write_leaves_no_trace(known: bool, tmp_path: Path) -> None:
    photos, memory = photos_in(tmp_path / "photos"), tmp_path / "run" / "photos.json"
    if known:
        check_photos(photos, memory=memory)
        os.utime(tmp_path / "photos" / "1.jpg", ns=(1, 1))  # so that there is something to write
    before = tree(tmp_path)
    checked, bad = check_photos(photos, memory=memory, write=False)
    assert bad == {} and len(checked.contents) == 4
    assert tree(tmp_path) == before and (tmp_path / "run").exists() == known


def test_of_two_processes_one_reads_and_the_other_waits_for_its_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads stand for two processes of a DDP run."""
    photos, memory = photos_in(tmp_path / "photos"), tmp_path / "photos.json"
    decode, read, meeting = photo_check.decode, [], threading.Barrier(2)
    writer = photo_check.only_writer

    def counted(data: bytes, path: Path) -> Any:
        read.append(path.name)
        return decode(data, path)

    def together(path: Path) -> Any:
        meeting.wait(20)  # neither has the lock yet
        return writer(path)

    monkeypatch.setattr(photo_check, "decode", counted)
    monkeypatch.setattr(photo_check, "only_writer", together)
    with ThreadPoolExecutor(2) as threads:
        ranks = [threads.submit(check_photos, photos, memory=memory) for _ in range(2)]
        first, second = (rank.result(60) for rank in ranks)
    assert sorted(read) == NAMES
    assert first[0].contents == second[0].contents and len(first[0].contents) == 4
