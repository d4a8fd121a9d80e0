"""Checks and stores uploaded photos."""

from __future__ import annotations

import hashlib
import io
import os
import re
import struct
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from flam_pl.atomic_io import replacing
from flam_pl.errors import FlamError
from flam_pl.images.files import TILE_HEIGHT, TILE_WIDTH, TURNS, orientation

FORMATS = ("JPEG", "PNG", "WEBP")  # of an upload; no other decoder is run
SCANS = 100  # of a JPEG; each costs a walk over all pixels, and a hostile file has thousands
LARGE = 2**23  # pixels; of the photos with more, the service decodes one at a time

# ours is Limits.pixels
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
_one_large_photo = threading.Lock()


class PhotoRefused(FlamError):
    """A file that is no photo, or one that is too large."""

    def __init__(self, message: str, too_large: bool = False) -> None:
        super().__init__(message)
        self.too_large = too_large


class UnknownPhoto(FlamError):
    """An upload that was never made, or has expired."""


@dataclass(frozen=True)
class Limits:
    """Largest photo that is accepted."""

    bytes: int = 10 * 2**20
    pixels: int = 40_000_000  # a header that promises more is refused
    side: int = 1280  # pixels of the longer side of what is stored


def clean_jpeg(data: bytes, limits: Limits | None = None) -> bytes:
    """The photo as a new JPEG of at most ``limits.side`` pixels: upright, over white, without
    metadata; of an animation, the first frame.

    Raises PhotoRefused for another format than ``FORMATS``, a broken or cut file, and too many
    bytes or pixels.
    """
    limits = limits or Limits()
    if not data:
        raise PhotoRefused("the photo is empty")
    if len(data) > limits.bytes:
        allowed = f"at most {limits.bytes / 2**20:.0f} MB are read"
        raise PhotoRefused(f"the photo is too large ({allowed})", too_large=True)
    kind = _format_of(data)
    if kind is None:
        raise PhotoRefused(f"the file is no photo of a known format ({', '.join(FORMATS)})")
    return to_jpeg(data, limits.side, (kind,), limits.pixels, quality=92)


def to_jpeg(
    data: bytes, side: int, formats: tuple[str, ...], pixels: int, quality: int = 85
) -> bytes:
    """Any photo of these formats as a JPEG of at most ``side`` pixels. Raises PhotoRefused."""
    too_many = f"the photo is too large (at most {pixels / 1e6:.0f} million pixels are decoded)"
    if data.startswith(b"RIFF") and _webp_pixels(data) > pixels:  # Pillow would allocate it
        raise PhotoRefused(too_many, too_large=True)
    if data.startswith(b"\xff\xd8") and data.count(b"\xff\xda") > SCANS:
        raise PhotoRefused("the photo is broken (it has too many scans)")
    try:
        with Image.open(io.BytesIO(data), formats=formats) as image:  # reads the header alone
            tile = getattr(image, "tag_v2", {})  # of a TIFF: it may be larger than the photo
            found = max(
                image.width * image.height, tile.get(TILE_WIDTH, 0) * tile.get(TILE_HEIGHT, 0)
            )
            if found > pixels:
                raise PhotoRefused(too_many, too_large=True)
            with _one_large_photo if found > LARGE else nullcontext():
                return _small_jpeg(image, side, quality)
    except PhotoRefused:
        raise
    except Image.DecompressionBombError as error:
        raise PhotoRefused(too_many, too_large=True) from error
    except UnidentifiedImageError as error:
        raise PhotoRefused("the photo is broken (its header cannot be read)") from error
    except Exception as error:  # the plugins of Pillow raise all kinds on broken data
        reason = "the file is cut" if "truncated" in str(error).lower() else "it cannot be decoded"
        raise PhotoRefused(f"the photo is broken ({reason})") from error


