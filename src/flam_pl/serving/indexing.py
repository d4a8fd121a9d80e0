"""Fills a gallery from a list of photos; extracts only new and changed photos."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np

from flam_pl.errors import FlamError
from flam_pl.galleries.items import Item, StoredGallery, check_names
from flam_pl.images.files import UnreadableImage, read_file
from flam_pl.serving.photo_lists import Listed
from flam_pl.serving.runtime import Runtime, gallery_vectors
from flam_pl.terminal.progress import progress

SHOWN = 5  # unusable photos that are named


@dataclass
class Indexed:
    """Counts of what ``index_photos`` did."""

    extracted: int = 0  # new photos, and photos whose content has changed
    updated: int = 0  # photos of which only the columns or the time of the file have changed
    unchanged: int = 0
    deleted: int = 0
    unusable: list[str] = field(default_factory=list)  # messages

    def __str__(self) -> str:
        counts = (
            f"{self.extracted:,} photos extracted, {self.updated:,} updated, "
            f"{self.unchanged:,} unchanged, {self.deleted:,} deleted"
        )
        if not self.unusable:
            return counts
        more = len(self.unusable) - SHOWN
        lines = [f"photos that cannot be used: {len(self.unusable):,}", *self.unusable[:SHOWN]]
        return "\n  ".join([counts, *lines, *([f"and {more:,} more"] if more > 0 else [])])


@dataclass(frozen=True)
class Read:
    """A photo that was read from disk."""

    listed: Listed
    stamp: str
    hash: str
    pixels: np.ndarray | None  # None: the gallery has this content already


def index_photos(
    gallery: StoredGallery,
    open_networks: Callable[[], Runtime],
    photos: Sequence[Listed],
    batch: int = 64,
    delete_others: bool = False,
) -> Indexed:
    """Bring a gallery up to date. Each batch is durable: a stopped command goes on where it was.

    ``open_networks`` is called if a photo must be read. ``delete_others`` removes photos that the
    list lacks, and photos whose file is gone from its folder. Raises FlamError if no photo can be
    read.
    """
    known, done = gallery.stamps(), Indexed()
    waiting: list[tuple[Listed, str]] = []
    missing: set[str] = set()
    for listed in photos:
        try:
            check_names(listed.id, str(listed.path), listed.columns)
            stamp = stamp_of(listed)
        except FlamError as error:
            done.unusable.append(str(error))
            continue
        except OSError as error:
            done.unusable.append(f"{listed.path}: {error.strerror}")
            if isinstance(error, FileNotFoundError) and listed.path.parent.is_dir():
                missing.add(listed.id)
            continue
        if known.get(listed.id, ("", ""))[0] == stamp:
            done.unchanged += 1
        else:
            waiting.append((listed, stamp))

    if waiting:
        extract(gallery, open_networks(), waiting, batch, done)
    if photos and len(done.unusable) == len(photos):
        raise FlamError(
            f"none of the {len(photos):,} photos can be read, such as {done.unusable[0]}; the "
            "gallery stays as it was. Check the list and its folder."
        )
    if delete_others:
        gone = sorted(set(known) - ({listed.id for listed in photos} - missing))
        for part_of in batches(gone, 1000):
            done.deleted += gallery.delete(part_of)
    return done


def extract(
    gallery: StoredGallery,
    runtime: Runtime,
    waiting: Sequence[tuple[Listed, str]],
    batch: int,
    done: Indexed,
) -> None:
    """Read photos, each with its stamp, and add them in batches."""
    hashes = {name: of for name, (_, of) in gallery.stamps().items()}

    def read(each: tuple[Listed, str]) -> Read | str:
        listed, stamp = each
        try:
            data = read_file(listed.path)
            found = hashlib.sha256(data).hexdigest()
            is_known = hashes.get(listed.id) == found
            pixels = None if is_known else runtime.pixels(data, listed.path)
            return Read(listed, stamp, found, pixels)
        except UnreadableImage as error:
            return str(error)

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        bar = progress(None, "indexing", total=len(waiting))
        for part in batches(waiting, batch):
            found = list(pool.map(read, part))
            done.unusable += [each for each in found if isinstance(each, str)]
            add_batch(gallery, runtime, [each for each in found if isinstance(each, Read)], done)
            bar.update(len(part))
        bar.close()


def add_batch(
    gallery: StoredGallery, runtime: Runtime, found: Sequence[Read], done: Indexed
) -> None:
    """Add one batch: all of it or none."""
    new = [each for each in found if each.pixels is not None]
    same = [each for each in found if each.pixels is None]
    items: list[Item] = []
    if new:
        features = runtime.features([each.pixels for each in new if each.pixels is not None])
        vectors, lengths = gallery_vectors(features, runtime.read(features)[0])
        for each, vector, length in zip(new, vectors, lengths, strict=True):
            listed = each.listed
            where = str(listed.path), listed.columns, each.hash
            items.append(Item(listed.id, *where, vector, float(length), each.stamp))
    stored = gallery.fetch([each.listed.id for each in same])
    for each, old in zip(same, stored, strict=True):
        listed = each.listed
        items.append(replace(old, uri=str(listed.path), columns=listed.columns, stamp=each.stamp))
    if items:
        gallery.add(items)
    done.extracted += len(new)
    done.updated += len(same)


def stamp_of(listed: Listed) -> str:
    state = os.stat(listed.path)
    return f"{state.st_size}-{state.st_mtime_ns}-{listed.columns_hash}"


def batches(items: Iterable, size: int) -> Iterator[list]:
    source = iter(items)
    while part := list(islice(source, size)):
        yield part


def duplicates(gallery: StoredGallery, near: tuple[float, int] | None = None) -> list[list[str]]:
    """Groups of photos with the same content; the photo that was added first comes first.

    ``near``: the least cosine of two features that count as the same, and the feature's dimension
    D.
    """
    ids, stamps = gallery.ids(0, len(gallery)), gallery.stamps()
    order = {name: number for number, name in enumerate(ids)}
    groups = Groups(len(ids))
    first: dict[str, int] = {}
    for name, number in order.items():
        groups.join(first.setdefault(stamps[name][1], number), number)
    if near is not None:
        for part in batches(ids, 256):
            for name, found in zip(part, neighbours(gallery, part, *near), strict=True):
                for other in found:
                    groups.join(order[other], order[name])
    return [[ids[number] for number in group] for group in groups.several()]


class Groups:
    """Numbers in disjoint groups (union-find)."""

    def __init__(self, count: int) -> None:
        self.parent = list(range(count))

    def root(self, number: int) -> int:
        while self.parent[number] != number:
            self.parent[number] = number = self.parent[self.parent[number]]
        return number

    def join(self, one: int, other: int) -> None:
        least, most = sorted((self.root(one), self.root(other)))
        self.parent[most] = least

    def several(self) -> list[list[int]]:
        """The groups of two or more, each in ascending order."""
        found: dict[int, list[int]] = {}
        for number in range(len(self.parent)):
            found.setdefault(self.root(number), []).append(number)
        return [group for group in found.values() if len(group) > 1]


def neighbours(
    gallery: StoredGallery, ids: Sequence[str], least: float, dimension: int
) -> list[list[str]]:
    """Per photo, the ids of up to 20 photos whose features have at least the cosine ``least``.

    Raises FlamError for a cosine outside (0, 1].
    """
    if not 0 < least <= 1:
        raise FlamError(f"near is {least}; expected a cosine above 0, at most 1")
    queries = np.stack([item.vector.astype(np.float32) for item in gallery.fetch(ids)])
    queries[:, dimension:] = 0
    found = gallery.search(queries, 20)
    return [
        [name for name, score in zip(names, scores, strict=True) if score >= least]
        for names, scores in zip(found.ids, found.scores, strict=True)
    ]
