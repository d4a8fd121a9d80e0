"""Galleries of photos that outlive a process, and how one is opened."""

from __future__ import annotations

from pathlib import Path

from flam_pl.galleries.items import (
    ITEM,
    Distinct,
    Found,
    Info,
    Item,
    Range,
    StoredGallery,
    UnknownItem,
    Value,
    Where,
)

__all__ = [
    "ITEM",
    "Distinct",
    "Found",
    "Info",
    "Item",
    "Range",
    "StoredGallery",
    "UnknownItem",
    "Value",
    "Where",
    "open_gallery",
]


def open_gallery(
    address: str | Path,
    space: str | None = None,
    dimension: int | None = None,
    *,
    index: str | None = None,
) -> StoredGallery:
    """Open a gallery; one that is not there is made if ``space`` and ``dimension`` are given.

    ``address``: a file such as ``shop.db``; ``milvus:shop_milvus.db`` for a file of Milvus Lite;
    ``http://host:19530/collection`` for a cluster of Milvus. ``index``: the kind of index in place
    of the one that fits the number of photos.

    Raises:
        FlamError: there is no such gallery, or it is of another bundle or another dimension.
    """
    address = str(address)
    if address.startswith(("milvus:", "http://", "https://")):
        from flam_pl.galleries.milvus import MilvusGallery

        return MilvusGallery(address, space, dimension, index=index)
    from flam_pl.galleries.sqlite_faiss import SqliteGallery

    return SqliteGallery(address, space, dimension, index=index)
