"""The random split, and groups of photos that it must not separate."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.listings import texts

EVERY_DENSE_ROW = -1  # as the number of evaluation photos: all that have every label
EVALUATION_SHARE, VALIDATION_SHARE = 0.60, 0.15  # most of these photos that each may take
RECORDED = ["path", "split", "item", "sha256"]  # columns of a run's split.csv
BLOCK = 2**14  # files whose hashing is planned at one time
log = logging.getLogger(__name__)


def identical_files(paths: pd.Series | Sequence[Path], root: Path = Path()) -> np.ndarray:
    """Codes ``(N,)``, equal for equal files that can be read."""
    names, start = pd.Series(paths), str(root)
    keys = np.fromiter((_size(os.path.join(start, n)) for n in texts(names)), np.int64, len(names))
    readable = keys >= 0
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # hashing releases the GIL
        for last in (4096, sys.maxsize):  # a file that has a key of its own is not read further
            _, of, times = np.unique(keys, return_inverse=True, return_counts=True)
            rows = np.flatnonzero(readable & (times[of] > 1))
            hashes: list[bytes | None] = []
            for part in np.array_split(rows, 1 + len(rows) // BLOCK):
                files = [Path(root, name) for name in names.iloc[part]]
                hashes += threads.map(partial(_hash, last=last), files)
            readable[rows] = [found is not None for found in hashes]
            both = pd.DataFrame({"size": of[rows], "hash": hashes}).groupby(["size", "hash"])
            keys = of
            keys[rows] = len(keys) + both.ngroup()
    return _codes(pd.Series(keys, dtype="Int64").where(readable))


def _size(path: str) -> int:  # -1: no file
    try:
        state = os.stat(path)
        return state.st_size if stat.S_ISREG(state.st_mode) else -1
    except (OSError, ValueError):
        return -1


def _hash(path: Path, last: int) -> bytes | None:
    with suppress(OSError), open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - last))
        return hashlib.sha256(file.read()).digest()
    return None


def leak_groups(table: pd.DataFrame, columns: Iterable[str], contents: np.ndarray) -> np.ndarray:
    """Codes ``(N,)`` from 0, in order of the rows, of groups that must stay on one side of a split:
    rows with an equal value in a column or equal files, directly or by way of other rows."""
    edges = []
    for codes in (contents, *(_codes(table[column]) for column in columns)):
        _, first, of = np.unique(codes, return_index=True, return_inverse=True)
        edges.append(first[of])  # each row beside the first row with its value
    ends = (np.tile(np.arange(len(table)), len(edges)), np.concatenate(edges))
    graph = coo_array((np.ones(len(ends[0]), bool), ends), shape=(len(table), len(table)))
    return _codes(connected_components(graph, directed=False)[1])


def identical_on_two_sides(
    table: pd.DataFrame, contents: np.ndarray, how: str = "are byte by byte equal to"
) -> list[str]:
    """A note, also logged, if two splits hold identical files."""
    sides = table.groupby(contents)["split"].transform("nunique")
    apart = table[(sides > 1).to_numpy(bool)]
    if apart.empty:
        return []
    what = f"photos {how} a photo of another split: figures on them are too high"
    note = f"{len(apart)} {what}, for example {apart['path'].iloc[0]}"
    log.warning("%s", note)
    return [note]


def split_dense(
    table: pd.DataFrame,
    dense: np.ndarray,
    *,
    evaluation: int,
    validation: int,
    seed: int,
    groups: np.ndarray | None = None,
    held_out: np.ndarray | None = None,
) -> pd.Series:
    """Split ``(N,)``: random ``dense`` rows are evaluated, as in the paper, the others train.

    ``evaluation`` is a number or ``EVERY_DENSE_ROW``. Equal ``groups`` stay together. Groups of
    ``held_out`` rows never train; a third of them validates.
    """
    groups = np.arange(len(table)) if groups is None else groups
    sizes = np.bincount(groups, weights=dense).astype(np.int64)
    free = np.random.default_rng(seed).permutation(np.flatnonzero(sizes))
    total = int(dense.sum())
    wanted = {"evaluation": (evaluation, EVALUATION_SHARE), "val": (validation, VALIDATION_SHARE)}
    if evaluation == EVERY_DENSE_ROW:
        wanted = {"evaluation": (total, 1.0)}
    side = np.full(len(sizes), "train", dtype=object)
    if held_out is not None and (evaluation or validation):
        apart = np.random.default_rng([seed, 1]).permutation(np.unique(groups[held_out]))
        third = round(len(apart) / 3) if evaluation else len(apart)
        if evaluation == EVERY_DENSE_ROW or not validation:
            third = 0
        side[apart[:third]], side[apart[third:]] = "val", "evaluation"
        free = free[~np.isin(free, apart)]
    for split, (number, share) in wanted.items():
        gap = min(number, int(share * total)) - int(sizes[side == split].sum())
        taken = []
        for group in free:  # a group that no longer fits is passed over for a smaller one
            if sizes[group] <= gap:
                taken.append(group)
                gap -= int(sizes[group])
        side[taken] = split
        free = free[~np.isin(free, taken)]
        if (got := int(sizes[side == split].sum())) != number:
            log.warning(
                "%s gets %d photos instead of %d: of %d with enough labels it may take %.0f %%; "
                "photos that belong together stay on one side",
                *(split, got, number, total, 100 * share),
            )
    return pd.Series(side[groups], index=table.index, name="split", dtype="string")


def split_csv(catalog: Catalog) -> str:
    """The photos' columns ``RECORDED`` as CSV."""
    keys = np.char.decode(catalog.photo_keys)  # of view 0: the hash of the file
    photos = catalog.table.assign(sha256=keys)[catalog.table["view"] == 0][RECORDED]
    return str(photos.to_csv(index=False, lineterminator="\n"))


def _codes(values: pd.Series | np.ndarray) -> np.ndarray:
    """A number per value, from 0; each missing value has its own."""
    codes, seen = pd.factorize(values)
    alone = codes < 0
    codes[alone] = len(seen) + np.arange(int(alone.sum()))
    return codes
