"""Features on disk: a memory map that is only opened if it is what was asked for.

A store is a folder with ``features.npy`` (rows in catalog order) and ``manifest.json``. It is
written by rank shards, merged, and made visible by one rename, so a folder of that name is whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flam_pl.atomic_io import replace_folder
from flam_pl.errors import FlamError

FORMAT = 2


@dataclass(frozen=True)
class Manifest:
    """What the features are of. Two manifests that differ are of different features."""

    checkpoint: str
    """SHA-256 of the backbone checkpoint."""
    preprocessing: str
    images: str
    """Fingerprint of the catalog's files and views."""
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

    def __init__(self, folder: Path, array: np.ndarray, manifest: Manifest, content: str) -> None:
        """Args:
        content: SHA-256 of the rows, what a stage trained on them depends on: photos that were
            merely copied are extracted again, to the same features, and train nothing.
        """
        self.folder, self.manifest, self.content = folder, manifest, content
        self._array = array

    def __len__(self) -> int:
        return len(self._array)

    @property
    def dimension(self) -> int:
        """D."""
        return int(self._array.shape[1])

    def rows(self, index: np.ndarray) -> Tensor:
        """Features ``(len(index), D)`` float32 of these catalog rows, in this order."""
        return torch.from_numpy(self._array[np.asarray(index)].astype(np.float32))

    @classmethod
    def open(cls, folder: Path, wanted: Manifest) -> FeatureStore | str:
        """The store, or one line that says why there is none that fits ``wanted``."""
        try:
            stored = json.loads((folder / "manifest.json").read_text())
            content = stored.pop("content", "")
            found = Manifest(**stored)
            array = np.load(folder / "features.npy", mmap_mode="r")
        except FileNotFoundError:
            return "not extracted yet"
        except (OSError, EOFError, ValueError, TypeError, AttributeError) as error:
            return f"{folder} is damaged ({error})"
        differences = wanted.differences(found)
        if differences:
            return "changed since the extraction: " + "; ".join(differences)
        if array.shape != (wanted.rows, wanted.dimension) or str(array.dtype) != wanted.dtype:
            return f"{folder}/features.npy is {array.dtype} {array.shape}, unlike its manifest"
        return cls(folder, array, found, content)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turns an OSError while writing (a full disk above all) into one clear message."""
    try:
        yield
    except OSError as error:
        raise FlamError(
            f"features could not be written to {folder}: {error.strerror or error}. Nothing that "
            "was there is lost. Free some disk space, or choose another place with runs_dir=."
        ) from error


class ShardWriter:
    """One rank's part, appended batch by batch.

    Plain writes, not a memory map: on a full disk a write raises, a memory map kills the process.
    """

    def __init__(self, folder: Path, rank: int, dtype: str) -> None:
        self.folder, self.dtype = folder, np.dtype(dtype)
        self._index: list[np.ndarray] = []
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._index_path = folder / f"shard-{rank}.index.npy"
            # unbuffered, so that a full disk is noticed at the write and not at some later flush
            path = folder / f"shard-{rank}.bin"
            self._file = open(path, "wb", buffering=0)  # noqa: SIM115 (closed by ``close``)

    def append(self, index: Tensor, features: Tensor) -> None:
        """Args: index: catalog rows ``(B,)``; features: ``(B, D)``."""
        data = memoryview(features.float().cpu().numpy().astype(self.dtype).tobytes())
        with disk_errors(self.folder):
            while data:
                data = data[self._file.write(data) :]
        self._index.append(index.cpu().numpy())

    def close(self) -> None:
        """Finish the shard: its rows are told beside it."""
        with disk_errors(self.folder):
            self._file.close()
            np.save(self._index_path, np.concatenate(self._index or [np.zeros(0, np.int64)]))


def publish(shards: Path, folder: Path, manifest: Manifest) -> None:
    """Merge the shards into a store at ``folder``, replacing what is there by a rename.

    Args:
        shards: folder that the ``ShardWriter``s of all ranks wrote; it is removed.
        folder: where the store appears, whole or not at all.

    Raises:
        FlamError: a row was not filled, or the disk is full; what was at ``folder`` is still there.
    """
    new = folder.with_name(f".{folder.name}.new")
    with disk_errors(folder):
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        try:
            content = _merge(shards, new / "features.npy", manifest)
            stored = asdict(manifest) | {"content": content}
            (new / "manifest.json").write_text(json.dumps(stored, indent=1))
            replace_folder(new, folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(shards, ignore_errors=True)


def _merge(shards: Path, target: Path, manifest: Manifest) -> str:
    """Rows in catalog order from all shards, written front to back.

    Returns:
        SHA-256 of the rows.
    """
    parts, order, content = [], [], hashlib.sha256()
    for number, path in enumerate(sorted(shards.glob("shard-*.index.npy"))):
        index = np.load(path)
        raw = path.with_name(path.name.replace(".index.npy", ".bin"))
        shape = (len(index), manifest.dimension)
        expected = len(index) * manifest.dimension * np.dtype(manifest.dtype).itemsize
        if raw.stat().st_size != expected:
            raise FlamError(
                f"{raw} holds {raw.stat().st_size} bytes, expected {expected} for {len(index)} "
                "rows: the extraction was interrupted. Run the command again."
            )
        parts.append(
            np.memmap(raw, manifest.dtype, "r", shape=shape)
            if len(index)
            else np.zeros(shape, manifest.dtype)
        )
        order.append(np.stack([index, np.full_like(index, number), np.arange(len(index))], axis=1))
    where = np.concatenate(order) if order else np.zeros((0, 3), np.int64)
    # under DDP the sampler pads the last batches: a row may come twice, with the same features
    rows, first = np.unique(where[:, 0], return_index=True)
    if not np.array_equal(rows, np.arange(manifest.rows)):
        missing = np.setdiff1d(np.arange(manifest.rows), rows)
        raise FlamError(
            f"extraction filled {len(rows)} of {manifest.rows} rows (first missing: {missing[:3]});"
            " it was interrupted. Run the command again."
        )
    where = where[first]
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(manifest.dtype)),
        "fortran_order": False,
        "shape": (manifest.rows, manifest.dimension),
    }
    with open(target, "wb") as out:
        np.lib.format.write_array_header_1_0(out, header)
        for start in range(0, len(where), 8192):
            chunk = where[start : start + 8192]
            block = np.empty((len(chunk), manifest.dimension), manifest.dtype)
            for number, part in enumerate(parts):
                mine = chunk[:, 1] == number
                block[mine] = part[chunk[mine, 2]]
            if not np.isfinite(block).all():
                bad = chunk[~np.isfinite(block).all(axis=1), 0][0]
                raise FlamError(
                    f"the features of image {bad} (counted from 0) are not finite (as "
                    f"{manifest.dtype}). The backbone diverged: train it with a smaller "
                    "backbone.lr; or use backbone.dtype=float32."
                )
            written = block.tobytes()
            out.write(written)
            content.update(written)
        out.flush()
        os.fsync(out.fileno())
    return content.hexdigest()