def _format_of(data: bytes) -> str | None:
    """By the first bytes; the name of a file proves nothing."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    return "WEBP" if data.startswith(b"RIFF") and data[8:12] == b"WEBP" else None


def _webp_pixels(data: bytes) -> int:
    """Width times height, from the first chunk; 0 where it cannot be read."""
    with suppress(struct.error, IndexError):
        if data[12:16] == b"VP8X":
            width = int.from_bytes(data[24:27], "little") + 1
            return width * (int.from_bytes(data[27:30], "little") + 1)
        if data[12:16] == b"VP8L":
            bits = struct.unpack_from("<I", data, 21)[0]
            return ((bits & 0x3FFF) + 1) * ((bits >> 14 & 0x3FFF) + 1)
        if data[12:16] == b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return (width & 0x3FFF) * (height & 0x3FFF)
    return 0


def _small_jpeg(image: Image.Image, side: int, quality: int) -> bytes:
    turn = TURNS.get(orientation(image))
    image.draft("RGB", (side, side))  # a large JPEG is decoded at a half, quarter or eighth
    image.load()
    small = _over_white(image, side)
    if turn is not None:  # FLIP_LEFT_RIGHT is 0
        small = small.transpose(turn)
    file = io.BytesIO()
    small.info.clear()
    small.save(file, "JPEG", quality=quality, subsampling=0 if quality > 90 else 2)
    return file.getvalue()


def _over_white(image: Image.Image, side: int) -> Image.Image:
    """``images.files.over_white`` of at most ``side`` pixels.

    The photo is made small first: 40 million transparent pixels would take half a gigabyte.
    """
    if image.mode.startswith("I") or image.mode == "F":
        factor = max(1, max(image.size) // side)
        values: np.ndarray = np.asarray(image)[::factor, ::factor].astype(np.float32)
        if image.mode.startswith("I;16") or values.max() > 255:
            values = values / 257  # 65535 -> 255
        elif image.mode == "F" and values.max() <= 1:
            values = values * 255
        image = Image.fromarray(values.clip(0, 255).round().astype(np.uint8))
    clear = image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info
    wanted = "RGBA" if clear else "RGB"
    small = image if image.mode == wanted else image.convert(wanted)
    small = ImageOps.contain(small, (side, side)) if max(small.size) > side else small.copy()
    if not clear:
        return small
    white = Image.new("RGBA", small.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, small).convert("RGB")


@dataclass(frozen=True)
class Upload:
    """A stored photo: SHA-256 of the uploaded file, expiry (Unix seconds), stored JPEG."""

    photo: str
    expires: int
    jpeg: bytes


class Uploads:
    """A folder of uploaded photos, ``<SHA-256 of the upload>.jpg``, each a new JPEG.

    A photo expires ``seconds`` after its last upload. Above ``most_bytes``, the oldest photos are
    removed. ``clean``: upload -> JPEG, or PhotoRefused.
    """

    def __init__(
        self,
        folder: Path,
        seconds: float = 86_400,
        most_bytes: int = 2**30,
        clean: Callable[[bytes], bytes] = clean_jpeg,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder, self.seconds, self.most_bytes = Path(folder), seconds, most_bytes
        self.clean, self.clock = clean, clock
        self._lock = threading.Lock()
        self.folder.mkdir(parents=True, exist_ok=True)
        files = [path for path in self.folder.glob("*.jpg") if is_photo_hash(path.stem)]
        states = sorted(((path.stat(), path.stem) for path in files), key=lambda s: s[0].st_mtime)
        self._stored = {name: (state.st_mtime, state.st_size) for state, name in states}

    def add(self, data: bytes) -> Upload:
        """Store a photo. Raises PhotoRefused."""
        photo = hashlib.sha256(data).hexdigest()
        try:
            jpeg = self.read(photo)
        except UnknownPhoto:
            jpeg = self.clean(data)
        with self._lock:
            now = self.clock()
            self._make_room(len(jpeg), now, photo)
            if not self._path(photo).exists():
                with replacing(self._path(photo)) as new:
                    new.write_bytes(jpeg)
            os.utime(self._path(photo), (now, now))
            self._stored.pop(photo, None)  # the latest stand last
            self._stored[photo] = (now, len(jpeg))
        return Upload(photo, int(now + self.seconds), jpeg)

    def read(self, photo: str) -> bytes:
        """The stored JPEG. Raises UnknownPhoto."""
        when, _ = self._stored.get(photo, (float("-inf"), 0))
        with suppress(OSError):
            if self.clock() < when + self.seconds:
                return self._path(photo).read_bytes()
        raise UnknownPhoto(f"no uploaded photo {photo[:64]!r}; it may have expired: upload again")

    def _path(self, photo: str) -> Path:
        return self.folder / f"{photo}.jpg"  # only of hashes that ``add`` or the folder gave

    def _make_room(self, size: int, now: float, photo: str) -> None:
        used = sum(stored for name, (_, stored) in self._stored.items() if name != photo)
        for name, (when, stored) in list(self._stored.items()):
            if name == photo:
                continue
            if used + size > self.most_bytes or when + self.seconds <= now:
                with suppress(OSError):
                    self._path(name).unlink()
                del self._stored[name]
                used -= stored


def is_photo_hash(name: str) -> bool:
    return re.fullmatch("[0-9a-f]{64}", name) is not None
