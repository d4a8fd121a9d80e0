"""Small pictures of the gallery's photos."""

from __future__ import annotations

import hashlib
import stat
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flam_pl.atomic_io import remove, replacing
from flam_pl.errors import FlamError
from flam_pl.serving.web.uploads import PhotoRefused, to_jpeg

SIZES = (64, 96, 160, 240, 320, 480, 640, 960, 1280)  # pixels of the longer side
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")  # of the gallery's own files
MAX_PIXELS = 2**27
MAX_BYTES = 2**28
PLACEHOLDER = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 3 4" role="img">'
    b'<rect width="3" height="4" fill="#ddd"/><circle cx="1.5" cy="2" r=".5" fill="#bbb"/></svg>'
)


class NoPicture(FlamError):
    """A photo of the gallery whose file is missing, broken or not below an allowed root."""


@dataclass(frozen=True)
class Thumbnail:
    jpeg: bytes
    etag: str


def is_address(uri: str) -> bool:
    return uri.startswith(("http://", "https://"))


class Thumbnails:
    """JPEG thumbnails of items; the latest stay in memory, up to ``memory`` bytes.

    With ``roots``, only files below one root are read, links followed; without, all files that the
    gallery names. ``own``: the folder of the photos that clients have put.
    """

    def __init__(self, roots: Sequence[Path], own: Path, memory: int = 2**26) -> None:
        self.own = own.resolve()
        self.roots = tuple(Path(root).resolve() for root in roots)
        self.memory = memory
        self._made: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @staticmethod
    def size(wanted: int) -> int:
        """The next of ``SIZES``, at most the last: few per photo."""
        return next((size for size in SIZES if size >= wanted), SIZES[-1])

    @staticmethod
    def etag(item: Any, size: int) -> str:
        known = f"{item.hash or item.uri}\n{item.stamp}\n{size}"
        return f'"{hashlib.sha256(known.encode(errors="surrogatepass")).hexdigest()[:32]}"'

    def of(self, item: Any, size: int) -> Thumbnail:
        """The thumbnail of an item. Raises NoPicture."""
        etag = self.etag(item, size)
        with self._lock:
            if etag in self._made:
                self._made.move_to_end(etag)
                return Thumbnail(self._made[etag], etag)
        jpeg = self._make(item, size)
        with self._lock:
            if etag not in self._made:
                self._made[etag] = jpeg
                self._bytes += len(jpeg)
            while self._bytes > self.memory:
                self._bytes -= len(self._made.popitem(last=False)[1])
        return Thumbnail(jpeg, etag)

    def allowed(self, uri: str) -> Path | None:
        """The file of a uri, links followed, if it may be read."""
        try:
            path = Path(uri).resolve()
        except (OSError, ValueError, RuntimeError):  # a zero byte, a loop of links
            return None
        if self.roots and not any(path.is_relative_to(root) for root in self.roots):
            return None
        return path

    def may_be_put(self, uri: str) -> bool:
        """Whether a client may name this file as the uri of an item."""
        return bool(self.roots) and self.allowed(uri) is not None

    def put(self, item: Any, jpeg: bytes) -> None:
        """Store the photo of an item that a client has put."""
        with replacing(self._own_file(item)) as new:
            new.write_bytes(jpeg)

    def forget(self, item: Any) -> None:
        """Remove the photo that ``put`` stored, if it did."""
        remove(self._own_file(item))

    def _own_file(self, item: Any) -> Path:
        name = hashlib.sha256(f"{item.id}\n{item.hash}".encode(errors="surrogatepass")).hexdigest()
        return self.own / f"{name}.jpg"

    def _make(self, item: Any, size: int) -> bytes:
        own = self._own_file(item)
        path = own if own.is_file() else None
        if path is None and item.uri and not is_address(item.uri):
            path = self.allowed(item.uri)
        if path is None:
            raise NoPicture(f"the photo of {item.id!r} cannot be shown")
        try:
            state = path.stat()
            if not stat.S_ISREG(state.st_mode) or state.st_size > MAX_BYTES:
                raise NoPicture(f"the photo of {item.id!r} is no file, or a very large one")
            return to_jpeg(path.read_bytes(), size, FORMATS, MAX_PIXELS)
        except (OSError, ValueError) as error:
            raise NoPicture(f"the photo of {item.id!r} is not there") from error
        except PhotoRefused as error:
            raise NoPicture(f"the photo of {item.id!r} cannot be shown: {error}") from error
