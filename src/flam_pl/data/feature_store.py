"""Features on disk: a memory map, and a manifest that says what the features are of.

A store is a folder with ``features.npy`` (rows in catalog order), ``photos.npy`` (what each row is
of, see ``Catalog.photo_keys``) and ``manifest.json``. Each rank writes a shard; the shards are
merged, and one rename shows the folder: a store is whole or not there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flam_pl.atomic_io import replace_folder
from flam_pl.errors import FlamError

FORMAT = 3
CHUNK = 8192
"""Rows that are copied at a time."""


@dataclass(frozen=True)
class Manifest:
    """What the features of a store are of."""

    checkpoint: str
    """SHA-256 of the checkpoint of the backbone."""
    preprocessing: str
    images: str
    """``Catalog.fingerprint()``."""
    rows: int
    dimension: int
    dtype: str
    format: int = FORMAT

    def differences(self, other: Manifest) -> list[str]:
        """Fields that differ, each as ``field: mine, not theirs``."""
        mine, theirs = asdict(self), asdict(other)
        return [
            f"{name}: {_short(mine[name])}, not {_short(theirs[name])}"
            for name in mine
            if mine[name] != theirs[name]
        ]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:12] + "..."


class FeatureStore:
    """Read side: rows by index, from the memory map."""

    def __init__(
        self,
        folder: Path,
        array: np.ndarray,
        manifest: Manifest,
        content: str,
        positions: np.ndarray | None = None,
    ) -> None:
        """Args:
        array: features as stored, ``(S, D)``.
        content: SHA-256 of the rows: what a stage that trains on them depends on.
        positions: where each of the N rows stands in the array; None: N = S, in this order.
        """
        self.folder, self.array, self.manifest, self.content = folder, array, manifest, content
        self._positions = np.arange(len(array)) if positions is None else positions

    def __len__(self) -> int:
        return len(self._positions)

    @property
    def dimension(self) -> int:
        """D."""
        return int(self.array.shape[1])

    def rows(self, index: np.ndarray) -> Tensor:
        """Features ``(len(index), D)`` float32 of these catalog rows, in this order."""
        return torch.from_numpy(self.array[self._positions[np.asarray(index)]].astype(np.float32))

    @classmethod
    def open(cls, folder: Path) -> FeatureStore:
        """Open a store; nothing is written.

        Raises:
            FlamError: there is none, or it is damaged.
        """
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
            raise FlamError(
                f"{folder} is damaged (features.npy is {array.dtype} {array.shape}, unlike its "
                "manifest)"
            )
        return cls(folder, array, manifest, content)

    def find(self, wanted: Manifest, photos: np.ndarray) -> np.ndarray:
        """Position in ``array`` of the feature of each photo, -1 where it must be extracted.

        Args:
            wanted: what the features shall be of.
            photos: ``Catalog.photo_keys``, ``(N,)``.
        """
        if wanted == self.manifest:
            return np.arange(len(self.array))
        row_of: dict[bytes, int] = {}
        if replace(wanted, images=self.manifest.images, rows=self.manifest.rows) == self.manifest:
            with suppress(OSError, EOFError, ValueError):  # damaged: nothing is reused
                own = np.load(self.folder / "photos.npy")
                row_of = dict(zip(own.tolist(), range(len(self.array)), strict=True))
        return np.array([row_of.get(photo, -1) for photo in photos.tolist()], dtype=np.int64)

    def select(self, positions: np.ndarray) -> FeatureStore:
        """The store of these rows of ``array``, in this order."""
        if np.array_equal(positions, np.arange(len(self.array))):
            return self
        content = hashlib.sha256()
        for start in range(0, len(positions), CHUNK):
            content.update(self.array[positions[start : start + CHUNK]].tobytes())
        return FeatureStore(self.folder, self.array, self.manifest, content.hexdigest(), positions)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn an OSError while writing, mostly a full disk, into one clear message."""
    try:
        yield
    except OSError as error:
        raise FlamError(
            f"features could not be written to {folder}: {error.strerror or error}. Nothing that "
            "was there is lost. Free some disk space, or choose another place with runs_dir=."
        ) from error


