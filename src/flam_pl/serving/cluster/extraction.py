"""Writes the gallery vectors of a list of photos into shards, by Ray Data."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from flam_pl.errors import FlamError
from flam_pl.serving.bundle import Bundle
from flam_pl.serving.cluster.shards import (
    Photo,
    ShardList,
    Store,
    absolute,
    read_photo,
    shard_name,
    stamp_of,
)
from flam_pl.serving.indexing import batches
from flam_pl.serving.photo_lists import Listed, iter_photos
from flam_pl.serving.runtime import Runtime, gallery_vectors, open_runtime
from flam_pl.terminal.progress import progress

THREADS = 8  # that read and decode the photos of one shard
LISTING, DECODING, WORKING = 0.25, 0.5, 0.5  # CPUs that Ray reserves for each task


@dataclass(frozen=True)
class Extraction:
    """Counts of what ``extract`` did."""

    photos: int
    unreadable: int  # noted in their shards
    shards: int
    computed: int  # shards; the others were there

    def __str__(self) -> str:
        return (
            f"{self.photos:,} photos, {self.unreadable:,} of them unreadable, in {self.shards:,} "
            f"shards, {self.computed:,} of them new"
        )


@dataclass(frozen=True)
class Job:
    """The settings of an extraction, for every machine."""

    source: str
    listing: Mapping[str, Any]  # arguments of ``iter_photos``
    bundle: str
    space: str
    shards: str
    rows: int
    batch: int
    runtime: str
    device: str | None


def extract(
    source: str | Path,
    bundle: str | Path,
    shards: str | Path,
    *,
    workers: int = 2,
    gpus_per_worker: float = 0,
    batch: int = 64,
    rows_per_shard: int = 512,
    image: str = "",
    id: str = "",
    columns: Sequence[str] = (),
    item: str = "",
    runtime: str | None = None,
) -> Extraction:
    """Write the gallery vectors of all photos of a list into the folder ``shards``.

    A stopped extraction goes on when called again: finished shards stay, and each worker computes
    at most one shard again. A worker that dies is replaced. The shard of an unreadable photo holds
    the reason. ``source``, ``image``, ``id``, ``columns`` and ``item`` are those of
    ``photo_lists.list_photos``.

    Args:
        workers: processes that hold the networks.
        gpus_per_worker: share of a GPU that each worker gets; 0 for the CPU.
        batch: photos that pass through the networks at once.
        rows_per_shard: photos of a shard; a worker holds a few times as many decoded in memory.

    Raises:
        FlamError: Ray is missing or has too few CPUs, or the list or the bundle is unusable.
    """
    if not find_spec("ray"):
        raise FlamError('extraction on a cluster needs Ray: pip install "flam-pl[ray]"')
    for name, value in (("workers", workers), ("batch", batch), ("rows_per_shard", rows_per_shard)):
        if value < 1:
            raise FlamError(f"{name} is {value}; expected at least 1")
    opened, runtime = Bundle.load(bundle), runtime or ("torch" if find_spec("torch") else "onnx")
    if runtime != "torch":
        open_runtime(opened, runtime)  # else a worker would be the first to find it missing
    job = Job(
        source=str(Path(source).expanduser().absolute()),
        listing={"image": image, "id": id, "columns": tuple(columns), "item": item},
        bundle=str(opened.folder.absolute()),
        space=opened.space,
        shards=absolute(str(shards)),
        rows=rows_per_shard,
        batch=batch,
        runtime=runtime,
        device=None if gpus_per_worker else "cpu",
    )
    total, store = checked_total(job), Store(job.shards)
    store.create()
    found = []
    with ray_running(workers), settings_of_ray_data(), plain_errors():
        bar = progress(None, "extracting", total=total)
        for row in finished_shards(job, workers, gpus_per_worker):
            found.append(row)
            bar.update(row["photos"])
        bar.close()
    found.sort(key=lambda row: row["number"])
    store.write_list(ShardList(job.space, opened.dimension, tuple(row["name"] for row in found)))
    done = Extraction(
        photos=sum(row["photos"] for row in found),
        unreadable=sum(row["unreadable"] for row in found),
        shards=len(found),
        computed=sum(not row["was_there"] for row in found),
    )
    print(done, flush=True)
    return done


def finished_shards(job: Job, workers: int, gpus: float) -> Iterator[dict[str, Any]]:
    """Number, name and counts of every shard, in the order in which shards are written."""
    import ray.data

    # without GPUs, Ray Data decodes in the workers: it joins steps that need the same resources
    start: Any = ray.data.from_items([{"start": 0}], override_num_blocks=1)
    pieces = start.map_batches(pieces_of, fn_kwargs={"job": job}, num_cpus=LISTING)
    decoded = pieces.map(decode, fn_kwargs={"job": job}, num_cpus=DECODING)
    written = decoded.map(
        Extractor,
        fn_constructor_kwargs={"job": job},
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=WORKING,
        num_gpus=gpus or None,
    )
    yield from written.iter_rows()


def checked_total(job: Job) -> int:
    """The number of listed photos. Raises FlamError for an empty list, or an id listed twice."""

    def mark(listed: Listed) -> int:
        name = listed.id or listed.uri  # many photos without an id are no double
        data = name.encode("utf-8", "surrogatepass")  # a file's name may be no Unicode
        return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")

    marks = np.fromiter(map(mark, iter_photos(job.source, **job.listing)), np.uint64)
    marks.sort()  # 8 bytes per photo, where a set of ids takes over 100
    doubled = set(marks[1:][marks[1:] == marks[:-1]].tolist())
    if doubled:
        photos = iter_photos(job.source, **job.listing)
        name, count = Counter(p.id for p in photos if mark(p) in doubled).most_common(1)[0]
        if count > 1:
            raise FlamError(f"{job.source} has the id {name!r} {count} times; expected it once")
    if not len(marks):
        raise FlamError(f"{job.source} lists no photo")
    return len(marks)


def pieces_of(start: Mapping[str, Any], job: Job) -> Iterator[dict[str, list]]:
    """Per shard, its photos as JSON."""
    photos = iter_photos(job.source, **job.listing)
    for number, part in enumerate(batches(photos, job.rows)):
        rows = [asdict(Photo.of(listed)) for listed in part]
        yield {"number": [number], "rows": [json.dumps(rows)]}


def decode(row: dict[str, Any], job: Job) -> dict[str, Any]:
    """A shard's name and counts; for a new shard, also photos and pixels."""
    photos = [Photo(**plain) for plain in json.loads(row["rows"])]
    store = Store(job.shards)
    with ThreadPoolExecutor(THREADS) as pool:
        photos = list(pool.map(stamp_of, photos))
        name = shard_name(job.space, photos)
        unreadable = store.unreadable(name)
        about = {"number": row["number"], "name": name, "photos": len(photos)}
        if unreadable is not None:
            about |= {"unreadable": unreadable, "was_there": True}
            return about | {"rows": "", "pixels": b""}
        pixels_of = decoder(job.bundle, job.runtime)
        read = list(pool.map(lambda photo: read_photo(photo, pixels_of), photos))
    pixels = [found for _, found in read if found is not None]
    about |= {"unreadable": len(photos) - len(pixels), "was_there": False}
    rows = json.dumps([asdict(photo) for photo, _ in read])
    return about | {"rows": rows, "pixels": b"".join(found.tobytes() for found in pixels)}


