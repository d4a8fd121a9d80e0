"""Copies a gallery into another one."""

from __future__ import annotations

from flam_pl.errors import FlamError
from flam_pl.galleries.items import StoredGallery
from flam_pl.terminal.progress import progress


def copy_gallery(source: StoredGallery, target: StoredGallery, batch: int = 1000) -> int:
    """Add every photo of ``source`` that ``target`` lacks or holds differently; return the number.

    A stopped copy goes on when called again. Photos that only ``target`` has stay. FlamError for
    galleries of two bundles.
    """
    if (source.space, source.dimension) != (target.space, target.dimension):
        raise FlamError(
            f"the galleries are of two bundles: {source.space!r} with {source.dimension} numbers "
            f"per photo, and {target.space!r} with {target.dimension}"
        )
    there, here = target.stamps(), source.stamps()
    missing = [id for id, stamp in here.items() if there.get(id) != stamp]
    bar = progress(None, "copying photos", total=len(missing))
    for start in range(0, len(missing), batch):
        part = missing[start : start + batch]
        target.add(source.fetch(part))
        bar.update(len(part))
    bar.close()
    return len(missing)
