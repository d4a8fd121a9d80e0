"""Hashes of photos, and which photos can be used."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from flam_pl.atomic_io import only_writer, write_text
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.splits import identical_on_two_sides
from flam_pl.images.files import UnreadableImage, read_file, shorter_side
from flam_pl.images.pixels import decode, pixels_hash
from flam_pl.terminal.progress import progress


class Photo(NamedTuple):  # a file as it was read
    size: int  # bytes
    mtime: int  # time of the last change, ns
    content: str  # SHA-256; empty if the file cannot be opened
    finding: int | str  # shorter side in pixels, or why it cannot be decoded
    pixels: str  # hash of the decoded pixels; empty if it cannot be or was not decoded

    @property
    def is_undecoded(self) -> bool:
        return isinstance(self.finding, int) and not self.pixels


FIELD_TYPES = ([int, int, str, int, str], [int, int, str, str, str])


def check_photos(
    catalog: Catalog,
    min_side: int = 8,
    memory: Path | None = None,
    write: bool = True,
    decoding: bool = True,
) -> tuple[Catalog, dict[int, str]]:
    """The catalog with hashes of files and pixels, and row -> reason for unusable photos.

    ``memory``: a JSON file of earlier findings; with ``write``, new findings are added. Without
    ``decoding``, only headers of unknown photos are read: ``note`` adds pixel hashes later.
    """
    paths = {str(path): os.path.abspath(catalog.root / path) for path in catalog.table["path"]}
    may_write = (
        write and memory and (not memory.parent.exists() or os.access(memory.parent, os.W_OK))
    )
    store = memory if may_write else None
    with only_writer(store) if store else nullcontext():
        known = _recall(memory)
        photos = _read_changed(paths.values(), known, decoding, catalog.intact)
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
    pixels = {path: photos[file].pixels for path, file in paths.items() if photos[file].pixels}
    checked = replace(catalog, contents=contents, pixels=pixels)
    return replace(checked, notes=(*catalog.notes, *_twin_notes(checked))), bad


def note(memory: Path, found: Iterable[tuple[str, str, str]]) -> None:
    """Add (path, hash of the pixels, reason or "") of photos not decoded before."""
    with only_writer(memory):
        known, new = _recall(memory), dict[str, Photo]()
        for path, pixels, reason in found:
            photo = known.get(file := os.path.abspath(path))
            if photo and photo.is_undecoded:
                new[file] = photo._replace(finding=reason or photo.finding, pixels=pixels)
        if new:
            write_text(memory, json.dumps(known | new))


def _twin_notes(catalog: Catalog) -> list[str]:
    """Notes on equal pixels in two splits or of two items."""
    codes, rows = catalog.pixel_codes, catalog.instance_rows()
    table = catalog.table.assign(content=catalog.table["path"].map(catalog.contents))
    # the readers have noted equal files already: these have other bytes
    several = (table.groupby(codes)["content"].transform("nunique") > 1) & (table["view"] == 0)
    others, same = several.to_numpy(bool), "have the same pixels as"
    notes = identical_on_two_sides(table[others], codes[others], same)
    items = table.iloc[rows].groupby(codes[rows])["item"].transform("nunique")
    if count := int((items > 1).sum()):
        what = f"photos of the instance search {same} a photo of another item"
        notes.append(f"{count} {what}: each counts as a match of both items")
    return notes


def _recall(memory: Path | None) -> dict[str, Photo]:
    try:
        stored = json.loads(memory.read_bytes()) if memory else {}
        found = {file: Photo(*entry) for file, entry in stored.items()}
        return {file: photo for file, photo in found.items() if [*map(type, photo)] in FIELD_TYPES}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _read_changed(
    files: Collection[str], known: Mapping[str, Photo], decoding: bool, intact: Mapping[str, int]
) -> dict[str, Photo]:
    """Reads files of new size or time; for ``intact`` ones, the hash of the bytes is that of the
    pixels."""
    known = {file: of for file, of in known.items() if not (decoding and of.is_undecoded)}
    states = {file: _state(file) for file in files}  # should one change now, it is read again
    changed = [file for file in files if file not in known or known[file][:2] != states[file]]
    findings: dict[str, tuple[int | str, str]] = {of: (side, of) for of, side in intact.items()}
    findings |= {photo.content: (photo.finding, photo.pixels) for photo in known.values()}
    # decoding releases the GIL; more threads would only need more memory
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        read = threads.map(lambda file: _read(file, states[file], findings, decoding), changed)
        new = dict(zip(changed, progress(read, "checking images", len(changed)), strict=True))
    return {file: new[file] if file in new else known[file] for file in files}


def _state(file: str) -> tuple[int, int]:
    with suppress(OSError, ValueError):
        state = os.stat(file)
        return state.st_size, state.st_mtime_ns
    return 0, 0


def _read(file: str, state: tuple[int, int], findings: Mapping[str, Any], decoding: bool) -> Photo:
    content = ""
    try:
        data = read_file(Path(file))
        content = hashlib.sha256(data).hexdigest()
        if content in findings:
            return Photo(*state, content, *findings[content])
        if not decoding:
            return Photo(*state, content, shorter_side(data, Path(file)), "")
        image = decode(data, Path(file))
    except UnreadableImage as error:
        return Photo(*state, content, error.reason, "")
    return Photo(*state, content, min(image.shape[-2:]), pixels_hash(image))
