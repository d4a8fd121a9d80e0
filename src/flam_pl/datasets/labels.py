"""Labels: one spelling per class, the classes that are used, lists, shares, extra attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from flam_pl.attributes import AttributeSchema, did_you_mean, fold_spelling
from flam_pl.datasets.catalog import Catalog
from flam_pl.errors import FlamError

Label = tuple[str, str, str]
"""Path of a photo, attribute, value."""

MOST_FREQUENT = 10
"""Classes of a type that ``data.classes`` does not name."""

WORDS_SHOWN = 5
"""Most frequent labels that a note names; the others are counted."""

UNKNOWN = ("", "NA")
"""Values of extra attributes that stand for "not known", beside an empty cell."""

NUMBERS_AS_WORDS = 10
"""Up to so many different numbers of an extra attribute are words, such as years."""


def join_spellings(
    table: pd.DataFrame, types: Sequence[str], known: Mapping[str, Any]
) -> tuple[pd.DataFrame, list[str]]:
    """One spelling for all labels of a class: the known one, else the most frequent one.

    Args:
        known: attribute type -> list of known classes; anything else is ignored.

    Returns:
        The table, and a sentence per type with respelled labels (see ``fold_spelling``).

    >>> join_spellings(pd.DataFrame({"color": ["Red", "RED", "Red"]}), ["color"], {})[1]
    ['1 color label(s) are respelled: RED -> Red (1)']
    """
    table, notes = table.copy(), []
    for kind in types:
        given = known.get(kind)
        classes = [str(name) for name in given] if isinstance(given, list | tuple) else []
        counts = _counts(table[kind])
        spelling: dict[str, str] = {}
        for name in (*classes, *counts.index):
            spelling.setdefault(fold_spelling(name), name)
        others = {n: spelling[fold_spelling(n)] for n in counts.index if n not in classes}
        others = {name: other for name, other in others.items() if name != other}
        if others:
            table[kind] = table[kind].replace(others)
            found = counts[list(others)].rename(
                {n: f"{n} -> {other}" for n, other in others.items()}
            )
            notes.append(f"{found.sum()} {kind} label(s) are respelled: {_words(found)}")
    return table, notes


def choose_classes(
    table: pd.DataFrame, types: Sequence[str], wanted: Any, rows: np.ndarray | None = None
) -> AttributeSchema:
    """The classes of every type: named ones, or the most frequent ones, ties by name.

    Args:
        wanted: the setting ``data.classes``.
        rows: positions ``(M,)`` of the rows that are counted; None counts all.

    Raises:
        FlamError: a type with fewer than two classes, a class without a label, an unknown type.
    """
    by_type = wanted if isinstance(wanted, Mapping) else dict.fromkeys(types, wanted)
    for kind in by_type:
        if kind not in types:
            near = did_you_mean(str(kind), types)
            raise FlamError(
                f"data.classes names the type {kind!r}{near}; the types are {', '.join(types)}"
            )
    counted = table if rows is None else table.iloc[rows]
    classes = {}
    for kind in types:
        chosen, names = by_type.get(kind, MOST_FREQUENT), list(_counts(counted[kind]).index)
        if isinstance(chosen, list | tuple):
            chosen = [str(name) for name in chosen]
            for name in chosen:
                if name not in names:
                    raise FlamError(
                        f"data.classes names the {kind} {name!r}, which none of the {len(counted)} "
                        f"photos that are counted has{did_you_mean(name, names)}"
                    )
        elif isinstance(chosen, int) and chosen >= 2:
            chosen = names[:chosen]
        else:
            raise FlamError(
                f"data.classes is {chosen} for {kind}; expected a number from 2 up, or names"
            )
        if len(chosen) < 2:
            raise FlamError(
                f"attribute type {kind!r} has the classes {chosen} in the {len(counted)} photos "
                "that are counted; expected at least two, one to edit into another. Check the "
                "labels of that column, or leave the type out of data.types."
            )
        classes[kind] = tuple(chosen)
    return AttributeSchema(classes)


def keep_classes(
    table: pd.DataFrame, schema: AttributeSchema, whose: str, *, required: bool = True
) -> tuple[pd.DataFrame, list[str]]:
    """The table without labels outside the schema, and a sentence per type that lost some.

    Raises:
        FlamError: a type without any label left, if labels are ``required``.
    """
    table, notes = table.copy(), []
    for kind, classes in schema.classes.items():
        counts = _counts(table[kind])
        kept, lost = counts[counts.index.isin(classes)], counts[~counts.index.isin(classes)]
        table[kind] = table[kind].where(table[kind].isin(classes), pd.NA)
        if required and kept.empty:
            raise FlamError(
                f"{whose}: no photo has one of the {kind} classes {', '.join(classes)}; the labels "
                f"are {', '.join(lost.index[:10]) or 'empty'}. Rename the labels to the classes."
            )
        if len(lost):
            notes.append(
                f"{lost.sum()} {kind} label(s) name none of the {len(classes)} classes and count "
                f"as unlabelled: {_words(lost, kept)}"
            )
    return table, notes


def _counts(labels: pd.Series) -> pd.Series:
    """Label -> number of photos, the most frequent first, ties by name."""
    counts = labels.dropna().astype(str).value_counts()
    return counts[sorted(counts.index, key=lambda name: (-int(counts[name]), name))]


def _words(counts: pd.Series, classes: pd.Series | None = None) -> str:
    """The most frequent words with their counts, and those that may misspell a frequent class."""
    near = {}
    for word, count in counts.items() if classes is not None else ():
        near[word] = did_you_mean(word, classes.index[count <= np.maximum(3, classes / 20)])
    most, rest = counts.index[:WORDS_SHOWN], counts.index[WORDS_SHOWN:]
    shown = [*most, *[word for word in rest if near.get(word)][:WORDS_SHOWN]]
    more = f" and {len(counts) - len(shown)} more" if len(counts) > len(shown) else ""
    return ", ".join(f"{word} ({counts[word]}{near.get(word, '')})" for word in shown) + more


def with_labels(
    table: pd.DataFrame, labels: list[Label], attribute_of: dict[str, str], known: Sequence[str]
) -> tuple[pd.DataFrame, list[str], list[str]]:
    """The table with a column per attribute, the extra attributes, and notes.

    A photo with two values of an attribute is unlabelled there; a note counts such labels.

    Args:
        attribute_of: attribute type -> attribute (see ``attributes_of``).
        known: all attributes; those that are no type are extra attributes.
    """
    found = pd.DataFrame(labels, columns=["path", "attribute", "value"]).drop_duplicates()
    twice = found.duplicated(["path", "attribute"], keep=False)
    values = found[~twice].pivot(index="path", columns="attribute", values="value")
    values = values.reindex(table["path"]).set_index(table.index)
    extra = [name for name in known if name not in attribute_of.values()]
    for column, name in (attribute_of | {name: name for name in extra}).items():
        table[column] = values.get(name, pd.Series(pd.NA, table.index)).astype("string")
    if not twice.any():
        return table, extra, []
    pairs = found[twice].groupby(["attribute", "path"]).size()
    note = f"{len(pairs)} label(s) contradict each other and count as unlabelled, for example "
    return table, extra, [note + " of ".join(pairs.index[0])]


def keep_label_share(catalog: Catalog, share: float, seed: int = 0) -> Catalog:
    """The catalog with a share of its training labels; the other splits keep theirs.

    Each class keeps ``round(share * count)`` labels, but at least one. With one seed, a smaller
    share is part of a larger one. Raises ``FlamError`` unless 0 < share <= 1.
    """
    if not 0 < share <= 1:
        raise FlamError(f"data.label_share is {share}; expected a number above 0, up to 1")
    if share == 1:
        return catalog
    table = catalog.table.copy()
    training = catalog.rows(split="train")
    for t, kind in enumerate(catalog.schema.types):
        for c in range(catalog.schema.sizes[t]):
            rows = training[catalog.labels[training, t] == c]
            # the order depends on the class alone, so that shares are nested
            order = np.random.default_rng([seed, t, c]).permutation(rows)
            table.loc[order[max(1, round(share * len(rows))) :], kind] = pd.NA
    return replace(catalog, table=table)


def extra_attribute_codes(catalog: Catalog) -> dict[str, np.ndarray]:
    """Codes of each extra attribute, ``(N,)`` int32: equal codes agree, -1 is "not known".

    More than ``NUMBERS_AS_WORDS`` different numbers are cut into thirds at the quantiles 1/3 and
    2/3 of the training photos, or of all photos where none trains.
    """
    trained = (catalog.table["split"] == "train").to_numpy(bool)
    return {name: _codes(catalog.table[name], trained) for name in catalog.extra_attributes}


def _codes(column: pd.Series, trained: np.ndarray) -> np.ndarray:
    words = column.astype("string").str.strip()
    words = words.mask(words.isin(UNKNOWN).fillna(False))
    known = words.notna().to_numpy(bool)
    numbers = pd.to_numeric(words, errors="coerce").to_numpy(float, na_value=np.nan)
    many = len(np.unique(numbers[known])) > NUMBERS_AS_WORDS
    if not (many and np.isfinite(numbers[known]).all()):
        return pd.factorize(words, sort=True)[0].astype(np.int32)
    counted = known & trained if (known & trained).any() else known
    bounds = np.quantile(numbers[counted], [1 / 3, 2 / 3])
    return np.where(known, np.searchsorted(bounds, numbers), -1).astype(np.int32)
