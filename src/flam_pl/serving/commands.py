"""The commands ``index`` and ``serve`` with their settings. They do not need Hydra."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from typing import TYPE_CHECKING

from flam_pl.errors import ConfigError, FlamError
from flam_pl.serving.settings import read_settings

if TYPE_CHECKING:
    from flam_pl.serving.photo_lists import Listed


@dataclass(frozen=True)
class Build:
    """Settings of ``index build`` and ``index add``."""

    bundle: str
    gallery: str
    photos: str
    image: str = ""
    id: str = ""
    columns: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    item: str = ""
    batch: int = 64
    device: str | None = None
    index: str | None = None


@dataclass(frozen=True)
class Delete:
    gallery: str
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Named:
    gallery: str


@dataclass(frozen=True)
class Copy:
    gallery: str
    to: str


@dataclass(frozen=True)
class Duplicates:
    gallery: str
    bundle: str = ""
    near: float | None = None


@dataclass(frozen=True)
class Extract:
    """Settings of ``index extract``; ``cluster.extract`` explains them."""

    bundle: str
    photos: str
    shards: str
    image: str = ""
    id: str = ""
    columns: tuple[str, ...] = ()
    item: str = ""
    workers: int = 2
    gpus_per_worker: float = 0.0
    batch: int = 64
    rows_per_shard: int = 512


@dataclass(frozen=True)
class Import:
    shards: str
    gallery: str


@dataclass(frozen=True)
class Serve:
    """Settings of ``serve``; ``web.options.Options`` explains most of them."""

    bundle: str
    gallery: str
    host: str = "127.0.0.1"
    port: int = 8000
    key: str = ""
    hosts: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    folder: str | None = None
    show_uris: bool = False
    redirect: bool = False
    batch: int = 16
    waiting: int = 64
    device: str | None = None
    runtime: str | None = None


def build(words: Sequence[str], delete_others: bool = True) -> None:
    """Make the gallery hold exactly the listed photos; only new and changed ones are extracted."""
    settings = read_settings(words, Build, "index build" if delete_others else "index add")
    from flam_pl.serving.photo_lists import list_photos

    s = settings
    fill(s, list_photos(s.photos, s.image, s.id, s.columns, s.only, s.item), delete_others)


def fill(settings: Build, photos: Sequence[Listed], delete_others: bool) -> None:
    """Bring the gallery up to date with a list, and print what was done."""
    from flam_pl.galleries.sqlite_faiss import SqliteGallery
    from flam_pl.galleries.stored import open_gallery
    from flam_pl.serving.bundle import Bundle
    from flam_pl.serving.indexing import index_photos
    from flam_pl.serving.queries import sample_queries
    from flam_pl.serving.runtime import open_runtime

    start, bundle = time.monotonic(), Bundle.load(settings.bundle)
    place = settings.gallery, bundle.space, bundle.dimension
    gallery = open_gallery(*place, index=settings.index)
    try:
        networks = partial(open_runtime, bundle, device=settings.device)
        done = index_photos(gallery, networks, photos, settings.batch, delete_others)
        print(f"{done}, {time.monotonic() - start:.1f} s")
        if done.extracted or done.deleted:
            if isinstance(gallery, SqliteGallery):
                print(gallery.build_index(sample_queries(gallery, bundle, networks())))
            else:
                print(gallery.info())
    finally:
        gallery.close()


def add(words: Sequence[str]) -> None:
    """Add the listed photos; bring those already in the gallery up to date."""
    build(words, delete_others=False)


def delete(words: Sequence[str]) -> None:
    """Delete the photos with these ids."""
    settings = read_settings(words, Delete, "index delete")
    from flam_pl.galleries.stored import open_gallery

    gallery = open_gallery(settings.gallery)
    try:
        print(f"{gallery.delete(settings.ids):,} of {len(settings.ids):,} photos deleted")
    finally:
        gallery.close()


def info(words: Sequence[str]) -> None:
    """Say what a gallery holds."""
    settings = read_settings(words, Named, "index info")
    from flam_pl.galleries.stored import open_gallery

    gallery = open_gallery(settings.gallery)
    try:
        print(gallery.info())
    finally:
        gallery.close()


def copy(words: Sequence[str]) -> None:
    """Copy a gallery, for example from a file to a cluster; a stopped copy can go on."""
    settings = read_settings(words, Copy, "index copy")
    from flam_pl.galleries.copy import copy_gallery
    from flam_pl.galleries.stored import open_gallery

    source = open_gallery(settings.gallery)
    target = open_gallery(settings.to, source.space, source.dimension)
    try:
        print(f"{copy_gallery(source, target):,} photos copied to {settings.to}")
    finally:
        source.close()
        target.close()


def duplicates(words: Sequence[str]) -> None:
    """List photos with the same content; with near=.98 and bundle=, also nearly the same ones."""
    settings = read_settings(words, Duplicates, "index duplicates")
    from flam_pl.galleries.stored import open_gallery
    from flam_pl.serving.bundle import Bundle
    from flam_pl.serving.indexing import duplicates as found

    near = None
    if settings.near is not None:
        if not settings.bundle:
            raise ConfigError("index duplicates: near= needs bundle=, whose features it compares")
        near = settings.near, Bundle.load(settings.bundle).contents.dimension
    gallery = open_gallery(settings.gallery)
    try:
        groups = found(gallery, near)
    finally:
        gallery.close()
    for group in groups:
        print(" ".join(group))
    print(f"{len(groups):,} groups with {sum(map(len, groups)) - len(groups):,} further copies")


def extract(words: Sequence[str]) -> None:
    """Extract a large list with Ray Data, on one machine or a cluster, into Parquet shards."""
    settings = asdict(read_settings(words, Extract, "index extract"))
    from flam_pl.serving import cluster

    cluster.extract(
        settings.pop("photos"), settings.pop("bundle"), settings.pop("shards"), **settings
    )


def import_shards(words: Sequence[str]) -> None:
    """Bring finished shards into a gallery."""
    settings = read_settings(words, Import, "index import")
    from flam_pl.serving import cluster

    cluster.bulk_import(settings.shards, settings.gallery)


ACTIONS: dict[str, Callable[[Sequence[str]], None]] = {
    "build": build,
    "add": add,
    "delete": delete,
    "info": info,
    "copy": copy,
    "duplicates": duplicates,
    "extract": extract,
    "import": import_shards,
}


def index(words: Sequence[str]) -> None:
    """Make, change, copy or describe the gallery of a catalogue."""
    action = ACTIONS.get(words[0]) if words else None
    if action is None:
        got = words[0] if words else "nothing"
        raise FlamError(f"flam-pl index: got {got!r}; expected one of {', '.join(ACTIONS)}")
    action(words[1:])


def serve(words: Sequence[str]) -> None:
    """Serve the search: the page and the HTTP interface."""
    settings = read_settings(words, Serve, "serve")
    start_service(settings)


def start_service(
    settings: Serve,
    started: Callable[[str], None] = lambda address: print(f"serving at {address}", flush=True),
) -> None:
    from flam_pl.serving.searcher import Searcher
    from flam_pl.serving.service import Options
    from flam_pl.serving.service import serve as run

    searcher = Searcher.load(
        settings.bundle, settings.gallery, device=settings.device, runtime=settings.runtime
    )
    searcher.runtime.ready()
    known = {each.name for each in fields(Options)}
    options = Options(**{name: value for name, value in vars(settings).items() if name in known})
    run(searcher, options, started)
