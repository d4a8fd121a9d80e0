"""Decoding, fitting, distorted views, transforms and the image data set."""

from __future__ import annotations

import io
import json
import os
import pickle
import socket
import struct
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from torch.utils.data import DataLoader

from flam_pl.errors import FlamError
from flam_pl.images import files
from flam_pl.images import pixels as decoding
from flam_pl.images.files import UnreadableImage, view_seed
from flam_pl.images.pixels import (
    FITS,
    ImageDataset,
    Preprocess,
    decode,
    distort,
    fit,
    read_image,
    training_transform,
)


def gradient(height: int = 24, width: int = 32) -> np.ndarray:
    """Smooth RGB ``(H, W, 3)``, so that JPEG is nearly exact."""
    y, x = np.mgrid[0:height, 0:width]
    channels = [255 * x / width, 255 * y / height, 128 + 0 * x]
    return np.stack(channels, axis=2).astype(np.uint8)


def pixels(image: torch.Tensor) -> np.ndarray:
    assert image.dtype == torch.uint8 and image.shape[0] == 3
    return image.permute(1, 2, 0).numpy().astype(int)


@pytest.mark.parametrize(("suffix", "error"), [("png", 0), ("bmp", 0), ("webp", 24), ("jpg", 12)])
def test_formats(tmp_path: Path, suffix: str, error: int) -> None:
    file = tmp_path / f"image.{suffix}"
    Image.fromarray(gradient()).save(file, quality=95)
    assert np.abs(pixels(read_image(file)) - gradient()).max() <= error


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_gray_has_three_equal_channels(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"gray.{suffix}"
    Image.fromarray(gradient()[..., 0]).save(file, quality=95)
    got = pixels(read_image(file))
    assert (got[..., 0] == got[..., 1]).all() and (got[..., 1] == got[..., 2]).all()
    assert np.abs(got[..., 0] - gradient()[..., 0]).max() <= 6


@pytest.mark.parametrize("suffix", ["jpg", "tiff"])
def test_cmyk(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"print.{suffix}"
    Image.fromarray(gradient()).convert("CMYK").save(file, quality=95)
    assert np.abs(pixels(read_image(file)) - gradient()).max() <= 12


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_lie_over_white(tmp_path: Path, mode: str) -> None:
    alpha = np.array([[0, 255]], dtype=np.uint8)
    black = np.zeros((1, 2, 3), dtype=np.uint8)
    image = Image.fromarray(np.dstack([black, alpha]))
    if mode == "P":
        image = Image.fromarray(np.array([[0, 1]], dtype=np.uint8)).convert("P")
        image.putpalette([0, 0, 0] * 256)
        image.info["transparency"] = 0
    image = image if mode == "P" else image.convert(mode)
    image.save(tmp_path / "clear.png", **({"transparency": 0} if mode == "P" else {}))
    assert pixels(read_image(tmp_path / "clear.png")).tolist() == [[[255] * 3, [0] * 3]]


def test_half_transparent_is_half_white(tmp_path: Path) -> None:
    Image.new("RGBA", (1, 1), (255, 0, 0, 128)).save(tmp_path / "half.png")
    red, green, blue = pixels(read_image(tmp_path / "half.png"))[0, 0]
    assert red == 255 and green == blue and abs(green - 127) <= 1


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    values = np.array([[0, 255, 32768, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    assert pixels(read_image(tmp_path / "deep.png"))[0, :, 0].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_the_exif_orientation_is_obeyed(tmp_path: Path, suffix: str) -> None:
    image = Image.fromarray(gradient())
    exif = image.getexif()
    exif[0x0112] = 6  # the camera was turned: show it a quarter clockwise
    image.save(tmp_path / f"turned.{suffix}", exif=exif, quality=95)
    got = pixels(read_image(tmp_path / f"turned.{suffix}"))
    assert np.abs(got - np.rot90(gradient(), k=-1)).max() <= 12


def encoded(name: str, image: Image.Image | None = None, **options: Any) -> bytes:
    """The file content of a small photo in this format."""
    file = io.BytesIO()
    (image or Image.fromarray(gradient())).save(file, name, **options)
    return file.getvalue()


def exif_of(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def segment(content: bytes) -> bytes:
    """An APP1 segment of a JPEG."""
    return b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(9))
def test_every_orientation_is_that_of_pillow(name: str, orientation: int) -> None:
    options = {"lossless": True} if name == "WEBP" else {}
    data = encoded(name, exif=exif_of(orientation), **options)
    expected = np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    got = pixels(decode(data, Path("photo")))
    assert got.shape == expected.shape and np.abs(got - expected).max() <= 4  # two JPEG decoders
    assert (got.shape == (32, 24, 3)) == (orientation >= 5)


@pytest.mark.parametrize("where", ["xmp before", "xmp after", "long xmp before", "comment before"])
def test_the_orientation_counts_wherever_its_block_stands(where: str) -> None:
    plain, turn = encoded("JPEG"), segment(b"Exif\0\0" + exif_of(6).tobytes()[6:])
    xmp = segment(b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>")
    if where == "long xmp before":
        xmp = segment(b"http://ns.adobe.com/xmp/extension/\0" + b"x" * 60_000)
    if where == "comment before":
        xmp = b"\xff\xfe\0\6abcd"
    blocks = turn + xmp if where == "xmp after" else xmp + turn
    assert decode(plain[:2] + blocks + plain[2:], Path("photo")).shape == (3, 32, 24)
    assert decode(plain[:2] + xmp + plain[2:], Path("photo")).shape == (3, 24, 32)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    "block", [b"junkjunkjunk", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\x09\0", b"MM"]
)
def test_a_photo_with_a_broken_exif_block_is_used_upright(name: str, block: bytes) -> None:
    options = {"lossless": True} if name == "WEBP" else {}
    with_block = decode(encoded(name, exif=b"Exif\0\0" + block, **options), Path("photo"))
    assert torch.equal(with_block, decode(encoded(name, **options), Path("photo")))


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_is_read(name: str) -> None:
    frames = [Image.new("RGB", (20, 10), color) for color in ((250, 0, 0), (0, 0, 250))]
    data = encoded(name, frames[0], save_all=True, append_images=frames[1:])
    assert Image.open(io.BytesIO(data)).n_frames == 2  # type: ignore[attr-defined]
    red, green, blue = pixels(decode(data, Path("photo")))[5, 10]
    assert red > 200 and green < 50 and blue < 50


def png_chunk(name: bytes, content: bytes) -> bytes:
    ends = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + ends


def tiff_with_tile(side: int) -> bytes:
    """A photo of 16 x 16 pixels in one tile of this side."""
    long, short = 4, 3
    tags = [(0x100, long, 16), (0x101, long, 16), (0x102, short, 8), (0x103, short, 8)]
    tags += [(0x106, short, 1), (0x115, short, 1), (0x142, long, side), (0x143, long, side)]
    tags += [(0x144, long, 134), (0x145, long, 17)]
    listed = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + listed + bytes(4)
    return head + zlib.compress(bytes(1000))


def bomb(name: str) -> bytes:
    """A small file whose header promises more than four billion pixels."""
    side = struct.pack(">H", 65_500)
    if name == "JPEG":
        data = encoded("JPEG")
        start = data.index(b"\xff\xc0") + 5  # height and width of the frame header
        return data[:start] + side + side + data[start + 4 :]
    if name == "PNG":
        data = encoded("PNG")
        header = struct.pack(">II", 65_500, 65_500) + data[24:29]
        return data[:8] + png_chunk(b"IHDR", header) + data[33:]
    if name == "BMP":
        data = encoded("BMP")
        return data[:18] + struct.pack("<ii", 65_500, 65_500) + data[26:]
    if name == "GIF":
        data = encoded("GIF")
        return data[:6] + side[::-1] + side[::-1] + data[10:]
    if name == "WEBP":  # 16,383 x 16,383 is the most that the format knows
        data = encoded("WEBP", lossless=True)[12:]
        canvas = b"VP8X" + struct.pack("<I", 10) + bytes(4) + (16_382).to_bytes(3, "little") * 2
        return b"RIFF" + struct.pack("<I", 4 + len(canvas + data)) + b"WEBP" + canvas + data
    if name == "TIFF":
        data = encoded("TIFF")
        for tag, value in ((0x100, 32), (0x101, 24)):
            for kind, size in ((3, "H2x"), (4, "I")):
                field = struct.pack("<HHI" + size, tag, kind, 1, value)
                data = data.replace(field, struct.pack("<HHII", tag, 4, 1, 65_500))
        return data
    return tiff_with_tile(40_000)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "TIFF tile"])
def test_a_header_that_promises_too_many_pixels_is_refused_before_decoding(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decoded(*_: object) -> None:
        raise AssertionError("decoded")

    data = bomb(name)
    assert len(data) < 5_000
    monkeypatch.setattr(decoding, "_decoded", decoded)
    with pytest.raises(UnreadableImage, match="too large .at most 134 million pixels"):
        decode(data, Path("bomb"))


@pytest.mark.parametrize(
    "data",
    [
        encoded("EPS"),
        encoded("PPM"),
        encoded("ICO"),
        encoded("TGA"),
        encoded("PDF"),
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    ],
)
def test_only_the_named_formats_are_opened(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(data)  # whatever the name says
    with pytest.raises(UnreadableImage, match="known format .JPEG, PNG, WEBP, BMP, GIF, TIFF"):
        read_image(tmp_path / "photo.jpg")


def test_what_is_no_file_is_refused_without_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")  # to open it would wait for a writer
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "link.jpg").symlink_to("/dev/zero")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.jpg")
    for name in ("pipe.jpg", "folder.jpg", "link.jpg", "socket.jpg"):
        with pytest.raises(UnreadableImage, match="not a file but a folder, pipe, socket or dev"):
            read_image(tmp_path / name)
    for name in ("loop.jpg", "zero\0byte.jpg", "long" * 99 + ".jpg"):
        with pytest.raises(UnreadableImage, match="cannot be opened"):
            read_image(tmp_path / name)


def test_a_file_of_many_bytes_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "film.jpg", "wb") as file:
        file.truncate(2**30 + 1)  # takes no space on the disk
    with pytest.raises(UnreadableImage, match=r"too large \(at most 1,024 MB"):
        read_image(tmp_path / "film.jpg")


@pytest.mark.parametrize(("large", "most"), [(0, 1), (2**25, 4)])
def test_large_photos_are_decoded_one_at_a_time(
    large: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, counts, lock = 0, [], threading.Lock()
    meeting = threading.Barrier(most)

    def decoded(image: Image.Image, _data: bytes) -> torch.Tensor:
        nonlocal at_once
        with lock:
            at_once += 1
            counts.append(at_once)
        meeting.wait(20)  # small photos: all are here at once
        with lock:
            at_once -= 1
        return torch.zeros(3, image.height, image.width)

    monkeypatch.setattr(decoding, "_decoded", decoded)
    monkeypatch.setattr(files, "LARGE", large)
    with ThreadPoolExecutor(4) as threads:
        shapes = list(threads.map(lambda _: decode(encoded("PNG"), Path("photo")).shape, range(4)))
    assert max(counts) == most and shapes == [(3, 24, 32)] * 4


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_a_cut_file_is_refused_or_read_but_never_crashes(name: str) -> None:
    data = encoded(name)
    for end in range(1, len(data), max(1, len(data) // 40)):
        try:
            assert decode(data[:end], Path("cut")).shape == (3, 24, 32)
        except UnreadableImage as error:
            assert error.reason
    with pytest.raises(UnreadableImage):
        decode(data[: len(data) // 2], Path("cut"))


def test_one_pixel(tmp_path: Path) -> None:
    for suffix in ("png", "jpg"):
        Image.new("RGB", (1, 1), (9, 9, 9)).save(tmp_path / f"dot.{suffix}")
        dot = read_image(tmp_path / f"dot.{suffix}")
        assert dot.shape == (3, 1, 1)
        assert fit(dot, 8).unique().tolist() == [9]
        assert distort(dot, 1).shape == (3, 1, 1)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("half.jpg", "truncated"),
        ("half.png", "truncated"),
        ("start.jpg", "not an image"),
        ("empty.jpg", "empty"),
        ("text.jpg", "not an image"),
        ("missing.jpg", "cannot be opened"),
    ],
)
def test_unreadable_files_are_named_with_the_reason(tmp_path: Path, name: str, reason: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for suffix in ("jpg", "png"):
        file = tmp_path / f"half.{suffix}"
        Image.fromarray(noise).save(file)
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    (tmp_path / "start.jpg").write_bytes(b"\xff\xd8")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("<html>404</html>")
    with pytest.raises(UnreadableImage) as unreadable:
        read_image(tmp_path / name)
    assert reason in unreadable.value.reason and unreadable.value.path == tmp_path / name
    assert str(tmp_path / name) in str(unreadable.value)
    assert str(pickle.loads(pickle.dumps(unreadable.value))) == str(unreadable.value)


def test_fit_by_hand() -> None:
    black = torch.zeros(3, 10, 20, dtype=torch.uint8)
    padded = fit(black, 20, "pad")
    assert (padded[:, 5:15] == 0).all()
    assert (padded[:, :5] == 255).all() and (padded[:, 15:] == 255).all()
    striped = black.clone()
    striped[:, :, :5] = striped[:, :, 15:] = 200  # what "crop" cuts off
    assert fit(striped, 10, "crop").unique().tolist() == [0]
    assert 200 in fit(striped, 10, "stretch").unique()
    assert (fit(black, 10, "stretch") == 0).all()
    with pytest.raises(FlamError, match="'squash'.*pad, crop, stretch"):
        fit(black, 10, "squash")


@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 40), st.sampled_from(FITS))
@settings(max_examples=60, deadline=None)
def test_fit_is_square_and_invents_no_color(height: int, width: int, size: int, mode: str) -> None:
    image = torch.full((3, height, width), 77, dtype=torch.uint8)
    square = fit(image, size, mode)
    assert square.shape == (3, size, size) and square.dtype == torch.uint8
    colors = set(square.unique().tolist())
    assert colors <= {77, 255} and 77 in colors
    assert mode == "pad" or colors == {77}


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_distort_is_a_function_of_image_and_seed(height: int, width: int, seed: int) -> None:
    image = torch.from_numpy(gradient(height, width)).permute(2, 0, 1)
    torch.manual_seed(seed)
    np.random.seed(seed)
    before = torch.get_rng_state().clone(), np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    view = distort(image, seed)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # type: ignore[index]
    torch.manual_seed(seed + 1)
    assert torch.equal(view, distort(image, seed))
    assert view.shape == image.shape and view.dtype == torch.uint8


def test_distorted_views_differ_and_stay_closer_than_other_photos() -> None:
    rng = np.random.default_rng(1)
    coarse = torch.from_numpy(rng.integers(0, 256, (6, 3, 3, 3), dtype=np.uint8))
    photos = [fit(c, 48, "stretch") for c in coarse]
    views = [distort(photo, 5) for photo in photos]
    assert not torch.equal(distort(photos[0], 1), distort(photos[0], 2))

    def color(image: torch.Tensor) -> torch.Tensor:
        return image.float().mean((1, 2))

    distance = torch.stack(
        [torch.stack([(color(v) - color(p)).norm() for p in photos]) for v in views]
    )
    assert distance.diag().mean() < 0.6 * distance.mean()


def test_preprocess_scales_normalises_and_tells_its_settings() -> None:
    white = torch.full((3, 8, 4), 255, dtype=torch.uint8)
    preprocess = Preprocess(4, "pad")
    result = preprocess(white)
    assert result.dtype == torch.uint8 and result.shape == (3, 4, 4)
    settings_ = json.loads(json.dumps(preprocess.to_dict()))
    assert settings_ == {"size": 4, "fit": "pad"}
    assert Preprocess(**settings_) == preprocess


def test_the_training_transform_varies_and_without_chance_is_the_preprocessing() -> None:
    image = torch.from_numpy(gradient(40, 30)).permute(2, 0, 1)
    transform = training_transform(16, fit="pad", erase=0.5)
    torch.manual_seed(0)
    results = [transform(image) for _ in range(4)]
    assert all(r.shape == (3, 16, 16) and r.dtype == torch.uint8 for r in results)
    assert not torch.equal(results[0], results[1])
    plain = training_transform(16, "pad", flip=False, scale_min=1, brightness=0)
    torch.testing.assert_close(plain(image), Preprocess(16)(image))
    pickle.loads(pickle.dumps(transform))  # for workers that are spawned


@pytest.mark.parametrize("workers", [0, 2])
def test_the_data_set_in_a_loader(tmp_path: Path, workers: int) -> None:
    file = tmp_path / "shop" / "a.png"
    file.parent.mkdir()
    Image.fromarray(gradient()).save(file)
    preprocess = Preprocess(8)
    data = ImageDataset([file] * 3, [0, 1, 0], [4, 4, -1], preprocess)
    batch = next(iter(DataLoader(data, batch_size=3, num_workers=workers)))
    assert batch["index"].tolist() == [0, 1, 2] and batch["item"].tolist() == [4, 4, -1]
    photo = read_image(file)
    torch.testing.assert_close(batch["image"][0], preprocess(photo))
    torch.testing.assert_close(batch["image"][1], preprocess(distort(photo, view_seed(file, 1))))
    assert not torch.equal(batch["image"][0], batch["image"][1])
    torch.testing.assert_close(batch["image"][0], batch["image"][2])


def test_a_view_is_the_same_wherever_the_data_lies() -> None:
    assert view_seed(Path("/a/images/1.jpg"), 1) == view_seed(Path("/b/c/images/1.jpg"), 1)
    seeds = {view_seed(Path(f"images/{i}.jpg"), v) for i in range(50) for v in (1, 2)}
    assert len(seeds) == 100


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_image_is_named_across_workers(tmp_path: Path, workers: int) -> None:
    (tmp_path / "broken.jpg").write_text("no image")
    data = ImageDataset([tmp_path / "broken.jpg"], [0], [0], Preprocess(8))
    with pytest.raises(UnreadableImage, match="broken.jpg"):
        next(iter(DataLoader(data, num_workers=workers)))
