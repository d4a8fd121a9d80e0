"""Approximate search by FAISS. The scores of the found photos are exact.

A score is the inner product of a query with ``[unit feature; log-posteriors]``. The parts differ in
scale: a feature has length 1, the log-posteriors about 30, and a query weighs them by about .1. So
each dimension is multiplied by its root mean square in queries: the squared error of a vector
becomes that of its scores. Principal components follow, then cells (IVF) or a graph (HNSW), then
codes. The photos with the best codes are the short list: their vectors are read from the gallery
and scored exactly.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import faiss as untyped
import numpy as np

from flam_pl.galleries.flat import Best, best_of, merged, top
from flam_pl.galleries.items import Sample
from flam_pl.terminal.progress import progress

faiss: Any = untyped  # its types are those of an older version
KINDS = ("hnsw", "ivf_sq8", "ivf_pq")
COMPONENTS = 256
CODES = 64  # bytes of a vector of ivf_pq
SHORT = {"hnsw": 100, "ivf_sq8": 100, "ivf_pq": 400}  # photos that are scored exactly
FITTED = 16_384  # vectors that the components are fitted on
PER_CELL = 64  # vectors per cell that the cells are fitted on
READ = 16_384  # vectors that are read at once
FEW = 4096  # photos that a filter leaves are all scored exactly
QUERIES, RECALL = 200, 0.995  # of the queries, the recall@10 that the effort is chosen for
GAIN = 0.001  # of recall; for less, half as much effort again is not worth it
LINKS, BUILD_EFFORT = 32, 80  # of the graph


class Vectors(Protocol):
    """A source of exact vectors."""

    def vectors(self, rows: np.ndarray, out: np.ndarray | None = None) -> np.ndarray: ...


@dataclass
class Facts:
    """Facts stored with the index."""

    kind: str
    gallery: str  # key of the gallery
    changes: int  # of the gallery, when the index was built or extended
    effort: int  # cells or nodes that are visited
    recall: float = 0.0
    agreement: float = 0.0
    hit_rates: tuple[float, float] | None = None
    seconds: float = 0.0  # of the building


class Approximate:
    """A FAISS index of the photos ``rows``, ascending. Immutable: ``extended`` makes a new one."""

    def __init__(
        self, facts: Facts, index: Any, rows: np.ndarray, maps: tuple[np.ndarray, ...]
    ) -> None:
        self.facts, self.index, self.rows, self.maps = facts, index, rows, maps
        self._mean, self._of_photos, self._of_queries = maps

    @property
    def bytes(self) -> int:
        """Memory of codes, row numbers, and cells or graph."""
        count, width = len(self.rows), self._of_photos.shape[1]
        if self.facts.kind == "hnsw":
            return count * (width + 4 * 2 * LINKS + 8 + 8)
        cells = faiss.extract_index_ivf(self.index)
        return count * (cells.code_size + 8 + 8) + cells.nlist * width * 4

    def extended(self, rows: np.ndarray, source: Vectors, changes: int) -> Approximate:
        """This index with further ``rows``."""
        index = faiss.clone_index(self.index)
        for start in range(0, len(rows), READ):
            part = rows[start : start + READ]
            index.add_with_ids(self._photos(source.vectors(part)), part)
        facts = Facts(**{**vars(self.facts), "changes": changes})
        return Approximate(facts, index, np.concatenate([self.rows, rows]), self.maps)

    def _photos(self, vectors: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray((vectors - self._mean) @ self._of_photos)

    # -- searching

    def search(
        self,
        source: Vectors,
        queries: np.ndarray,
        k: int,
        allowed: np.ndarray | None = None,
        gone: np.ndarray | None = None,
    ) -> Best:
        """``allowed``: ascending rows that may be found; ``gone``: deleted rows."""
        if allowed is not None:
            allowed = allowed[: np.searchsorted(allowed, self.rows[-1], side="right")]
            if len(allowed) <= FEW:
                return best_of(queries, source.vectors(allowed), allowed, k)
            held = np.zeros(int(self.rows[-1]) + 1, bool)
            held[allowed] = True
        elif gone is not None and len(gone):
            held = np.ones(int(self.rows[-1]) + 1, bool)
            held[gone] = False
        else:
            held = None
        count = len(self.rows) if held is None else int(held[self.rows].sum())
        k = min(k, count)
        effort = math.ceil(self.facts.effort * len(self.rows) / max(count, 1))
        shortlist = max(SHORT[self.facts.kind], 2 * k)
        found = self._candidates(queries, shortlist, effort, held)
        while (found >= 0).sum(axis=1).min(initial=k) < k and effort < self._most_effort:
            effort *= 4
            found = self._candidates(queries, shortlist, effort, held)
        return rescored(source, queries, found, k)

    @property
    def _most_effort(self) -> int:
        if self.facts.kind == "hnsw":
            return len(self.rows)
        return faiss.extract_index_ivf(self.index).nlist

    def _candidates(
        self, queries: np.ndarray, count: int, effort: int, held: np.ndarray | None
    ) -> np.ndarray:
        """Rows ``(Q, count)`` with the best codes; -1 for none."""
        options: dict[str, Any] = {}
        if held is not None:
            bits = np.packbits(held, bitorder="little")
            options["sel"] = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
        effort = min(effort, self._most_effort)
        if self.facts.kind == "hnsw":
            parameters = faiss.SearchParametersHNSW(efSearch=max(effort, count), **options)
        else:
            parameters = faiss.SearchParametersIVF(nprobe=effort, **options)
        # pytorch-metric-learning replaces FAISS's search by one that knows no ``params``
        search = getattr(self.index, "search_numpy", self.index.search)
        return search(queries @ self._of_queries, count, params=parameters)[1]

    # -- building

    def measured(self, source: Vectors, sample: Sample, exact: np.ndarray) -> Approximate:
        """This index, with the least effort that reaches ``RECALL`` or gains little after it.

        Every second query chooses the effort; the others measure. ``exact``: rows ``(Q, 10)``.
        """
        queries = sample.queries
        before = 0.0
        for effort in efforts(self._most_effort):
            self.facts.effort = effort
            recall = agreement(self.search(source, queries[::2], 10)[1], exact[::2])[0]
            if recall >= RECALL or (8 * effort > self._most_effort and recall - before < GAIN):
                break
            before = recall
        found = self.search(source, queries[1::2], 10)[1]
        self.facts.recall, self.facts.agreement = agreement(found, exact[1::2])
        if sample.classes and queries[:, -sum(sample.classes) :].any():
            own, best = (
                hit_rate(source, queries[1::2], rows, sample.classes)
                for rows in (found, exact[1::2])
            )
            self.facts.hit_rates = own, best
        return self


def build(
    kind: str,
    source: Vectors,
    rows: np.ndarray,
    asked: Sample | None,
    gallery: str,
    changes: int,
) -> Approximate:
    """An index of the photos in ``rows``. Without a sample, queries are made from photos."""
    started, rng = time.perf_counter(), np.random.default_rng(0)
    drawn = np.sort(rng.permutation(rows)[:FITTED])
    sample = source.vectors(drawn)
    if asked is None:
        asked = Sample(made_queries(sample, QUERIES, rng))
    maps = fitted_maps(sample, asked.queries)
    facts = Facts(kind, gallery, changes, effort=1)
    index = empty_index(kind, len(rows), maps[1].shape[1])
    made = Approximate(facts, index, rows, maps)
    train(made, source, sample, rng)
    queries = asked.queries[rng.permutation(len(asked.queries))[: 2 * QUERIES]]
    exact: Best = (np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64))
    bar = progress(None, f"index {kind}", total=len(rows))
    for part in chunks(rows):
        vectors = source.vectors(part)
        index.add_with_ids(made._photos(vectors), part)
        exact = merged([exact, best_of(queries, vectors, part, 10)], 10)
        bar.update(len(part))
    bar.close()
    made.measured(source, Sample(queries, asked.classes), exact[1])
    facts.seconds = time.perf_counter() - started
    return made


def train(made: Approximate, source: Vectors, sample: np.ndarray, rng: np.random.Generator) -> None:
    """Fit cells and codes; the cells on a GPU if FAISS sees one."""
    if made.facts.kind == "hnsw":
        made.index.train(made._photos(sample))
        return
    cells = faiss.extract_index_ivf(made.index)
    drawn = np.sort(rng.permutation(made.rows)[: max(FITTED, PER_CELL * cells.nlist)])
    vectors = np.concatenate([made._photos(source.vectors(part)) for part in chunks(drawn)])
    gpu = None  # held here: FAISS does not hold it
    if hasattr(faiss, "index_cpu_to_all_gpus") and faiss.get_num_gpus():
        gpu = faiss.index_cpu_to_all_gpus(faiss.IndexFlatIP(vectors.shape[1]))
        cells.clustering_index = gpu
    made.index.train(vectors)
    if gpu is not None:
        cells.clustering_index = None


def empty_index(kind: str, count: int, width: int) -> Any:
    product = faiss.METRIC_INNER_PRODUCT
    if kind == "hnsw":
        graph = faiss.IndexHNSWSQ(width, faiss.ScalarQuantizer.QT_8bit, LINKS, product)
        graph.hnsw.efConstruction = BUILD_EFFORT
        return faiss.IndexIDMap(graph)
    cells = max(1, min(round(2 * math.sqrt(count)), count // PER_CELL))
    codes = "SQ8" if kind == "ivf_sq8" else f"PQ{code_count(width)}"
    if kind == "ivf_pq" and count < 10_000:
        codes += "x4"  # 16 centres per part in place of 256, which more photos can fit
    index = faiss.index_factory(width, f"IVF{cells},{codes}", product)
    index.cp.niter, index.cp.max_points_per_centroid = 10, PER_CELL
    index.cp.min_points_per_centroid = 1
    if kind == "ivf_pq":
        index.do_polysemous_training = False  # it takes most of the time, for another search
    return index


def code_count(width: int) -> int:
    return next(n for n in range(min(CODES, width), 0, -1) if width % n == 0)


def fitted_maps(sample: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, ...]:
    """The mean ``(V,)``; the matrices for photos and for queries, ``(V, components)`` each."""
    scale = np.sqrt((queries.astype(np.float64) ** 2).mean(axis=0))
    scale = np.maximum(scale, 1e-3 * max(scale.max(), 1e-12))
    mean = sample.mean(axis=0)
    centred = (sample - mean) * scale.astype(np.float32)
    axes = np.linalg.eigh(centred.T @ centred / len(sample))[1][:, ::-1]
    width = min(COMPONENTS, axes.shape[1])
    codes = code_count(width)
    # every part of a product quantiser gets one of the largest components
    order = np.arange(width).reshape(width // codes, codes).T.ravel()
    axes = axes[:, order]
    maps = (mean, axes * scale[:, None], axes / scale[:, None])
    return tuple(np.ascontiguousarray(each, np.float32) for each in maps)


def made_queries(sample: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Queries like edited searches: a photo's feature, .3 for a random class, .15 x posteriors."""
    queries = sample[rng.integers(0, len(sample), 2 * count)].astype(np.float32)
    tail = log_posteriors(sample)
    if tail:
        queries[:, -tail:] = 0.15 * np.exp(queries[:, -tail:])
        wanted = rng.integers(0, tail, len(queries)) - tail
        queries[np.arange(len(queries)), wanted] += 0.3
    return queries


