"""Features on disk: a folder with ``features.npy``, ``photos.npy`` and ``manifest.json``.

Each rank writes a shard; one rename publishes the merged shards. The next extraction uses the
shards of a killed one.
"""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from flam_pl.atomic_io import only_writer, replace_folder, temporary
from flam_pl.config.saved_files import read_json, sealed
from flam_pl.errors import FlamError

FORMAT = 4
CHUNK = 8192  # rows that are copied at a time
BLOCK, BLOCKS = 2**16, 64  # bytes and number of the blocks that every opening reads
READ_WHOLE = 2**26  # bytes; a smaller array is read whole


@dataclass(frozen=True)
class Manifest:  # what the features of a store were made from
    checkpoint: str  # SHA-256
    preprocessing: str
    images: str  # Catalog.fingerprint()
    rows: int
    dimension: int
    dtype: str
    format: int = FORMAT

    def differences(self, other: Manifest) -> str:
        """The fields that differ: ``field: mine, not theirs``."""

        def short(value: object) -> str:
            text = str(value)
            return text if len(text) <= 80 else text[:12] + "..."

        pairs = zip(asdict(self).items(), asdict(other).values(), strict=True)
        return "; ".join(f"{k}: {short(v)}, not {short(w)}" for (k, v), w in pairs if v != w)


@dataclass(eq=False)
class FeatureStore:
    """Features by catalog row: catalog row i is row ``positions[i]`` of ``array`` ``(S, D)``."""

    folder: Path
    array: np.ndarray
    manifest: Manifest
    content: str  # SHA-256 of the rows
    positions: np.ndarray | None = None
    file: BinaryIO | None = None  # of a memory-mapped array, whose pages would count as memory

    def __len__(self) -> int:
        return len(self.array if self.positions is None else self.positions)

    @property
    def dimension(self) -> int:
        return int(self.array.shape[1])

    def rows(self, index: np.ndarray) -> Tensor:
        """Features of catalog rows, ``(len(index), D)`` float32."""
        at = np.asarray(index)
        at = at if self.positions is None else self.positions[at]
        if self.file is None:
            return torch.from_numpy(self.array[at].astype(np.float32))
        found, size = torch.empty(len(at), self.dimension), self.array.strides[0]
        first, file = getattr(self.array, "offset", 0), self.file.fileno()
        for start in range(0, len(at), CHUNK):
            part = at[start : start + CHUNK].tolist()
            data = b"".join([os.pread(file, size, first + size * row) for row in part])
            block = np.frombuffer(data, self.array.dtype).reshape(len(part), -1)
            found.numpy()[start : start + CHUNK] = block
        return found

    @classmethod
    def open(cls, folder: Path) -> FeatureStore:
        """Open a store. FlamError if missing or damaged; of a large array, a sample is checked."""
        file = folder / "manifest.json"
        if not file.is_file():
            raise FlamError(f"no features at {folder}: not extracted yet")
        try:
            stored = read_json(file, dict[str, Any], "Train again: that extracts what is missing.")
            content, sample = stored.pop("content", ""), stored.pop("sample", "")
            manifest = Manifest(**stored)
            features = open(folder / "features.npy", "rb")  # noqa: SIM115  # as long as the store
            array = np.load(folder / "features.npy", mmap_mode="r")
            if os.fstat(features.fileno()).st_ino != os.stat(features.name).st_ino:
                raise ValueError("features.npy was replaced while it was opened")
            shape, dtype = array.shape, str(array.dtype)
            if (*shape, dtype) != (manifest.rows, manifest.dimension, manifest.dtype):
                raise ValueError(f"features.npy is {dtype} {shape}, unlike its manifest")
            is_small = array.nbytes <= READ_WHOLE
            is_whole = _content(array) == content if is_small else _sample(array) == sample
            if manifest.format == FORMAT and not is_whole:  # another format serves nothing
                raise ValueError("features.npy is not what was written")
        except (OSError, EOFError, ValueError, TypeError, AttributeError) as error:
            raise FlamError(f"{folder} is damaged ({error})") from error
        return cls(folder, array, manifest, content, file=None if is_small else features)

    def find(self, wanted: Manifest, photos: np.ndarray) -> np.ndarray:
        """Positions of ``Catalog.photo_keys`` ``(N,)`` in ``array``; -1 for none."""
        mine, position_of = self.manifest, {}
        if wanted == mine:
            return np.arange(len(self.array))
        if replace(wanted, images=mine.images, rows=mine.rows) == mine:  # else all is extracted
            with suppress(OSError, EOFError, ValueError, TypeError):  # damaged: all is extracted
                own = np.load(self.folder / "photos.npy").tolist()
                if sha256(b"".join(own)).hexdigest() == mine.images:
                    position_of = dict(zip(own, range(mine.rows), strict=True))
        return np.array([position_of.get(photo, -1) for photo in photos.tolist()], dtype=np.int64)

    def select(self, positions: np.ndarray) -> FeatureStore:
        """The store of these rows of ``array``."""
        if np.array_equal(positions, np.arange(len(self.array))):
            return self
        return replace(self, content=_content(self.array, positions), positions=positions)


