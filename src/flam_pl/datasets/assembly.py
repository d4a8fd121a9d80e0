"""From what a reader found to a Catalog: classes, split, identical files, distorted views."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from flam_pl.attributes import AttributeSchema
from flam_pl.config.data import LabelledData, SplitData
from flam_pl.datasets.catalog import Catalog, Dropped, fill_garments
from flam_pl.datasets.labels import join_spellings, use_classes
from flam_pl.errors import FlamError

EVERY_DENSE_ROW = -1  # as the number of evaluation photos: all that carry every label
EVALUATION_SHARE, VALIDATION_SHARE = 0.60, 0.15  # most of these photos that each may take

log = logging.getLogger(__name__)


@dataclass
class Found:
    """What a reader found on disk."""

    name: str
    root: Path
    table: pd.DataFrame
    """Without ``split``, it is drawn; without ``domain``, each item's first photo is the shop's."""
    types: Sequence[str]
    extra_attributes: Sequence[str] = ()
    dropped: Sequence[Dropped] = ()
    notes: list[str] = field(default_factory=list)
    gallery: tuple[str, ...] = ("evaluation",)
    together: Sequence[str] = ()
    """Columns whose equal values stay on one side, as identical files do."""
    one_photo_per_item: bool = False
    """Identical files are one item, and garments in several classes never train."""
    partial_labels: bool = False
    """Where few photos have all labels, those with two are evaluated too."""
    draws_validation: bool = False
    """Validation photos are drawn from the training photos."""


def assemble(found: Found, data: LabelledData, schema: AttributeSchema | None) -> Catalog:
    """The Catalog of the photos that a reader found.

    With the ``schema`` of a trained run and no split, all photos with all labels are evaluated.
    """
    table = found.table.reset_index(drop=True)
    for kind in found.types:  # a type of the run that this set does not have
        table[kind] = table.get(kind, pd.Series(dtype="string"))
    wanted = data.classes if schema is None else schema
    table, classes, notes = use_classes(table, found.types, wanted, _training(table))
    lacking = [kind for kind in found.types if table[kind].isna().all()]
    if lacking and isinstance(data, SplitData):  # the others are made for instance search
        raise FlamError(
            f"{found.name} ({found.root}): no photo has one of the {lacking[0]} classes "
            f"{', '.join(classes.of(lacking[0]))}. Rename the labels: {'; '.join(notes)}"
        )
    notes = [*found.notes, *notes]
    for name in found.extra_attributes:
        notes += join_spellings(table, name)
    table["garment"] = fill_garments(table)
    contents = identical_files([found.root / path for path in table["path"]])
    if "split" in table:
        notes += identical_on_two_sides(table, contents)
    if isinstance(data, SplitData):
        table["split"] = _split(table, found, data, contents, foreign=schema is not None)
    if found.one_photo_per_item:
        table["item"] = table["item"].groupby(contents).transform("first")
        twins = table["item"][table["item"].duplicated(keep=False)]
        what = f"products have the same photo as another one: they are {twins.nunique()} item(s)"
        notes += [f"{len(twins)} {what}"] if len(twins) else []
    notes += garment_note(table)
    if "domain" not in table:
        again = table["item"].duplicated() & table["item"].notna() if "item" in table else False
        table["domain"] = np.where(again, "consumer", "shop")
    if not has_item_pairs(table, contents):
        table = with_distorted_views(table, found.types, contents)
    others = {"dropped": tuple(found.dropped), "notes": tuple(notes), "gallery": found.gallery}
    extra = tuple(found.extra_attributes)
    return Catalog.build(found.name, found.root, table, classes, extra_attributes=extra, **others)


def _complete(table: pd.DataFrame, found: Found) -> np.ndarray:
    """Which rows have labels enough to be evaluated, ``(N,)`` bool."""
    labels = table[list(found.types)].notna().sum(axis=1).to_numpy()
    dense, several = labels == len(found.types), labels > 1
    return several if found.partial_labels and 2 * dense.sum() < several.sum() else dense


def _training(table: pd.DataFrame) -> np.ndarray | None:
    if "split" not in table or not (table["split"] == "train").any():
        return None
    return np.flatnonzero((table["split"] == "train").to_numpy(bool))


def _split(
    table: pd.DataFrame, found: Found, data: SplitData, contents: np.ndarray, foreign: bool
) -> pd.Series:
    rows, evaluation = np.arange(len(table)), EVERY_DENSE_ROW if foreign else data.evaluation
    if "split" in table:
        training, validates = _training(table), (table["split"] == "val").any()
        if not found.draws_validation or foreign or validates or training is None:
            return table["split"]
        rows, evaluation = training, 0
    part = table.iloc[rows]
    together = [column for column in found.together if column in table]
    split = split_dense(
        part,
        _complete(part, found),
        evaluation=evaluation,
        validation=data.validation,
        seed=data.split_seed,
        groups=leak_groups(part, together, contents[rows]),
        held_out=part["garment"].notna().to_numpy(bool) if found.one_photo_per_item else None,
    )
    return split if "split" not in table else split.combine_first(table["split"])


def garment_note(table: pd.DataFrame) -> list[str]:
    found = table[table["garment"].notna()]
    if found.empty:
        return []
    of = found.groupby("split")["garment"].nunique()
    return [
        f"{found['garment'].nunique()} garment(s) in several classes, {len(found)} photos: "
        f"{of.get('val', 0)} validate, {of.get('evaluation', 0)} are evaluated, "
        f"{of.get('train', 0)} train"
    ]


def identical_files(paths: Sequence[Path]) -> np.ndarray:
    """Codes ``(N,)``, equal for equal files; an unreadable file is like no other."""
    keys: list[Any] = [os.path.getsize(p) if os.path.isfile(p) else None for p in paths]
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # hashing releases the GIL
        for last in (4096, sys.maxsize):  # a file that has a key of its own is not read further
            times = Counter(keys)
            rows = [row for row, key in enumerate(keys) if key is not None and times[key] > 1]
            hashes = threads.map(partial(_hash, last=last), [paths[row] for row in rows])
            for row, found in zip(rows, hashes, strict=True):
                keys[row] = found and (keys[row], found)
    return _codes(keys)


def _hash(path: Path, last: int) -> bytes | None:
    """SHA-256 of the last bytes of a file."""
    with suppress(OSError), open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - last))
        return hashlib.sha256(file.read()).digest()
    return None


def leak_groups(table: pd.DataFrame, columns: Iterable[str], contents: np.ndarray) -> np.ndarray:
    """Codes ``(N,)`` from 0, in order of the rows, of what must stay on one side of a split.

    Rows that share a value of a column or a file's content, also by way of others, are one group.
    """
    rows = np.arange(len(table))
    edges = []
    for codes in (contents, *(_codes(table[column]) for column in columns)):
        _, first, of = np.unique(codes, return_index=True, return_inverse=True)
        edges.append(first[of])  # each row beside the first row with its value
    ends = (np.tile(rows, len(edges)), np.concatenate(edges))
    graph = coo_array((np.ones(len(ends[0]), bool), ends), shape=(len(table), len(table)))
    return _codes(connected_components(graph, directed=False)[1].tolist())


def identical_on_two_sides(
    table: pd.DataFrame, contents: np.ndarray, how: str = "are byte by byte equal to"
) -> list[str]:
    """A note, also logged, if the split parts identical files."""
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
    """Split of every row, ``(N,)``: random dense rows are evaluated, the others train, as in the
    paper.

    Args:
        dense: rows that may be evaluated, ``(N,)`` bool.
        evaluation: number of dense rows, or ``EVERY_DENSE_ROW``.
        groups: codes ``(N,)`` of rows that stay together.
        held_out: rows whose groups never train, ``(N,)`` bool; a third validates.
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
                "%s gets %d photos instead of %d: %d have labels enough, of which it may take "
                "%.0f %%, and photos that belong together stay on one side",
                *(split, got, number, total, 100 * share),
            )
    return pd.Series(side[groups], index=table.index, name="split", dtype="string")


