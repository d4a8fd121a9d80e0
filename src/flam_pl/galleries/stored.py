"""Galleries stored on disk or in a cluster."""

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
    """Open a gallery; make a missing one if ``space`` and ``dimension`` are given.

    ``address``: a file such as ``shop.db``; ``milvus:shop_milvus.db`` for a file of Milvus Lite;
    ``http://host:19530/collection`` for a Milvus cluster. ``index``: the kind of index; None: by
    the number of photos.

    Raises:
        FlamError: the gallery is missing, or of another bundle or dimension.
    """
    address = str(address)
    if address.startswith(("milvus:", "http://", "https://")):
        from flam_pl.galleries.milvus import MilvusGallery

        return MilvusGallery(address, space, dimension, index=index)
    from flam_pl.galleries.sqlite_faiss import SqliteGallery

    return SqliteGallery(address, space, dimension, index=index)