@cache
def decoder(bundle: str, runtime: str) -> Callable[[bytes, Path], np.ndarray]:
    """A function like ``Runtime.pixels``: content of a file -> uint8 ``(3, S, S)``."""
    opened = Bundle.load(bundle)
    if runtime != "torch":
        return open_runtime(opened, runtime).pixels
    from flam_pl.images.pixels import Preprocess, decode  # without the networks

    preprocess = Preprocess(**opened.contents.preprocess)
    return lambda data, name: preprocess(decode(data, name)).numpy()


class Extractor:
    """A worker: holds the networks, and writes one shard after the other."""

    def __init__(self, job: Job) -> None:
        self.job, self.store = job, Store(job.shards)

    # with the first shard: Ray shows an error of ``__init__`` as a traceback alone
    @cached_property
    def bundle(self) -> Bundle:
        return Bundle.load(self.job.bundle)

    @cached_property
    def runtime(self) -> Runtime:
        return open_runtime(self.bundle, self.job.runtime, self.job.device)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        rows, pixels = row.pop("rows"), row.pop("pixels")
        if not row["was_there"]:
            photos = [Photo(**plain) for plain in json.loads(rows)]
            vectors, lengths = self.compute(photos, pixels)
            self.store.write(row["name"], self.bundle, photos, vectors, lengths)
        return row

    def compute(self, photos: Sequence[Photo], pixels: bytes) -> tuple[np.ndarray, np.ndarray]:
        """Gallery vectors ``(B, D + C)``, feature lengths ``(B,)`` of B readable photos."""
        count, size = sum(not photo.reason for photo in photos), self.job.batch
        if not count:
            return np.zeros((0, self.bundle.dimension), np.float16), np.zeros(0)
        side = self.bundle.contents.preprocess["size"]
        images = np.frombuffer(pixels, np.uint8).reshape(count, 3, side, side)
        found = []
        for start in range(0, count, size):
            features = self.runtime.features(list(images[start : start + size]))
            found.append(gallery_vectors(features, self.runtime.read(features)[0]))
        vectors, lengths = zip(*found, strict=True)
        return np.concatenate(vectors), np.concatenate(lengths)


