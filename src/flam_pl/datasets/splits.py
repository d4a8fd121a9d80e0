"""What readers share: which classes are kept, which rows are evaluated, and pairs for FIR."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd

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


def split_dense(
    table: pd.DataFrame,
    types: Sequence[str],
    *,
    evaluation: int,
    validation: int,
    seed: int,
    group: str | None,
) -> pd.Series:
    """Split name of every row: random dense rows are evaluated, the rest trains (paper protocol).

    A row is dense if it carries every label. Rows with an equal value of ``group`` stay on one
    side, so a group moves whole. Its rows that are not dense come along: in training they would
    leak the very product that is evaluated, while in evaluation they do no harm, since an edit
    needs all labels of a query and of a hit and therefore never uses them.

    Evaluation takes at most 60 % of the dense rows and validation at most 15 %; a larger wish is
    scaled down and the fact is logged. A group that no longer fits is passed over for a smaller
    one, so the numbers are met exactly unless only larger groups are left.

    Args:
        table: one nullable text column per type.
        types: the attribute types.
        evaluation: dense rows to evaluate; ``EVERY_DENSE_ROW`` (-1) takes all, leaving none to val.
        validation: dense rows to validate on.
        seed: of the random choice.
        group: column of the leak guard, or None; a missing value is a group of its own.

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
    groups = _group_codes(table, group)
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
    for split, number in wanted.items():
        taken = _fill(candidates, dense_in_group, number)
        split_of_group[taken] = split
        candidates = candidates[~np.isin(candidates, taken)]
        got = int(dense_in_group[taken].sum())
        if got < number:
            log.warning(
                "%s gets %d rows instead of %d: the groups of %r that are left are larger than the "
                "gap, and a group stays on one side",
                *(split, got, number, group),
            )
    return pd.Series(split_of_group[groups], index=table.index, name="split", dtype="string")


def split_csv(catalog: Catalog) -> str:
    """The split as text, ``path,split`` and a row an image: what a run was trained on, to keep."""
    photos = catalog.table.loc[catalog.table["view"] == 0, ["path", "split"]]
    return str(photos.to_csv(index=False, lineterminator="\n"))


def with_distorted_views(
    table: pd.DataFrame, types: Sequence[str], splits: Sequence[str] = ("val", "evaluation")
) -> pd.DataFrame:
    """The table plus, for every row of ``splits``, one distorted view of the same photo.

    Where a data set has one image an item there is no second photo to find, so FIR is measured
    with distorted views as queries: same path and item, domain "consumer", view 1. A view carries
    no label: so it is neither query nor gallery of an edit, and the editing figures stay those of
    real photos. A row without an item becomes an item of its own, named by its path.
    """
    table = table.assign(view=0)
    chosen = table["split"].isin(splits)
    item = table["item"] if "item" in table else pd.Series(pd.NA, table.index, dtype="string")
    table["item"] = item.where(item.notna() | ~chosen, table["path"])
    views = table[chosen].copy()
    views["view"] = 1
    views["domain"] = "consumer"
    for column in (*types, "counterfactual_of"):
        if column in views:
            views[column] = pd.Series(pd.NA, views.index, dtype="string")
    return pd.concat([table, views], ignore_index=True) if len(views) else table


def has_item_pairs(table: pd.DataFrame, split: str = "evaluation") -> bool:
    """Whether some item has two images in the split, so that one can be searched with the other."""
    if "item" not in table:
        return False
    items = table.loc[table["split"] == split, "item"].dropna()
    return bool(items.duplicated().any())


def _group_codes(table: pd.DataFrame, group: str | None) -> np.ndarray:
    """Group number ``(N,)`` of every row, counted from 0."""
    if group is None:
        return np.arange(len(table))
    codes, names = pd.factorize(table[group])
    alone = codes < 0
    codes[alone] = len(names) + np.arange(int(alone.sum()))
    return codes


def _at_most(wish: int, share: float, total: int, name: str) -> int:
    limit = int(share * total)
    if wish > limit:
        log.warning(
            "%s gets %d rows instead of %d: only %d rows carry all labels, and it may take %.0f %%",
            *(name, limit, wish, total, 100 * share),
        )
    return min(wish, limit)


def _fill(candidates: np.ndarray, sizes: np.ndarray, number: int) -> np.ndarray:
    """The candidates, in order, that fit into ``number`` rows."""
    taken, left = [], number
    for candidate in candidates:
        if sizes[candidate] <= left:
            taken.append(candidate)
            left -= int(sizes[candidate])
    return np.array(taken, dtype=np.int64)
