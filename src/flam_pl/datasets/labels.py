"""Labels: classes, spellings, shares and extra attributes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from flam_pl.attributes import AttributeSchema, did_you_mean, fold_spelling
from flam_pl.datasets.catalog import Catalog
from flam_pl.errors import FlamError

Fold = Callable[[str], str]
Label = tuple[str, str, str]  # path of a photo, attribute, value
# without a number in data.classes, a type has its most frequent classes, and all frequent ones
MOST_FREQUENT = 10  # classes
FREQUENT = 20  # photos of a class
WORDS_SHOWN = 5  # labels that a note names; the others are counted
UNKNOWN = ("", "NA")  # values of extra attributes for "not known", beside an empty cell
NUMBERS_AS_WORDS = 10  # up to so many different numbers are words, such as years


def use_classes(
    table: pd.DataFrame, types: Sequence[str], wanted: Any, rows: np.ndarray | None = None
) -> tuple[pd.DataFrame, AttributeSchema, list[str]]:
    """The table with only the labels of used classes, these classes, and notes.

    Spellings of a class become the named one, else the most frequent one. ``wanted`` is
    ``data.classes`` or a schema; ``rows`` ``(M,)`` are counted, by default all.

    >>> table = pd.DataFrame({"color": ["Red", "RED", "Red", "blue", "blue", "pink"]})
    >>> table, schema, notes = use_classes(table, ["color"], 2)
    >>> schema.of("color"), notes[0]
    (('Red', 'blue'), '1 color label(s) are respelled: RED -> Red (1)')
    """
    foreign = wanted if isinstance(wanted, AttributeSchema) else None
    by_type = foreign.classes if foreign else wanted
    if not isinstance(by_type, Mapping):
        by_type = dict.fromkeys(types, wanted)
    for kind in by_type:
        if kind not in types:
            known = f"{did_you_mean(str(kind), types)}; the types are {', '.join(types)}"
            raise FlamError(f"data.classes names the type {kind!r}{known}")
    table, classes, notes = table.copy(), {}, []
    for kind in types:
        chosen = by_type.get(kind)
        named = [str(name) for name in chosen] if isinstance(chosen, list | tuple) else None
        notes += join_spellings(table, kind, named or [])
        counted = _counts(table[kind] if rows is None else table[kind].iloc[rows])
        used = [*foreign.of(kind)] if foreign else _choose(kind, counted, chosen, named)
        counts = _counts(table[kind])
        lost = counts.drop(counts.index.intersection(used))
        if len(lost):
            table[kind] = table[kind].where(table[kind].isin(used), pd.NA)
            notes.append(
                f"{lost.sum()} {kind} label(s) name none of the {len(used)} classes and count as "
                f"unlabelled: {_words(lost, counts.drop(lost.index))}"
            )
        classes[kind] = tuple(used)
    return table, foreign or AttributeSchema(classes), notes


def fold_label(text: str) -> str:
    """``fold_spelling``, with one form for 38 and 38.0, which a column with gaps makes of it."""
    return fold_spelling(re.sub(r"^(-?\d+)\.0+$", r"\1", text))


def join_spellings(
    table: pd.DataFrame, column: str, named: Iterable[str] = (), fold: Fold = fold_label
) -> list[str]:
    """Give texts with equal ``fold`` one spelling, in place: the named or most frequent one.
    Returns notes."""
    counts, named = _counts(table[column]), dict.fromkeys(named)
    spelling, others = dict[str, str](), dict[str, str]()
    for name in (*named, *counts.index):
        other = spelling.setdefault(fold(name), name)
        if other != name and name not in named:
            others[name] = other
    if not others:
        return []
    texts, found = table[column], counts[list(others)]
    table[column] = texts.map(others).fillna(texts).astype(texts.dtype)
    found.index = pd.Index(
        f"{a} -> {b}" if a.casefold() == b.casefold() else f"{a!a} -> {b!a}"
        for a, b in others.items()
    )
    return [f"{found.sum()} {column} label(s) are respelled: {_words(found)}"]


def fold_id(text: str) -> str:
    """``fold_spelling``, with one form for 7, 7.0 and 007."""
    number = re.fullmatch(r"0*(\d+)(?:\.0*)?", text)
    return number[1] if number else fold_spelling(text)


def _choose(kind: str, counts: pd.Series, chosen: Any, named: list[str] | None) -> list[str]:
    for name in named or ():
        if name not in counts:
            near = did_you_mean(name, counts.index)
            raise FlamError(f"data.classes names the {kind} {name!r}, which no photo has{near}")
    if chosen is None:
        chosen = max(MOST_FREQUENT, int((counts >= FREQUENT).sum()))
    if named is None and (isinstance(chosen, bool) or not isinstance(chosen, int) or chosen < 2):
        raise FlamError(f"data.classes is {chosen} for {kind}; expected 2 or more, or names")
    used = list(counts.index[:chosen]) if named is None else named
    if len(used) < 2:
        remedy = "Check its labels, or leave it out of data.types."
        got = f"attribute type {kind!r} has the classes {used}"
        raise FlamError(f"{got}; expected at least two. {remedy}")
    return used


def _counts(labels: pd.Series) -> pd.Series:
    """Photos per label, most frequent first, ties by name."""
    counts = labels.dropna().astype("string").value_counts(sort=False)
    pairs = sorted(zip((-counts).tolist(), counts.index.tolist(), strict=True))
    return pd.Series([-count for count, _ in pairs], [name for _, name in pairs], dtype="int64")


def _words(counts: pd.Series, classes: pd.Series | None = None) -> str:
    """The most frequent words, and some that may misspell a class."""
    near = dict.fromkeys(counts.index, "")
    if classes is not None:
        for word, count in counts.items():
            frequent = classes.index[count <= np.maximum(3, classes / 20)]
            near[word] = did_you_mean(str(word), frequent)
    most, rest = counts.index[:WORDS_SHOWN], counts.index[WORDS_SHOWN:]
    shown = [*most, *[word for word in rest if near[word]][:WORDS_SHOWN]]
    more = f" and {len(counts) - len(shown)} more" if len(counts) > len(shown) else ""
    return ", ".join(f"{word} ({counts[word]}{near[word]})" for word in shown) + more


def with_labels(
    table: pd.DataFrame, labels: list[Label], attribute_of: dict[str, str], known: Sequence[str]
) -> tuple[pd.DataFrame, list[str], list[str]]:
    """The table with a column per attribute, the ``known`` attributes that are no type, and notes.
    Contradicting values of a photo count as none."""
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
    """The catalog with a share of its training labels, at least one per class. With one seed, a
    larger share contains a smaller one."""
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
    """Codes of each extra attribute, ``(N,)`` int32; -1 for unknown. More than ``NUMBERS_AS_WORDS``
    different numbers become thirds, with equal shares of the training photos (else of all)."""
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
