"""Features on disk: a folder with ``features.npy``, ``photos.npy`` and ``manifest.json``.

Each rank writes a shard. The merged shards appear by one rename, so a store is always complete.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flam_pl.atomic_io import only_writer, replace_folder, temporary
from flam_pl.errors import FlamError

FORMAT = 3
CHUNK = 8192  # rows that are copied at a time


@dataclass(frozen=True)
class Manifest:
    """What the features of a store were made of."""

    checkpoint: str  # SHA-256
    preprocessing: str
    images: str  # Catalog.fingerprint()
    rows: int
    dimension: int
    dtype: str
    format: int = FORMAT

    def differences(self, other: Manifest) -> str:
        """The fields that differ, each as ``field: mine, not theirs``."""

        def short(value: object) -> str:
            text = str(value)
            return text if len(text) <= 80 else text[:12] + "..."

        pairs = zip(asdict(self).items(), asdict(other).values(), strict=True)
        return "; ".join(f"{k}: {short(v)}, not {short(w)}" for (k, v), w in pairs if v != w)


class FeatureStore:
    """Features by catalog row: row i is at ``positions[i]`` of ``array`` ``(S, D)``."""

    def __init__(
        self,
        folder: Path,
        array: np.ndarray,
        manifest: Manifest,
        content: str,
        positions: np.ndarray | None = None,
    ) -> None:
        self.folder, self.array, self.manifest, self.content = folder, array, manifest, content
        self._positions = np.arange(len(array)) if positions is None else positions

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def dimension(self) -> int:
        return int(self.array.shape[1])

    def rows(self, index: np.ndarray) -> Tensor:
        """Features of catalog rows, ``(len(index), D)`` float32."""
        return torch.from_numpy(self.array[self._positions[np.asarray(index)]].astype(np.float32))

    @classmethod
    def open(cls, folder: Path) -> FeatureStore:
        """Raises FlamError where there is no store, or a damaged one."""
        try:
            stored = json.loads((folder / "manifest.json").read_text())
            content = stored.pop("content", "")
            manifest = Manifest(**stored)
            array = np.load(folder / "features.npy", mmap_mode="r")
        except FileNotFoundError as error:
            raise FlamError(f"no features at {folder}: not extracted yet") from error
        except (OSError, EOFError, ValueError, TypeError, AttributeError) as error:
            raise FlamError(f"{folder} is damaged ({error})") from error
        if (*array.shape, str(array.dtype)) != (manifest.rows, manifest.dimension, manifest.dtype):
            found = f"features.npy is {array.dtype} {array.shape}, unlike its manifest"
            raise FlamError(f"{folder} is damaged ({found})")
        return cls(folder, array, manifest, content)

    def find(self, wanted: Manifest, photos: np.ndarray) -> np.ndarray:
        """Positions in ``array`` of ``Catalog.photo_keys`` ``(N,)``; -1 must be extracted."""
        mine, position_of = self.manifest, {}
        if wanted == mine:
            return np.arange(len(self.array))
        if replace(wanted, images=mine.images, rows=mine.rows) == mine:  # else all is extracted
            with suppress(OSError, EOFError, ValueError):  # damaged: all is extracted
                own = np.load(self.folder / "photos.npy")
                position_of = dict(zip(own.tolist(), range(mine.rows), strict=True))
        return np.array([position_of.get(photo, -1) for photo in photos.tolist()], dtype=np.int64)

    def select(self, positions: np.ndarray) -> FeatureStore:
        """The store of these rows of ``array``, in this order."""
        if np.array_equal(positions, np.arange(len(self.array))):
            return self
        content = sha256()
        for start in range(0, len(positions), CHUNK):
            content.update(self.array[positions[start : start + CHUNK]].tobytes())
        return FeatureStore(self.folder, self.array, self.manifest, content.hexdigest(), positions)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn an OSError while writing, mostly a full disk, into a clear message."""
    try:
        yield
    except OSError as error:
        raise FlamError(
            f"features could not be written to {folder}: {error.strerror or error}. Nothing that "
            "was there is lost. Free some disk space, or choose another place with runs_dir=."
        ) from error


