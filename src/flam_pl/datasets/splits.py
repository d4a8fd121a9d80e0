"""What readers share: which classes are kept, which rows are evaluated, and pairs for FIR."""

from __future__ import annotations

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from flam_pl.attributes import AttributeSchema
from flam_pl.datasets.catalog import Catalog
from flam_pl.errors import FlamError

EVERY_DENSE_ROW = -1
"""As the number of evaluation rows: all of them (a foreign catalogue, where nothing is trained)."""

EVALUATION_SHARE, VALIDATION_SHARE = 0.60, 0.15
"""The most that evaluation and validation may take of the rows that carry all labels."""

WORDS_SHOWN = 5
"""Labels outside the classes that are named, the most frequent ones; the rest is counted."""

log = logging.getLogger(__name__)


def top_classes(
    table: pd.DataFrame, types: Sequence[str], k: int, rows: np.ndarray | None = None
) -> AttributeSchema:
    """The ``k`` most frequent classes of every type, most frequent first, ties by name.

    Args:
        table: one nullable text column per type.
        types: attribute types, in the order the schema shall have.
        k: classes a type at most (the paper: 10).
        rows: positions ``(M,)`` of the rows that are counted; None counts all.

    Raises:
        FlamError: a type with fewer than two classes.
    """
    if k < 2:
        raise FlamError(f"data.classes is {k}; expected at least 2: one to edit into another")
    counted = table if rows is None else table.iloc[rows]
    classes: dict[str, tuple[str, ...]] = {}
    for kind in types:
        counts = counted[kind].dropna().astype(str).value_counts()
        names = sorted(counts.index, key=lambda name: (-int(counts[name]), name))[:k]
        if len(names) < 2:
            raise FlamError(
                f"attribute type {kind!r} has the classes {names} in the {len(counted)} rows that "
                "are counted, expected at least two. Check the labels of that column, or leave "
                "the type out of data.types."
            )
        classes[kind] = tuple(names)
    return AttributeSchema(classes)


def keep_classes(
    table: pd.DataFrame, schema: AttributeSchema, whose: str, *, required: bool = True
) -> tuple[pd.DataFrame, list[str]]:
    """The table with every label outside the schema turned into "unlabelled", and what that was.

    Args:
        whose: the data set, for the message.
        required: whether every type must keep some label; a set that is made for instance
            retrieval is of use without.

    Returns:
        The table, and a sentence a type that lost labels: how many, and the most frequent words.

    Raises:
        FlamError: a type of which no label is left, naming the words that are there.
    """
    kept, said = table.copy(), []
    for kind in schema.types:
        known = table[kind].isin(schema.of(kind))
        kept[kind] = table[kind].where(known, pd.NA)
        lost = table.loc[~known, kind].dropna().value_counts()
        if required and kept[kind].isna().all():
            raise FlamError(
                f"{whose}: no row has a {kind} that is known. The known ones are "
                f"{', '.join(schema.of(kind))}; the data has "
                f"{', '.join(lost.index[:10]) or 'no label'}. "
                "Rename the classes in the data to the known words."
            )
        if len(lost):
            words = ", ".join(f"{word} ({count})" for word, count in lost[:WORDS_SHOWN].items())
            more = f" and {len(lost) - WORDS_SHOWN} more" if len(lost) > WORDS_SHOWN else ""
            said.append(
                f"{lost.sum()} {kind} label(s) name none of the {len(schema.of(kind))} classes and "
                f"count as unlabelled: {words}{more}"
            )
    return kept, said


def identical_files(paths: Sequence[Path]) -> np.ndarray:
    """Code of every file's content ``(N,)``, equal for files that are equal byte by byte.

    Files of different sizes differ; only those of a size that occurs again are read. A file that
    cannot be read is like no other: ``check_photos`` says what is wrong with it.
    """

    def size(path: Path) -> int | None:
        try:
            return path.stat().st_size
        except OSError:
            return None

    def content(path: Path) -> str | None:
        try:
            return hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError:
            return None

    sizes = [size(path) for path in paths]
    times = Counter(sizes)
    alike = [row for row, n in enumerate(sizes) if n is not None and times[n] > 1]
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # hashing releases the GIL
        found = threads.map(content, (paths[row] for row in alike))
        contents = dict(zip(alike, found, strict=True))
    return _codes(contents.get(row) for row in range(len(paths)))