class ShardWriter:
    """The features that one rank extracts, appended batch by batch.

    On a full disk a plain write raises; a memory map would kill the process.
    """

    def __init__(self, folder: Path, rank: int, dtype: str) -> None:
        self.folder, self.dtype = folder, np.dtype(dtype)
        self._index: list[np.ndarray] = []
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._index_path = folder / f"shard-{rank}.index.npy"
            # unbuffered: a full disk is noticed at the write, not at some later flush
            path = folder / f"shard-{rank}.bin"
            self._file = open(path, "wb", buffering=0)  # noqa: SIM115 (closed by ``close``)

    def append(self, rows: np.ndarray, features: Tensor) -> None:
        """Args: rows: of the catalog, ``(B,)``; features: ``(B, D)``."""
        data = memoryview(features.float().cpu().numpy().astype(self.dtype).tobytes())
        with disk_errors(self.folder):
            while data:
                data = data[self._file.write(data) :]
        self._index.append(rows)

    def close(self) -> None:
        """Write the row numbers beside the features."""
        with disk_errors(self.folder):
            self._file.close()
            np.save(self._index_path, np.concatenate(self._index or [np.zeros(0, np.int64)]))


Part = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Catalog rows ``(M,)``, an array of features, and the positions of the rows in it ``(M,)``."""


def publish(
    shards: Path, folder: Path, manifest: Manifest, photos: np.ndarray, reused: Part | None = None
) -> None:
    """Merge the shards, and what is reused, into a store that one rename puts at ``folder``.

    Args:
        shards: folder that the ``ShardWriter`` of every rank wrote to; it is removed.
        photos: what each row is of, ``(N,)``.
        reused: rows of an old store, which may lie at ``folder``.

    Raises:
        FlamError: a row is missing, or the disk is full; ``folder`` is as it was.
    """
    parts = [*_read_shards(shards, manifest), *([reused] if reused else [])]
    new = folder.with_name(f".{folder.name}.new")
    with disk_errors(folder):
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        try:
            content = _merge(parts, new / "features.npy", manifest)
            np.save(new / "photos.npy", photos)
            stored = asdict(manifest) | {"content": content}
            (new / "manifest.json").write_text(json.dumps(stored, indent=1))
            replace_folder(new, folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(shards, ignore_errors=True)


def _read_shards(shards: Path, manifest: Manifest) -> Iterator[Part]:
    for path in sorted(shards.glob("shard-*.index.npy")):
        index = np.load(path)
        raw = path.with_name(path.name.replace(".index.npy", ".bin"))
        shape = (len(index), manifest.dimension)
        expected = len(index) * manifest.dimension * np.dtype(manifest.dtype).itemsize
        if raw.stat().st_size != expected:
            raise FlamError(
                f"{raw} holds {raw.stat().st_size} bytes, expected {expected} for {len(index)} "
                "rows: the extraction was interrupted. Run the command again."
            )
        if len(index):
            yield index, np.memmap(raw, manifest.dtype, "r", shape=shape), np.arange(len(index))


def _merge(parts: list[Part], target: Path, manifest: Manifest) -> str:
    """Write the rows in catalog order.

    Returns:
        SHA-256 of the rows.
    """
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
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(manifest.dtype)),
        "fortran_order": False,
        "shape": (manifest.rows, manifest.dimension),
    }
    content = hashlib.sha256()
    with open(target, "wb") as out:
        np.lib.format.write_array_header_1_0(out, header)
        for start in range(0, len(where), CHUNK):
            chunk = where[start : start + CHUNK]
            block = np.empty((len(chunk), manifest.dimension), manifest.dtype)
            for number, (_, array, _) in enumerate(parts):
                mine = chunk[:, 0] == number
                block[mine] = array[chunk[mine, 1]]
            finite = np.isfinite(block).all(axis=1)
            if not finite.all():
                raise FlamError(
                    f"the features of image {start + int(finite.argmin())} (counted from 0) are "
                    f"not finite (as {manifest.dtype}). The backbone diverged: train it with a "
                    "smaller backbone.lr; or use backbone.dtype=float32."
                )
            written = block.tobytes()
            out.write(written)
            content.update(written)
        out.flush()
        os.fsync(out.fileno())
    return content.hexdigest()