def log_posteriors(vectors: np.ndarray) -> int:
    """How many of the last dimensions are log-posteriors: negative in every vector, or zero.

    >>> log_posteriors(np.array([[0.6, -0.8, -0.1, -2.3], [0.0, 1.0, 0.0, -7.0]]))
    2
    """
    other = np.flatnonzero(vectors.max(axis=0) > 0)
    return vectors.shape[1] - 1 - int(other[-1]) if len(other) else 0


def rescored(source: Vectors, queries: np.ndarray, found: np.ndarray, k: int) -> Best:
    """The k best of rows ``found (Q, n)`` by their exact scores."""
    known = np.unique(found[found >= 0])
    vectors = source.vectors(known)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    rows = np.full((len(queries), k), -1, np.int64)
    for at, each in enumerate(found):
        own = each[each >= 0]
        exact = vectors[np.searchsorted(known, own)] @ queries[at]
        count = min(k, len(own))
        scores[at, :count], rows[at, :count] = top(exact, own, count)
    return scores, rows


def agreement(found: np.ndarray, exact: np.ndarray) -> tuple[float, float]:
    """Mean share of the exact rows that were found; share of queries with all exact rows."""
    shares = [np.isin(e, f).mean() for e, f in zip(exact, found, strict=True)]
    return float(np.mean(shares)), float(np.mean(np.array(shares) == 1))


def hit_rate(
    source: Vectors, queries: np.ndarray, rows: np.ndarray, classes: Sequence[int]
) -> float:
    """T@10 by posteriors: share of queries with a photo among ``rows (Q, 10)`` whose likeliest
    class of every type is the query's class of largest weight. Types without weight are left out.
    """
    cuts = np.cumsum(classes)[:-1]
    known = np.unique(rows[rows >= 0])
    tails = np.split(source.vectors(known)[:, -sum(classes) :], cuts, axis=1)
    likeliest = np.stack([tail.argmax(axis=1) for tail in tails], axis=1)
    hits = []
    for query, found in zip(queries, rows, strict=True):
        wanted = np.split(query[-sum(classes) :], cuts)
        weighed = [part.any() for part in wanted]
        classes_of = likeliest[np.searchsorted(known, found[found >= 0])]
        hits.append((classes_of == [p.argmax() for p in wanted])[:, weighed].all(axis=1).any())
    return float(np.mean(hits))


def efforts(most: int) -> Iterator[int]:
    effort = 8
    while effort < most:
        yield effort
        effort = math.ceil(effort * 1.5)
    yield most


def chunks(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), READ):
        yield rows[start : start + READ]