def _content(array: np.ndarray, positions: np.ndarray | slice = slice(None)) -> str:
    content, rows = sha256(), np.arange(len(array))[positions]
    for start in range(0, len(rows), CHUNK):
        content.update(array[rows[start : start + CHUNK]].tobytes())
    return content.hexdigest()


def _sample(array: np.ndarray) -> str:
    """SHA-256 of evenly spread blocks of bytes."""
    data, sample = array.reshape(-1).view(np.uint8), sha256()
    for start in np.linspace(0, max(0, len(data) - BLOCK), BLOCKS).astype(np.int64):
        sample.update(data[start : start + BLOCK].data)
    return sample.hexdigest()


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn an OSError, mostly a full disk, into a FlamError."""
    try:
        yield
    except OSError as error:
        got = f"features could not be written to {folder}: {error.strerror or error}"
        remedy = "free some disk space or set runs_dir=, and run the same command again"
        raise FlamError(f"{got}. Nothing is lost: {remedy}.") from error


def _record(manifest: Manifest) -> np.dtype:
    feature = ("feature", manifest.dtype, manifest.dimension)
    return np.dtype([("checksum", np.int64), ("row", np.int64), feature])


def _checksums(records: np.ndarray) -> np.ndarray:
    """CRC-32 ``(N,)`` of the bytes after each checksum."""
    content = records.view(np.uint8).reshape(len(records), records.itemsize)[:, 8:]
    return np.fromiter(map(zlib.crc32, content), np.int64, len(content))


class ShardWriter:
    """Writes one rank's features, not by a memory map: a full disk would kill the process."""

    def __init__(self, folder: Path, rank: int, manifest: Manifest) -> None:
        self.folder, self.record = folder, _record(manifest)
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            # the others are of a killed process, or of one that extracts the same features now
            for number in count(len(list(folder.glob(f"{rank}-*.bin")))):
                with suppress(FileExistsError):
                    shard = folder / f"{rank}-{number}.bin"
                    # unbuffered: a full disk is noticed at the write
                    self._file = open(shard, "xb", buffering=0)  # noqa: SIM115
                    break

    def append(self, rows: np.ndarray, features: Tensor) -> None:
        records = np.empty(len(rows), self.record)
        records["row"], records["feature"] = rows, features.float().cpu().numpy()
        records["checksum"] = _checksums(records)
        data = memoryview(records.tobytes())
        with disk_errors(self.folder):
            while data:
                data = data[self._file.write(data) :]

    def close(self) -> None:
        self._file.close()


def resume(shards: Path, manifest: Manifest, clear: bool) -> np.ndarray:
    """Sorted rows in the shards of a killed extraction; ``clear`` removes other shards."""
    if clear:
        for other in set(shards.parent.glob(f"{shards.stem}.shards*")) - {shards}:
            shutil.rmtree(other, ignore_errors=True)
    done = [np.zeros(0, np.int64)]
    for path in shards.glob("*.bin"):
        with suppress(FileNotFoundError):  # another process has just published it
            done.append(_read_shard(path, manifest)[0])
    return np.unique(np.concatenate(done))