def leak_groups(table: pd.DataFrame, columns: Iterable[str], contents: np.ndarray) -> np.ndarray:
    """Code ``(N,)`` of what must stand on one side of a split, counted from 0 in order of the rows.

    Rows that share a value of some column, or a file's content, are one group, and so are rows that
    do so by way of others. A missing value is shared with nobody.

    Args:
        table: the rows.
        columns: their columns that are compared, each by itself.
        contents: code of each row's file, ``(N,)`` (see ``identical_files``).
    """
    rows = np.arange(len(table))
    edges = []
    for codes in (contents, *(_codes(table[column]) for column in columns)):
        _, first, of = np.unique(codes, return_index=True, return_inverse=True)
        edges.append(first[of])  # each row beside the first one that it shares the value with
    ends = (np.tile(rows, len(edges)), np.concatenate(edges))
    graph = coo_array((np.ones(len(ends[0]), bool), ends), shape=(len(table), len(table)))
    return _codes(connected_components(graph, directed=False)[1].tolist())


def identical_on_two_sides(table: pd.DataFrame, contents: np.ndarray) -> list[str]:
    """A sentence, also logged, about identical photos that a given split sets apart, if any are.

    Args:
        table: ``path`` and ``split``.
        contents: code of each row's file, ``(N,)``.
    """
    sides = table.groupby(contents)["split"].transform("nunique")
    apart = table[(sides > 1).to_numpy(bool)]
    if apart.empty:
        return []
    note = (
        f"{len(apart)} photos are byte by byte equal to one of another split, for example "
        f"{apart['path'].iloc[0]}: what is measured was seen before. The given split is kept"
    )
    log.warning("%s", note)
    return [note]


def split_dense(
    table: pd.DataFrame,
    types: Sequence[str],
    *,
    evaluation: int,
    validation: int,
    seed: int,
    groups: np.ndarray | None,
    held_out: np.ndarray | None = None,
) -> pd.Series:
    """Split name of every row: random dense rows are evaluated, the rest trains (paper protocol).

    A row is dense if it carries every label. Rows of one group stay on one side, so a group moves
    whole. Its rows that are not dense come along: in training they would leak the very product that
    is evaluated, while in evaluation they do no harm, since an edit needs all labels of a query and
    of a hit and therefore never uses them.

    Evaluation takes at most 60 % of the dense rows and validation at most 15 %; a larger edit is
    scaled down and the fact is logged. A group that no longer fits is passed over for a smaller
    one, so the numbers are met exactly unless only larger groups are left.

    Groups with a row that is ``held_out`` never train: a third of them, drawn at random, validates
    and the rest is evaluated, however many they are. Their dense rows count, and the places that
    they leave are filled. Where one split is to have no row (0), the other one takes all of them;
    where both are, nothing is held out.

    Args:
        table: one nullable text column per type.
        types: the attribute types.
        evaluation: dense rows to evaluate; ``EVERY_DENSE_ROW`` (-1) takes all, leaving none to val.
        validation: dense rows to validate on.
        seed: of the random choice.
        groups: group code of every row, ``(N,)`` from 0 (see ``leak_groups``); None: each its own.
        held_out: whether a row must not train, ``(N,)`` bool; None: any may.

    Returns:
        "train", "val" or "evaluation" for every row, ``(N,)``, with the table's index.

    Raises:
        FlamError: a negative number other than -1.
    """
    if evaluation < EVERY_DENSE_ROW or validation < 0:
        raise FlamError(
            f"data.evaluation is {evaluation} and data.validation is {validation}; expected "
            "numbers of rows, 0 or more (or data.evaluation=-1 for every row with all labels)"
        )
    dense = table[list(types)].notna().all(axis=1).to_numpy(dtype=bool)
    groups = np.arange(len(table)) if groups is None else groups
    dense_in_group = np.bincount(groups, weights=dense).astype(np.int64)
    candidates = np.random.default_rng(seed).permutation(np.flatnonzero(dense_in_group))
    total = int(dense.sum())
    if evaluation == EVERY_DENSE_ROW:
        wanted = {"evaluation": total}
    else:
        wanted = {
            "evaluation": _at_most(evaluation, EVALUATION_SHARE, total, "evaluation"),
            "val": _at_most(validation, VALIDATION_SHARE, total, "validation"),
        }
    split_of_group = np.full(len(dense_in_group), "train", dtype=object)
    if held_out is not None and (evaluation or validation):
        apart = np.random.default_rng([seed, 1]).permutation(np.unique(groups[held_out]))
        third = _validating(len(apart), evaluation, validation)
        split_of_group[apart[:third]] = "val"
        split_of_group[apart[third:]] = "evaluation"
        candidates = candidates[~np.isin(candidates, apart)]
    for split, number in wanted.items():
        there = int(dense_in_group[split_of_group == split].sum())
        taken = _fill(candidates, dense_in_group, number - there)
        split_of_group[taken] = split
        candidates = candidates[~np.isin(candidates, taken)]
        got = there + int(dense_in_group[taken].sum())
        if got < number:
            log.warning(
                "%s gets %d rows instead of %d: the groups that are left are larger than the gap, "
                "and a group stays on one side",
                *(split, got, number),
            )
        if got > number:
            log.warning(
                "%s gets %d rows instead of %d: so many are of groups that must not train",
                *(split, got, number),
            )
    return pd.Series(split_of_group[groups], index=table.index, name="split", dtype="string")


