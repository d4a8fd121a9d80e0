"""Hostile uploads cost little and are refused clearly; good ones are stored clean."""

from __future__ import annotations

import io
import os
import random
import resource
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fake_searcher import drawn, small_shop
from fastapi.testclient import TestClient
from PIL import Image

from flam_pl.serving.service import Options, create_app
from flam_pl.serving.web.uploads import Limits, PhotoRefused, UnknownPhoto, Uploads, clean_jpeg

QUADRANTS = np.zeros((64, 48, 3), np.uint8)  # red, green over blue, black
QUADRANTS[:32, :24, 0] = QUADRANTS[:32, 24:, 1] = QUADRANTS[32:, :24, 2] = 255


def saved(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def photo(kind: str = "JPEG", **options: object) -> bytes:
    return saved(Image.fromarray(QUADRANTS), kind, **options)


def opened(jpeg: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(jpeg))
    assert image.format == "JPEG"
    image.load()
    return image


def chunk(name: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + check


def png_bomb(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(10_000_000), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def jpeg_of_size(width: int, height: int) -> bytes:
    """A small JPEG whose header promises another size."""
    data = bytearray(photo())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def webp_of_size(width: int, height: int) -> bytes:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + sides
    return b"RIFF" + struct.pack("<I", len(body)) + body


def many_scans() -> bytes:
    """A progressive JPEG whose last scan is repeated ten thousand times."""
    data = photo(progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * 10_000 + b"\xff\xd9"


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n"
HOSTILE = {
    "empty": b"",
    "text": b"this is no photo" * 99,
    "svg": SVG,
    "svg behind a magic number": b"\xff\xd8\xff" + SVG,
    "eps": EPS,
    "tiff": photo("TIFF"),
    "gif": photo("GIF"),
    "bmp": photo("BMP"),
    "pdf": b"%PDF-1.4" + bytes(99),
    "zip": b"PK\x03\x04" + bytes(99),
    "magic number alone": b"\x89PNG\r\n\x1a\n",
    "jpeg, cut": photo()[:-200],
    "png, cut": photo("PNG")[:60],
    "webp, cut": photo("WEBP")[:60],
    "jpeg of another size": jpeg_of_size(3_000, 3_000)[:-2],
    "jpeg with many scans": many_scans(),
}
TOO_LARGE = {
    "jpeg 65,500": jpeg_of_size(65_500, 65_500),
    "png bomb": png_bomb(50_000, 50_000),
    "webp": webp_of_size(16_000, 16_000),
    "png of one row": png_bomb(2**31 - 1, 1),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_photo_is_refused(name: str) -> None:
    with pytest.raises(PhotoRefused) as refused:
        clean_jpeg(HOSTILE[name])
    assert not refused.value.too_large


@pytest.mark.parametrize("name", TOO_LARGE)
def test_a_header_that_promises_too_much_is_refused_before_decoding(name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(PhotoRefused, match="million pixels") as refused:
        clean_jpeg(TOO_LARGE[name])
    assert refused.value.too_large
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_too_many_bytes_are_refused() -> None:
    with pytest.raises(PhotoRefused, match="too large"):
        clean_jpeg(photo(), Limits(bytes=100))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_accepted_formats_become_a_jpeg(kind: str) -> None:
    found = np.asarray(opened(clean_jpeg(photo(kind)))).astype(int)
    assert found.shape == QUADRANTS.shape
    assert np.abs(found - QUADRANTS).mean() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_exif_turn_is_carried_out_and_metadata_dropped(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x013B] = orientation, "a secret", "Jane"
    stored = clean_jpeg(photo(exif=exif, comment=b"a secret", quality=95))
    image = opened(stored)
    assert not image.getexif() and b"secret" not in stored and b"Jane" not in stored
    assert image.size == ((48, 64) if orientation < 5 else (64, 48))
    # where the red quadrant of the file is seen, by the definition of the tag
    row, column = {
        1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)
    }[orientation]  # fmt: skip
    pixels = np.asarray(image).astype(int)
    height, width = pixels.shape[:2]
    red = pixels[height // 4 + row * height // 2, width // 4 + column * width // 2]
    assert red[0] > 200 and red[1] < 60 and red[2] < 60


def test_png_text_is_dropped_and_transparency_is_white() -> None:
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("Comment", "a secret", zip=False)
    clear = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    stored = clean_jpeg(saved(clear, "PNG", pnginfo=text))
    assert b"secret" not in stored and np.asarray(opened(stored)).min() > 250
    palette = clear.convert("P")
    palette.info["transparency"] = 0
    assert opened(clean_jpeg(saved(palette, "PNG", transparency=0))).size == (20, 20)


def test_every_mode_is_read() -> None:
    deep = Image.fromarray(np.full((9, 9), 0x8000, np.uint16))
    found = np.asarray(opened(clean_jpeg(saved(deep, "PNG"))))
    assert np.abs(found.astype(int) - 127).max() < 4  # not white: 16 bits are scaled, not clipped
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        assert opened(clean_jpeg(saved(Image.new(mode, (9, 9)), "PNG"))).size == (9, 9)
    cmyk = saved(Image.new("CMYK", (9, 9)), "JPEG")
    assert np.asarray(opened(clean_jpeg(cmyk))).min() > 240  # no ink is white


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_of_an_animation_the_first_frame_is_stored(kind: str) -> None:
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "blue", "green")]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=9)
    pixel = np.asarray(opened(clean_jpeg(data)))[10, 10].astype(int)
    assert pixel[0] > 200 and pixel[2] < 60


def test_a_large_photo_is_made_smaller() -> None:
    large = Image.fromarray(QUADRANTS).resize((3000, 4000))
    for data in (saved(large), saved(large, "PNG")):
        image = opened(clean_jpeg(data, Limits(side=640)))
        assert max(image.size) == 640 and min(image.size) == 480


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


def test_a_photo_expires_and_is_renewed_by_uploading_again(tmp_path: Path) -> None:
    clock = Clock()
    uploads = Uploads(tmp_path, seconds=100, clock=clock)
    first = uploads.add(photo())
    assert first.expires == int(clock.now + 100) and uploads.read(first.photo) == first.jpeg
    clock.now += 60
    assert uploads.add(photo()).expires == int(clock.now + 100)
    clock.now += 99
    assert uploads.read(first.photo) == first.jpeg
    again = Uploads(tmp_path, seconds=100, clock=clock)  # as after a restart
    assert again.read(first.photo) == first.jpeg
    clock.now += 2
    for folder in (uploads, again):
        with pytest.raises(UnknownPhoto, match="expired"):
            folder.read(first.photo)
    uploads.add(photo("PNG"))
    assert [path.stem for path in tmp_path.iterdir()] != [first.photo]
    assert len(list(tmp_path.iterdir())) == 1


def test_the_folder_stays_below_its_bound(tmp_path: Path) -> None:
    clock = Clock()
    uploads = Uploads(tmp_path, most_bytes=6_000, clock=clock)
    names = []
    for seed in range(12):
        clock.now += 1
        names.append(uploads.add(drawn("red", seed=seed)).photo)
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 6_000
    assert uploads.read(names[-1]) and uploads.read(names[-2])
    with pytest.raises(UnknownPhoto):
        uploads.read(names[0])


def test_only_hashes_of_the_folder_are_read(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "secret.jpg").write_bytes(photo())
    (tmp_path / "folder" / "other.jpg").write_bytes(photo())
    uploads = Uploads(tmp_path / "folder")
    for name in ("../secret", str(tmp_path / "secret"), "other", "", "\0", "0" * 64):
        with pytest.raises(UnknownPhoto):
            uploads.read(name)


def test_an_upload_writes_its_hash_alone(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    stored = uploads.add(photo("PNG"))
    assert os.listdir(tmp_path) == [f"{stored.photo}.jpg"]
    assert (tmp_path / f"{stored.photo}.jpg").read_bytes()[:3] == b"\xff\xd8\xff"
    with pytest.raises(PhotoRefused):
        uploads.add(SVG)
    assert len(os.listdir(tmp_path)) == 1


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("service")
    app = create_app(small_shop(folder / "shop", copies=1), Options(folder=folder / "served"))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


def hostile_uploads(count: int, seed: int) -> Iterator[bytes]:
    """Cut files, flipped bits, wrong magic numbers, bombs, noise, in random order."""
    rng = random.Random(seed)
    exif = Image.Exif()
    exif[0x0112] = 6
    good = [
        photo(),
        photo(progressive=True, exif=exif),
        photo("PNG"),
        photo("WEBP"),
        photo("WEBP", lossless=True),
        photo("TIFF"),
        photo("GIF"),
    ]
    magic = [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\xff\xff\xff\xffWEBPVP8 ", b"II*\0"]
    for _ in range(count):
        data = bytearray(rng.choice(good))
        kind = rng.randrange(6)
        if kind == 0:
            data = data[: rng.randrange(len(data))]
        elif kind == 1:
            for _ in range(rng.choice([1, 3, 30])):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        elif kind == 2:
            start = rng.choice(magic)
            data[: len(start)] = start
        elif kind == 3:
            data = bytearray(rng.choice([*HOSTILE.values(), *TOO_LARGE.values()]))
        elif kind == 4:
            at, size = rng.randrange(len(data)), rng.randrange(64)
            data[at : at + size] = rng.randbytes(rng.randrange(64))
        else:
            data = bytearray(rng.choice(magic) + rng.randbytes(rng.randrange(2_000)))
        yield bytes(data)


def test_500_hostile_uploads_never_break_the_service(client: TestClient) -> None:
    statuses: dict[int, int] = {}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for data in hostile_uploads(500, seed=18):
        response = client.post("/v1/photos", content=data)
        statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
        if response.status_code != 200:
            assert response.json()["error"]["code"] in ("unreadable_image", "too_large")
    assert set(statuses) == {200, 413, 415}, statuses  # a flipped bit may leave a photo
    assert statuses[415] > 250 and statuses[413] > 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB
    assert client.post("/v1/photos", content=photo()).status_code == 200