@contextmanager
def ray_running(workers: int) -> Iterator[None]:
    """Ray, with enough CPUs for workers, listing and decoding; else FlamError."""
    ray: Any = import_module("ray")
    ours = not ray.is_initialized()
    if ours:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        cpus = max(2, workers, os.cpu_count() or 1)
        alone = {"address": "local", "num_cpus": cpus, "include_dashboard": False}
        address = os.environ.get("RAY_ADDRESS")
        ray.init(**({"address": address} if address else alone), logging_level=logging.WARNING)
    try:
        found, needed = ray.cluster_resources().get("CPU", 0), WORKING * workers + LISTING
        if found < needed + DECODING:
            raise FlamError(
                f"Ray has {found:g} CPUs; {workers} workers need {needed + DECODING:g}. Choose "
                "fewer workers, or connect to a larger cluster"
            )
        yield
    finally:
        if ours:
            ray.shutdown()


SETTINGS = {
    "target_max_block_size": 1,  # each row is a whole shard: a task must not get several of them
    "enable_progress_bars": False,  # ours counts photos
    "raise_original_map_exception": True,
}


@contextmanager
def settings_of_ray_data() -> Iterator[None]:
    from ray.data import DataContext

    context, logger = DataContext.get_current(), logging.getLogger("ray.data")
    before, level = {name: getattr(context, name) for name in SETTINGS}, logger.level
    logger.setLevel(logging.WARNING)
    for name, value in SETTINGS.items():
        setattr(context, name, value)
    try:
        yield
    finally:
        logger.setLevel(level)
        for name, value in before.items():
            setattr(context, name, value)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Raise a worker's FlamError without Ray's traceback."""
    try:
        yield
    except Exception as error:
        # Ray's error is a FlamError too, with the traceback as its message
        chain: list[BaseException] = [error]
        while inner := getattr(chain[-1], "cause", None) or chain[-1].__cause__:
            chain.append(inner)
        ours = [each for each in chain if isinstance(each, FlamError)]
        if not ours:
            raise
        raise FlamError(str(ours[-1])) from error
