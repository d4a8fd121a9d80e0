"""Shards: Parquet files with the gallery vectors of some photos, see ``serving.cluster``.

A shard's name is the SHA-256 of its bundle's space and of each photo's id, address and stamp (file
size, time, columns). So a shard that exists need not be computed again.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np

from flam_pl.errors import FlamError
from flam_pl.galleries.items import Item, Value, check_names
from flam_pl.images.files import MAX_BYTES, UnreadableImage, read_file
from flam_pl.serving.bundle import Bundle
from flam_pl.serving.photo_lists import Listed

FORMAT = 1
LIST = "shards.json"  # names the shards of the last extraction that finished
NEW = ".new"  # ends the name of an unfinished file
REMEDY = "Run `flam-pl index extract` again"


@dataclass(frozen=True)
class Photo:
    """A photo of a shard."""

    id: str
    uri: str  # path or address
    columns: Mapping[str, Value]
    columns_hash: int
    stamp: str = ""  # as that of ``serving.indexing``
    hash: str = ""  # SHA-256 of the content
    reason: str = ""  # why the photo cannot be read

    @classmethod
    def of(cls, listed: Listed) -> Photo:
        return cls(listed.id, listed.uri, dict(listed.columns), listed.columns_hash)


@cache
def file_system(root: str) -> tuple[Any, str]:
    """The ``pyarrow`` file system of an address without a path, and the path of its root."""
    import pyarrow
    from pyarrow import fs

    try:
        found, path = fs.FileSystem.from_uri(root)
    except (pyarrow.ArrowException, NotImplementedError, ValueError) as error:
        raise FlamError(f"{root}: pyarrow cannot open such an address ({error})") from error
    return found, path.rstrip("/")


def absolute(address: str) -> str:
    """A local path as an absolute path; an address unchanged."""
    return address if "://" in address else os.path.abspath(os.path.expanduser(address))


def located(address: str) -> tuple[Any, str]:
    """The ``pyarrow`` file system of a local path or an address, and the path in it.

    Raises FlamError for an address that ``pyarrow`` cannot open.
    """
    if "://" not in address:
        from pyarrow import fs

        return fs.LocalFileSystem(), absolute(address)
    parts = urlsplit(address)
    query = f"?{parts.query}" if parts.query else ""
    found, root = file_system(f"{parts.scheme}://{parts.netloc}/{query}")
    return found, root + unquote(parts.path)


def stamp_of(photo: Photo) -> Photo:
    """The photo with its stamp; with a reason if the file cannot be opened."""
    missing = replace(photo, stamp="missing")
    try:
        photo.id.encode(), photo.uri.encode()
        check_names(photo.id, photo.uri, photo.columns)
        if "://" not in photo.uri:
            state = os.stat(photo.uri)
            size, time = state.st_size, state.st_mtime_ns
        else:
            system, path = located(photo.uri)
            info = system.get_file_info(path)
            if not info.is_file:
                return replace(missing, reason="cannot be opened (no such file)")
            size, time = info.size, info.mtime_ns
    except UnicodeEncodeError:
        id, uri = (text.encode("utf-8", "replace").decode() for text in (photo.id, photo.uri))
        return replace(missing, id=id, uri=uri, reason="its name is not a text of Unicode")
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        reason = getattr(error, "strerror", None) or str(error)
        return replace(missing, reason=f"cannot be opened ({reason})")
    except FlamError as error:
        return replace(missing, reason=str(error))
    return replace(photo, stamp=f"{size}-{time}-{photo.columns_hash}")


def read_photo(
    photo: Photo, pixels_of: Callable[[bytes, Path], np.ndarray]
) -> tuple[Photo, np.ndarray | None]:
    """The photo with its hash, and its pixels; if unreadable, with a reason and without pixels."""
    if photo.reason:
        return photo, None
    try:
        data = content(photo.uri)
        pixels = pixels_of(data, Path(photo.uri))
    except UnreadableImage as error:
        return replace(photo, reason=error.reason or str(error)), None
    return replace(photo, hash=hashlib.sha256(data).hexdigest()), pixels


def content(uri: str) -> bytes:
    """The bytes of a photo. Raises UnreadableImage."""
    if "://" not in uri:
        return read_file(Path(uri))
    system, path = located(uri)
    try:
        with system.open_input_stream(path, compression=None) as file:
            data: bytes = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise UnreadableImage(uri, f"cannot be opened ({error})") from error
    if len(data) > MAX_BYTES:
        raise UnreadableImage(uri, f"too large (at most {MAX_BYTES >> 20:,} MB are read)")
    return data


def shard_name(space: str, photos: Sequence[Photo]) -> str:
    found = hashlib.sha256(json.dumps([FORMAT, space]).encode())
    for photo in photos:
        found.update(json.dumps([photo.id, photo.uri, photo.stamp]).encode())
    return f"{found.hexdigest()}.parquet"


@dataclass(frozen=True)
class ShardList:
    """The shards of a finished extraction, in the order of the list of photos."""

    space: str
    dimension: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class Store:
    """A folder of shards."""

    address: str

    @cached_property
    def place(self) -> tuple[Any, str]:
        return located(self.address)

    def path(self, name: str) -> str:
        return f"{self.place[1]}/{name}"

    def create(self) -> None:
        """Make the folder. Raises FlamError if that fails."""
        try:
            self.place[0].create_dir(self.place[1], recursive=True)
        except OSError as error:
            raise FlamError(f"shards={self.address} cannot be made: {error}") from error

    def unreadable(self, name: str) -> int | None:
        """The number of unreadable photos of a shard; None for a missing or damaged shard."""
        import pyarrow
        import pyarrow.parquet as parquet

        if not self.place[0].get_file_info(self.path(name)).is_file:
            return None
        try:
            found = parquet.read_metadata(self.path(name), filesystem=self.place[0])
            return int(found.metadata[b"unreadable"])
        except (pyarrow.ArrowException, OSError, KeyError, TypeError):
            return None  # it is damaged: compute it again

    def write(
        self,
        name: str,
        bundle: Bundle,
        photos: Sequence[Photo],
        vectors: np.ndarray,
        lengths: np.ndarray,
    ) -> None:
        """Write a shard whole or not at all; the vectors are those of the readable photos."""
        import pyarrow as pa
        import pyarrow.parquet as parquet

        readable = np.array([not photo.reason for photo in photos])
        width = bundle.dimension
        all_vectors = np.zeros((len(photos), width), np.float16)
        all_lengths = np.zeros(len(photos), np.float32)
        all_vectors[readable], all_lengths[readable] = vectors, lengths
        flat = pa.array(all_vectors.ravel(), pa.float16())
        table = pa.table(
            {
                "id": [photo.id for photo in photos],
                "uri": [photo.uri for photo in photos],
                "columns": [json.dumps(photo.columns) for photo in photos],
                "stamp": [photo.stamp for photo in photos],
                "hash": [photo.hash for photo in photos],
                "vector": pa.FixedSizeListArray.from_arrays(flat, width),
                "length": pa.array(all_lengths, pa.float32()),
                "reason": [photo.reason for photo in photos],
            }
        )
        about = {"space": bundle.space, "unreadable": str(int((~readable).sum()))}
        with self.replacing(name) as file:
            parquet.write_table(table.replace_schema_metadata(about), file, use_dictionary=False)

    def read(self, name: str, listed: ShardList) -> tuple[list[Item], int]:
        """The readable photos of a shard, and the number of unreadable ones.

        Raises FlamError for a shard that is missing, damaged or of another bundle.
        """
        import pyarrow
        import pyarrow.parquet as parquet

        place = f"{self.address}/{name}"
        try:
            table = parquet.read_table(self.path(name), filesystem=self.place[0])
            space = (table.schema.metadata or {}).get(b"space", b"").decode()
            if space != listed.space:
                raise FlamError(
                    f"{place} was made by another bundle: its vectors are of {space!r}, not of "
                    f"{listed.space!r}. {REMEDY}"
                )
            vectors = table["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            vectors = vectors.reshape(len(table), listed.dimension)
            rows = table.drop_columns(["vector"]).to_pylist()
            items = [
                Item(
                    **{key: row[key] for key in ("id", "uri", "hash", "length", "stamp")},
                    columns=json.loads(row["columns"]),
                    vector=vector,
                )
                for row, vector in zip(rows, vectors, strict=True)
                if not row["reason"]
            ]
        except (pyarrow.ArrowException, OSError, KeyError, ValueError) as error:
            raise FlamError(f"{place} is missing or damaged ({error}). {REMEDY}") from error
        return items, len(rows) - len(items)

    def write_list(self, listed: ShardList) -> None:
        plain = {"format": FORMAT, "space": listed.space, "dimension": listed.dimension}
        with self.replacing(LIST) as file:
            file.write(json.dumps(plain | {"shards": listed.names}, indent=1).encode())
        self.sweep(listed.names)

    def read_list(self) -> ShardList:
        """The list of shards. Raises FlamError if no extraction has finished, or it is damaged."""
        try:
            with self.place[0].open_input_stream(self.path(LIST)) as file:
                plain = json.loads(file.read())
            if plain["format"] != FORMAT:
                raise ValueError(f"format {plain['format']}, expected {FORMAT}")
            return ShardList(plain["space"], plain["dimension"], tuple(plain["shards"]))
        except FileNotFoundError as error:
            raise FlamError(
                f"{self.address} holds no {LIST}: the extraction has not finished. {REMEDY}"
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FlamError(f"{self.address}/{LIST} is damaged ({error}). {REMEDY}") from error

    @contextmanager
    def replacing(self, name: str) -> Iterator[Any]:
        """A new file that replaces ``name`` at the end; an error removes the new file."""
        system, new = self.place[0], self.path(f".{name}.{uuid.uuid4().hex}{NEW}")
        try:
            with system.open_output_stream(new, compression=None) as file:
                yield file
            system.move(new, self.path(name))
        except BaseException:
            with suppress(OSError):
                system.delete_file(new)
            raise

    def sweep(self, names: Sequence[str]) -> None:
        """Remove unfinished files of these shards, which killed workers left."""
        from pyarrow import fs

        known = set(names)
        for info in self.place[0].get_file_info(fs.FileSelector(self.place[1])):
            old = info.base_name
            if old.startswith(".") and old.endswith(NEW) and old[1:].rsplit(".", 2)[0] in known:
                with suppress(OSError):
                    self.place[0].delete_file(info.path)