Part = tuple[np.ndarray, np.ndarray, np.ndarray]  # rows (M,), array, positions in it (M,)


def publish(
    shards: Path, folder: Path, manifest: Manifest, photos: np.ndarray, reused: Part | None = None
) -> None:
    """Replace the store at ``folder`` by the shards and ``reused`` rows, and remove the shards.

    If another process has published the same meanwhile, its store stays.

    Raises:
        FlamError: a row is missing, or the disk is full; ``folder`` is then unchanged.
    """
    with disk_errors(folder), only_writer(folder):
        if not _is_published(folder, manifest):
            _publish(shards, folder, manifest, photos, reused)
    shutil.rmtree(shards, ignore_errors=True)


def _is_published(folder: Path, manifest: Manifest) -> bool:
    with suppress(FlamError):  # missing or damaged
        return FeatureStore.open(folder).manifest == manifest
    return False


def _publish(
    shards: Path, folder: Path, manifest: Manifest, photos: np.ndarray, reused: Part | None
) -> None:
    new = temporary(folder)
    new.mkdir(parents=True)
    try:
        parts = [_read_shard(path, manifest) for path in sorted(shards.glob("*.bin"))]
        parts += [reused] if reused else []
        content = _write_rows(new / "features.npy", parts, manifest)
        np.save(new / "photos.npy", photos)
        sample = _sample(np.load(new / "features.npy", mmap_mode="r"))
        stored = asdict(manifest) | {"content": content, "sample": sample}
        (new / "manifest.json").write_text(sealed(stored))
        replace_folder(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _read_shard(path: Path, manifest: Manifest) -> Part:
    """The records before the first damaged one."""
    record = _record(manifest)
    if not (count := path.stat().st_size // record.itemsize):
        return np.zeros(0, np.int64), np.zeros((0, manifest.dimension)), np.zeros(0, np.int64)
    records: np.ndarray = np.memmap(path, record, "r", shape=count)
    right = records["checksum"] == _checksums(records)
    records = records if right.all() else records[: right.argmin()]
    return np.array(records["row"]), records["feature"], np.arange(len(records))


def _write_rows(target: Path, parts: list[Part], manifest: Manifest) -> str:
    """Write the rows in catalog order; returns their SHA-256."""
    where = np.full((manifest.rows, 2), -1, dtype=np.int64)  # number of the part, position in it
    for number, (rows, _, positions) in enumerate(parts):
        if rows.max(initial=0) >= manifest.rows:
            raise FlamError(f"got features of row {rows.max()}, expected {manifest.rows} rows")
        where[rows] = np.stack([np.full_like(positions, number), positions], axis=1)
    missing = np.flatnonzero(where[:, 0] < 0)
    if len(missing):
        filled = f"{manifest.rows - len(missing)} of {manifest.rows} rows"
        first = f"(first missing: {missing[:3]}); it was interrupted. Run the command again."
        raise FlamError(f"extraction filled {filled} {first}")
    dtype, shape, content = np.dtype(manifest.dtype), (manifest.rows, manifest.dimension), sha256()
    header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    with open(target, "wb") as out:
        np.lib.format.write_array_header_1_0(out, header)
        for start in range(0, len(where), CHUNK):
            chunk = where[start : start + CHUNK]
            block = np.empty((len(chunk), manifest.dimension), dtype)
            for number, (_, features, _) in enumerate(parts):
                mine = chunk[:, 0] == number
                block[mine] = features[chunk[mine, 1]]
            finite = np.isfinite(block).all(axis=1)
            if not finite.all():
                got = f"features of image {start + finite.argmin()} (from 0) are not finite"
                remedy = "Train with a smaller backbone.lr, or use backbone.dtype=float32."
                raise FlamError(f"{got} (as {dtype}). {remedy}")
            data = block.tobytes()
            content.update(data)
            out.write(data)
        out.flush()
        os.fsync(out.fileno())
    return content.hexdigest()