def split_csv(catalog: Catalog) -> str:
    """The split as text, ``path,split`` and a row an image: what a run was trained on, to keep."""
    photos = catalog.table.loc[catalog.table["view"] == 0, ["path", "split"]]
    return str(photos.to_csv(index=False, lineterminator="\n"))


def with_distorted_views(
    table: pd.DataFrame,
    types: Sequence[str],
    contents: np.ndarray,
    splits: Sequence[str] = ("val", "evaluation"),
) -> pd.DataFrame:
    """The table plus, for every row of ``splits``, one distorted view of the same photo.

    Where a data set has one image an item there is no second photo to find, so FIR is measured
    with distorted views as queries: same path and item, domain "consumer", view 1. A view carries
    no label and no garment: so it is neither query nor gallery of an edit, and the editing figures
    stay those of real photos. A row without an item gets that of an identical file in its split,
    or becomes an item of its own, named by its path: else finding the file's twin were a miss.

    Args:
        table: ``path`` and ``split``; no views yet.
        types: the attribute types.
        contents: code of each row's file, ``(N,)`` (see ``identical_files``).
        splits: whose rows get a view.
    """
    table = table.assign(view=0)
    chosen = table["split"].isin(splits)
    item = table["item"] if "item" in table else pd.Series(pd.NA, table.index, dtype="string")
    one_file = [pd.Series(contents, table.index), table["split"]]
    for name in (item, table["path"]):
        item = item.where(item.notna() | ~chosen, name.groupby(one_file).transform("first"))
    table["item"] = item
    views = table[chosen].copy()
    views["view"] = 1
    views["domain"] = "consumer"
    for column in (*types, "counterfactual_of", "garment"):
        if column in views:
            views[column] = pd.Series(pd.NA, views.index, dtype="string")
    return pd.concat([table, views], ignore_index=True) if len(views) else table


def has_item_pairs(table: pd.DataFrame, split: str = "evaluation") -> bool:
    """Whether some item has two images in the split, so that one can be searched with the other."""
    if "item" not in table:
        return False
    items = table.loc[table["split"] == split, "item"].dropna()
    return bool(items.duplicated().any())


def _codes(values: Iterable[object]) -> np.ndarray:
    """A number ``(N,)`` of every value, counted from 0; each missing one has its own."""
    codes, seen = pd.factorize(pd.Series(list(values), dtype="object"))
    alone = codes < 0
    codes[alone] = len(seen) + np.arange(int(alone.sum()))
    return codes


def _validating(groups: int, evaluation: int, validation: int) -> int:
    """How many of the groups that must not train validate; the others are evaluated."""
    if evaluation == EVERY_DENSE_ROW or not validation:
        return 0
    return round(groups / 3) if evaluation else groups


def _at_most(edit: int, share: float, total: int, name: str) -> int:
    limit = int(share * total)
    if edit > limit:
        log.warning(
            "%s gets %d rows instead of %d: only %d rows carry all labels, and it may take %.0f %%",
            *(name, limit, edit, total, 100 * share),
        )
    return min(edit, limit)


def _fill(candidates: np.ndarray, sizes: np.ndarray, number: int) -> np.ndarray:
    """The candidates, in order, that fit into ``number`` rows."""
    taken, left = [], number
    for candidate in candidates:
        if sizes[candidate] <= left:
            taken.append(candidate)
            left -= int(sizes[candidate])
    return np.array(taken, dtype=np.int64)
