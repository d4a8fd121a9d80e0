"""Adds shards to a gallery."""

from __future__ import annotations

from pathlib import Path

from flam_pl.errors import FlamError
from flam_pl.galleries.items import Item, StoredGallery, UnknownItem
from flam_pl.galleries.stored import open_gallery
from flam_pl.serving.cluster.shards import Store
from flam_pl.terminal.progress import progress


def is_same(new: Item, old: Item) -> bool:
    """Whether photo and columns are the same; the stamp covers the columns."""
    return (new.uri, new.hash, new.stamp) == (old.uri, old.hash, old.stamp)


def bulk_import(shards: str | Path, gallery: str | Path | StoredGallery) -> int:
    """Add the photos of finished shards to a gallery; return the number added.

    Photos that the gallery already holds, unchanged, are skipped: a stopped import can go on. The
    photos of a shard are added together. A gallery given by its address is made if missing.

    Raises:
        FlamError: the extraction has not finished, a shard is damaged, or the gallery was made by
            another bundle.
    """
    store = Store(str(shards))
    listed = store.read_list()
    place = listed.space, listed.dimension
    ours = isinstance(gallery, str | Path)
    target = open_gallery(gallery, *place) if isinstance(gallery, str | Path) else gallery
    added = unreadable = 0
    try:
        if (target.space, target.dimension) != place:
            raise FlamError(
                f"{shards} was made by another bundle: its vectors are of {listed.space!r} with "
                f"{listed.dimension} numbers, those of the gallery of {target.space!r} with "
                f"{target.dimension}. Extract the photos with the bundle of the gallery"
            )
        for name in progress(listed.names, "importing"):
            items, skipped = store.read(name, listed)
            unreadable += skipped
            try:
                known = target.fetch([item.id for item in items])
                pairs = zip(items, known, strict=True)
                items = [new for new, old in pairs if not is_same(new, old)]
            except UnknownItem:
                pass
            if items:
                target.add(items)
            added += len(items)
    finally:
        if ours:
            target.close()
    print(f"{added:,} photos added; {unreadable:,} unreadable ones left out", flush=True)
    return added