def _record(manifest: Manifest) -> np.dtype:
    return np.dtype([("row", np.int64), ("feature", manifest.dtype, manifest.dimension)])


class ShardWriter:
    """Writes what one rank extracts."""

    # plain writes: on a full disk they raise, where a memory map would kill the process

    def __init__(self, folder: Path, rank: int, manifest: Manifest) -> None:
        self.folder, self.record = folder, _record(manifest)
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            # unbuffered: a full disk is noticed at the write, not at some later flush
            self._file = open(folder / f"{rank}.bin", "wb", buffering=0)  # noqa: SIM115

    def append(self, rows: np.ndarray, features: Tensor) -> None:
        records = np.empty(len(rows), self.record)
        records["row"], records["feature"] = rows, features.float().cpu().numpy()
        data = memoryview(records.tobytes())
        with disk_errors(self.folder):
            while data:
                data = data[self._file.write(data) :]

    def close(self) -> None:
        self._file.close()


Part = tuple[np.ndarray, np.ndarray, np.ndarray]  # rows (M,), array, positions in it (M,)


def publish(
    shards: Path, folder: Path, manifest: Manifest, photos: np.ndarray, reused: Part | None = None
) -> None:
    """Put a store at ``folder`` in the place of any other, and remove the shards.

    ``reused`` are the rows that are in no shard. Raises FlamError for a missing row or a full disk;
    ``folder`` is then as it was.
    """
    with disk_errors(folder), only_writer(folder):
        new = temporary(folder)
        new.mkdir(parents=True)
        try:
            parts = [*_read_shards(shards, manifest), *([reused] if reused else [])]
            content = _write_rows(new / "features.npy", parts, manifest)
            np.save(new / "photos.npy", photos)
            stored = asdict(manifest) | {"content": content}
            (new / "manifest.json").write_text(json.dumps(stored, indent=1))
            replace_folder(new, folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(shards, ignore_errors=True)


def _read_shards(shards: Path, manifest: Manifest) -> Iterator[Part]:
    for path in sorted(shards.glob("*.bin")):
        size, each = path.stat().st_size, _record(manifest).itemsize
        if size % each:
            raise FlamError(
                f"{path} has {size} bytes, expected a multiple of {each}: the extraction was "
                "interrupted. Run the command again."
            )
        if size:
            records = np.memmap(path, _record(manifest), "r")
            yield records["row"], records["feature"], np.arange(len(records))


def _write_rows(target: Path, parts: list[Part], manifest: Manifest) -> str:
    """Write the rows in catalog order and return their SHA-256."""
    where = np.full((manifest.rows, 2), -1, dtype=np.int64)  # number of the part, position in it
    for number, (rows, _, positions) in enumerate(parts):
        if rows.max(initial=0) >= manifest.rows:
            raise FlamError(f"got features of row {rows.max()}, expected {manifest.rows} rows")
        where[rows] = np.stack([np.full_like(positions, number), positions], axis=1)
    missing = np.flatnonzero(where[:, 0] < 0)
    if len(missing):
        raise FlamError(
            f"extraction filled {manifest.rows - len(missing)} of {manifest.rows} rows (first "
            f"missing: {missing[:3]}); it was interrupted. Run the command again."
        )
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
                raise FlamError(
                    f"the features of image {start + finite.argmin()} (counted from 0) are not "
                    f"finite (as {dtype}). The backbone diverged: train it with a smaller "
                    "backbone.lr; or use backbone.dtype=float32."
                )
            data = block.tobytes()
            content.update(data)
            out.write(data)
        out.flush()
        os.fsync(out.fileno())
    return content.hexdigest()