def split_csv(catalog: Catalog) -> str:
    """The photos' columns ``path`` and ``split`` as CSV."""
    photos = catalog.table.loc[catalog.table["view"] == 0, ["path", "split"]]
    return str(photos.to_csv(index=False, lineterminator="\n"))


def with_distorted_views(
    table: pd.DataFrame, types: Sequence[str], contents: np.ndarray
) -> pd.DataFrame:
    """The table and, after it, one distorted view of every validation and evaluation photo.

    The views are queries of the instance search, without label or garment. A photo without an item
    gets that of an identical file in its split, else a new one.
    """
    table = table.assign(view=0)
    chosen = table["split"].isin(("val", "evaluation"))
    item = table["item"] if "item" in table else pd.Series(pd.NA, table.index, dtype="string")
    one_file = [pd.Series(contents, table.index), table["split"]]
    for name in (item, table["path"]):
        item = item.where(item.notna() | ~chosen, name.groupby(one_file).transform("first"))
    table["item"] = item
    views = table[chosen].assign(view=1, domain="consumer")
    for column in (*types, "counterfactual_of", "garment"):
        if column in views:
            views[column] = pd.Series(pd.NA, views.index, dtype="string")
    return pd.concat([table, views], ignore_index=True) if len(views) else table


def has_item_pairs(table: pd.DataFrame, contents: np.ndarray) -> bool:
    if "item" not in table:
        return False
    photos = table.assign(contents=contents)[(table["split"] == "evaluation").to_numpy(bool)]
    return bool((photos.groupby("item")["contents"].nunique() > 1).any())


def _codes(values: Iterable[object]) -> np.ndarray:
    """A number per value, from 0; each missing value has its own."""
    codes, seen = pd.factorize(pd.Series(list(values), dtype="object"))
    alone = codes < 0
    codes[alone] = len(seen) + np.arange(int(alone.sum()))
    return codes
