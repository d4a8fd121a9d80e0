"""Seconds, memory and recall of stored galleries, on made-up photos beside a bare FAISS search.

    python benchmarks/galleries.py --photos 100000 1000000

The photos are clusters of unit features with peaked posteriors. The queries are edited searches:
the feature of a photo, a little moved, .3 for the wanted class, .15 for the photo's posteriors.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tabulate import tabulate

from flam_pl.galleries.flat import best_of, merged
from flam_pl.galleries.sqlite_faiss import KINDS, SqliteGallery
from flam_pl.galleries.stored import Item

FEATURE, CLASSES = 1310, (10, 8, 12)
DIMENSION = FEATURE + sum(CLASSES)
CLUSTERS, DIRECTIONS = 300, 64
BATCH, QUERIES = 10_000, 300
MOST_BARE = 200_000  # photos that are also put into a flat index of FAISS
HEADERS = [
    *("photos", "index", "build, s", "p50, ms", "p95, ms", "recall@10", "same ten", "T@10"),
    *("T@10 exact", "memory, B/photo", "disk, B/photo"),
]


class World:
    """Where photos are drawn from."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.centres = rng.standard_normal((CLUSTERS, FEATURE), dtype=np.float32) * 0.8
        self.basis = rng.standard_normal((DIRECTIONS, FEATURE), dtype=np.float32) * 0.09
        self.classes = [rng.dirichlet(np.full(size, 0.3), CLUSTERS) for size in CLASSES]

    def photos(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """``(count, DIMENSION)`` float16."""
        cluster = rng.integers(0, CLUSTERS, count)
        feature = self.centres[cluster]
        feature += rng.standard_normal((count, DIRECTIONS), dtype=np.float32) @ self.basis
        feature += 0.4 * rng.standard_normal((count, FEATURE), dtype=np.float32)
        feature /= np.linalg.norm(feature, axis=1, keepdims=True)
        parts = [feature]
        for size, shares in zip(CLASSES, self.classes, strict=True):
            above = rng.random((count, 1)) > shares[cluster].cumsum(axis=1)
            own = above.sum(axis=1).clip(0, size - 1)
            logits = 1.5 * rng.standard_normal((count, size), dtype=np.float32)
            logits[np.arange(count), own] += rng.gamma(4, 1.8, count)
            posteriors = np.exp(logits - logits.max(axis=1, keepdims=True))
            posteriors /= posteriors.sum(axis=1, keepdims=True)
            parts.append(np.log(np.maximum(posteriors, 1e-3)))
        return np.concatenate(parts, axis=1).astype(np.float16)


def class_columns() -> Iterator[slice]:
    start = FEATURE
    for size in CLASSES:
        yield slice(start, start + size)
        start += size


def edited(photos: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Query vectors, and the class that each wants of every attribute."""
    queries = photos.astype(np.float32)
    noise = rng.standard_normal((len(queries), FEATURE)) * 0.3 / np.sqrt(FEATURE)
    feature = queries[:, :FEATURE] + noise
    queries[:, :FEATURE] = feature / np.linalg.norm(feature, axis=1, keepdims=True)
    queries[:, FEATURE:] = 0.15 * np.exp(queries[:, FEATURE:])
    columns = list(class_columns())
    wanted = np.stack([queries[:, c].argmax(axis=1) for c in columns], axis=1)
    for query, classes in zip(queries, wanted, strict=True):
        attribute = int(rng.integers(len(columns)))
        posteriors = query[columns[attribute]]
        others = np.flatnonzero(np.arange(len(posteriors)) != posteriors.argmax())
        choice = int(rng.choice(others))
        posteriors[choice] += 0.3
        classes[attribute] = choice
    return queries, wanted


def fill(path: Path, count: int) -> tuple[np.ndarray, ...]:
    """A gallery of ``count`` photos. Queries, what they want, exact rows, classes of photos."""
    world, rng = World(), np.random.default_rng(1)
    gallery, labels = SqliteGallery(path, "made up", DIMENSION), []
    for start in range(0, count, BATCH):
        photos = world.photos(min(BATCH, count - start), rng)
        if start == 0:
            queries, wanted = edited(photos[: min(QUERIES, len(photos))], rng)
            empty = np.empty((len(queries), 0))
            exact = (empty.astype(np.float32), empty.astype(np.int64))
        rows = np.arange(start, start + len(photos))
        exact = merged([exact, best_of(queries, photos.astype(np.float32), rows, 10)], 10)
        labels.append(np.stack([photos[:, c].argmax(axis=1) for c in class_columns()], axis=1))
        gallery.add([Item(str(n), "", {}, str(n), v) for n, v in zip(rows, photos, strict=True)])
    gallery.close()
    return queries, wanted, exact[1], np.concatenate(labels)


def hit_rate(found: np.ndarray, wanted: np.ndarray, labels: np.ndarray) -> float:
    """T@10: share of queries with a photo of exactly the wanted classes among the first ten."""
    return float((labels[found] == wanted[:, None]).all(axis=2).any(axis=1).mean())


def milliseconds(gallery: SqliteGallery, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each search by one query; and the rows found."""
    times, found = [], []
    for query in queries:
        started = time.perf_counter()
        ids = gallery.search(query[None], 10).ids[0]
        times.append(1000 * (time.perf_counter() - started))
        found.append([int(id) for id in ids])
    return np.array(times), np.array(found)


def measure(path: Path, kind: str, data: tuple[np.ndarray, ...], count: int) -> list[object]:
    queries, wanted, exact, labels = data
    gallery = SqliteGallery(path, index=kind)
    started = time.perf_counter()
    info = gallery.build_index()
    seconds = time.perf_counter() - started
    milliseconds(gallery, queries[:20])
    times, found = milliseconds(gallery, queries)
    gallery.close()
    same = np.array([np.isin(e, f).mean() for e, f in zip(exact, found, strict=True)])
    rates = [hit_rate(rows, wanted, labels) for rows in (found, exact)]
    figures = [*np.percentile(times, [50, 95]), same.mean(), (same == 1).mean(), *rates]
    sizes = [info.memory_bytes / count, info.disk_bytes / count]
    return [f"{count:,}", kind, seconds, *figures, *sizes]


def against_faiss(path: Path, queries: np.ndarray) -> str:
    """The flat gallery beside a flat index of FAISS, query by query in turn."""
    import faiss

    gallery, bare = SqliteGallery(path, index="flat"), faiss.IndexFlatIP(DIMENSION)
    rows = gallery.table.rows()
    for start in range(0, len(rows), BATCH):
        bare.add(gallery.table.vectors(rows[start : start + BATCH]))  # type: ignore[call-arg]
    milliseconds(gallery, queries[:5])
    ours, theirs = [], []
    for query in queries[:60]:
        started = time.perf_counter()
        bare.search(query[None], 10)  # type: ignore[call-arg]
        between = time.perf_counter()
        gallery.search(query[None], 10)
        theirs.append(between - started)
        ours.append(time.perf_counter() - between)
    ratio = np.median(np.array(ours) / np.array(theirs))
    figures = [1000 * np.median(each) for each in (ours, theirs)]
    gallery.close()
    return (
        f"{len(rows):,} photos, flat: {figures[0]:.1f} ms, bare FAISS {figures[1]:.1f} ms, median "
        f"of the ratios {ratio:.2f}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--photos", type=int, nargs="+", default=[100_000])
    parser.add_argument("--indexes", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--folder", help="where the files are made, about 3 kB per photo")
    options = parser.parse_args(arguments)
    rows = []
    for count in options.photos:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            path = Path(folder) / "shop.db"
            data = fill(path, count)
            if count <= MOST_BARE and "flat" in options.indexes:
                print(against_faiss(path, data[0]), flush=True)
            rows += [measure(path, kind, data, count) for kind in options.indexes]
            print(tabulate(rows, HEADERS, floatfmt=".4g"), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory {peak:.1f} GB")


if __name__ == "__main__":
    main()
