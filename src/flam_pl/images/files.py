"""Files of photos and their limits, without torch."""

from __future__ import annotations

import io
import os
import stat
import threading
import warnings
import zlib
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from flam_pl.errors import FlamError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")  # no other decoder is run
MAX_PIXELS = 2**27  # of a photo, e.g. 11,600 x 11,570; a header that promises more is refused
MAX_BYTES = 2**30  # of a file
LARGE = 2**25  # pixels; of the photos with more, a process decodes one at a time
WHITE = 255
ORIENTATION, TILE_WIDTH, TILE_HEIGHT = 0x0112, 0x0142, 0x0143  # tags of EXIF and TIFF
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> Pillow's operation that makes the photo upright."""
TRANSPARENT = ("RGBA", "RGBa", "LA", "La", "PA")  # modes of Pillow
Result = TypeVar("Result")
_one_large_photo = threading.Lock()
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # ours is MAX_PIXELS


class UnreadableImage(FlamError):
    """A file that cannot be decoded."""

    # a DataLoader worker sends the error as its one message: the second argument is optional
    def __init__(self, path: Path | str, reason: str = "") -> None:
        advice = "name another file, or leave the photo out of the list"
        super().__init__(f"{path}: {reason}; {advice}" if reason else str(path))
        self.path, self.reason = Path(path), reason


def read_file(path: Path) -> bytes:
    """The content of a file of at most ``MAX_BYTES``. Raises UnreadableImage, also for a folder,
    pipe, socket or device."""
    try:
        state = os.stat(path)
        if not stat.S_ISREG(state.st_mode):
            raise UnreadableImage(path, "not a file but a folder, pipe, socket or device")
        if state.st_size > MAX_BYTES:
            raise UnreadableImage(path, f"too large (at most {MAX_BYTES >> 20:,} MB are read)")
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        reason = f"cannot be opened ({getattr(error, 'strerror', error)})"
        raise UnreadableImage(path, reason) from error


def view_seed(path: Path, view: int) -> int:
    """Seed of a file's distortion number ``view``, from the names of file and folder."""
    return zlib.crc32(f"{path.parent.name}/{path.name}?{view}".encode())


def shorter_side(data: bytes, path: Path) -> int:
    """Pixels of the shorter side, from the header. Raises UnreadableImage."""
    return opened(data, path, lambda image: min(image.size))


def opened(data: bytes, path: Path, action: Callable[[Image.Image], Result]) -> Result:
    """The result of ``action`` on the image. Raises only UnreadableImage."""
    if not data:
        raise UnreadableImage(path, "the file is empty")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:  # reads the header alone
            tile = getattr(image, "tag_v2", {})  # of a TIFF: it may be larger than the photo
            width, height = tile.get(TILE_WIDTH, 0), tile.get(TILE_HEIGHT, 0)
            pixels = max(image.width * image.height, width * height)
            if pixels > MAX_PIXELS:
                raise Image.DecompressionBombError  # Pillow itself raises it for twice as many
            with _one_large_photo if pixels > LARGE else nullcontext():
                return action(image)
    except UnidentifiedImageError as error:
        reason = f"not an image of a known format ({', '.join(FORMATS)})"
        raise UnreadableImage(path, reason) from error
    except Image.DecompressionBombError as error:
        reason = f"too large (at most {MAX_PIXELS / 1e6:.0f} million pixels are decoded)"
        raise UnreadableImage(path, reason) from error
    except Exception as error:  # the plugins of Pillow raise all kinds on broken data
        truncated = "truncated" in str(error).lower()
        reason = "truncated" if truncated else f"broken ({type(error).__name__}: {error})"
        raise UnreadableImage(path, reason) from error


def orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8; 1 is upright."""
    with suppress(Exception):  # a broken block raises all kinds: viewers show the photo upright
        exif = image.getexif()
        if image.format in ("JPEG", "MPO"):  # getexif also reads XMP, which browsers do not obey
            exif = Image.Exif()
            exif.load(image.info["exif"])
        return int(exif.get(ORIENTATION, 1))
    return 1


def over_white(image: Image.Image) -> Image.Image:
    """An image of any mode as RGB over white; 16 bits are scaled to 8 (Pillow would clip them)."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        if image.mode.startswith("I;16") or values.max() > 255:
            values = values / 257  # 65535 -> 255
        elif image.mode == "F" and values.max() <= 1:
            values = values * 255
        return Image.fromarray(values.clip(0, 255).round().astype(np.uint8)).convert("RGB")
    if image.mode in TRANSPARENT or "transparency" in image.info:
        image = image if image.mode == "RGBA" else image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (WHITE,) * 4), image)
    return image if image.mode == "RGB" else image.convert("RGB")  # without a copy
