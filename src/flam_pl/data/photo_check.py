"""The content hash of each photo, and whether it can be used."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from flam_pl.atomic_io import only_writer, write_text
from flam_pl.datasets.catalog import Catalog
from flam_pl.images import UnreadableImage, decode
from flam_pl.progress import progress


class Photo(NamedTuple):
    """A file as it was when it was read."""

    size: int  # bytes
    mtime: int  # time of the last change, ns
    content: str  # SHA-256; empty if the file cannot be opened
    finding: int | str  # shorter side in pixels, or why it cannot be decoded


def check_photos(
    catalog: Catalog, min_side: int = 8, memory: Path | None = None, write: bool = True
) -> tuple[Catalog, dict[int, str]]:
    """The catalog with content hashes, and row -> reason of photos that cannot be used.

    ``memory`` is a JSON file with earlier findings. One process of a DDP run adds to it (``write``)
    while the others wait.
    """
    paths = {str(path): os.path.abspath(catalog.root / path) for path in catalog.table["path"]}
    store = memory if write else None
    with only_writer(store) if store else nullcontext():
        known = _recall(memory)
        photos = _read_changed(paths.values(), known)
        lasting = {file: photo for file, photo in photos.items() if photo.content}
        if store and lasting != known:
            write_text(store, json.dumps(lasting))
    bad = {}
    for row, path in enumerate(catalog.table["path"]):
        finding = photos[paths[path]].finding
        if isinstance(finding, str):
            bad[row] = f"unreadable: {finding}"
        elif finding < min_side:
            bad[row] = f"smaller than {min_side} pixels"
    contents = {path: photos[file].content for path, file in paths.items() if file in lasting}
    return replace(catalog, contents=contents), bad


def _recall(memory: Path | None) -> dict[str, Photo]:
    try:
        stored = json.loads(memory.read_bytes()) if memory else {}
        return {file: Photo(*entry) for file, entry in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _read_changed(files: Collection[str], known: Mapping[str, Photo]) -> dict[str, Photo]:
    """Files whose size and time are known are not read."""

    def same(file: str) -> bool:
        try:
            state, photo = os.stat(file), known[file]
        except (OSError, KeyError):
            return False
        return (state.st_size, state.st_mtime_ns) == (photo.size, photo.mtime)

    changed = [file for file in files if not same(file)]
    findings = {photo.content: photo.finding for photo in known.values()}
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # decoding releases the GIL
        read = threads.map(partial(_read, findings=findings), changed)
        new = dict(zip(changed, progress(read, "checking images", len(changed)), strict=True))
    return {file: new[file] if file in new else known[file] for file in files}


def _read(file: str, findings: Mapping[str, int | str]) -> Photo:
    try:
        state = os.stat(file)  # before the read: should the file change, it is read again
        data = Path(file).read_bytes()
    except OSError as error:
        return Photo(0, 0, "", f"cannot be opened ({error.strerror})")
    content = hashlib.sha256(data).hexdigest()
    finding = findings.get(content)
    if finding is None:
        try:
            finding = min(decode(data, Path(file)).shape[-2:])
        except UnreadableImage as error:
            finding = error.reason
    return Photo(state.st_size, state.st_mtime_ns, content, finding)
