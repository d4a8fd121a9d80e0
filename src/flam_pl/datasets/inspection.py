"""What a catalog holds, which of its images cannot be used, and whether it is fit for the task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations, product

import numpy as np
import pandas as pd
from tabulate import tabulate

from flam_pl.attributes import UNLABELLED
from flam_pl.datasets.catalog import DOMAINS, SPLITS, Catalog, Dropped
from flam_pl.errors import FlamError

SHOWN = 3
"""How many cases of each reason are named; the rest is counted."""


def describe(catalog: Catalog, bad: Mapping[int, str] | None = None) -> str:
    """Plain text about what was found: images, items, labels, and what was left out and why.

    Args:
        catalog: the catalog.
        bad: rows that cannot be used, from ``check_photos``; None: not looked for.
    """
    sections = [_overview(catalog), _images_table(catalog), _labels_table(catalog)]
    sections.extend(_remarks(catalog))
    left_out = _by_reason(catalog.dropped)
    sections.append("Left out by the reader:" + (left_out or " nothing"))
    if bad is None:
        sections.append("Images that cannot be used: not looked for")
    else:
        cases = [Dropped(catalog.image(r), bad[r]) for r in sorted(bad)]
        sections.append("Images that cannot be used:" + (_by_reason(cases) or " none"))
    return "\n\n".join(sections) + "\n"


def check_usable(catalog: Catalog, *, training: bool = True) -> None:
    """Refuse a catalog that is no use, with every reason at once.

    Without an image that carries all labels, it is of use where photos of its items can be
    searched: see ``edits_cannot_be_evaluated``.

    Args:
        training: False where a trained run is only evaluated on it.

    Raises:
        FlamError: no training images, a class without one, nothing to evaluate.
    """
    problems = list(_training_problems(catalog)) if training else []
    without_edits = edits_cannot_be_evaluated(catalog)
    if without_edits and not _asks_with_own_photos(catalog):
        problems.append(
            f"{without_edits}. Label more images, use fewer attribute types (data.types), or "
            "evaluate more rows (data.evaluation)"
        )
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise FlamError(f"{catalog.name} ({catalog.root}) cannot be used:{listed}")


def edits_cannot_be_evaluated(catalog: Catalog) -> str | None:
    """Why no edit can be evaluated on the catalog; None where edits can be."""
    if len(catalog.rows("evaluation", dense=True)):
        return None
    dense = len(catalog.rows(dense=True))
    return (
        f"no evaluation image carries all labels ({', '.join(catalog.schema.types)}), so no edit "
        f"can be evaluated; {dense} image(s) of the whole catalog do"
    )


def instance_queries(catalog: Catalog) -> tuple[int, int, int]:
    """Images that ask for their item, images that are searched, and those asking in vain."""
    rows = catalog.instance_rows()
    asks = (catalog.table["domain"].iloc[rows] == "consumer").to_numpy(bool)
    items, searched = catalog.items[rows][asks], catalog.items[rows][~asks]
    return len(items), len(searched), int((~np.isin(items, searched)).sum())


def _asks_with_own_photos(catalog: Catalog) -> bool:
    """Whether some item of the evaluation can be searched by a photo that is no distorted view."""
    queries, _, in_vain = instance_queries(catalog)
    return queries > in_vain and not (catalog.table["view"] > 0).any()


def _training_problems(catalog: Catalog) -> Iterator[str]:
    rows = catalog.rows("train")
    if not len(rows):
        yield "no training image: expected rows with the split 'train'"
        return
    held_out = np.concatenate([catalog.rows("val"), catalog.rows("evaluation")])
    shared = np.intersect1d(catalog.items[rows], catalog.items[held_out])
    shared = shared[shared >= 0]
    if len(shared):
        row = rows[catalog.items[rows] == shared[0]][0]
        yield (
            f"{len(shared)} item(s) stand in training and in a held-out split, the first: item "
            f"{catalog.table['item'].iloc[row]} ({catalog.table['path'].iloc[row]}): the measure "
            "would be of images half seen. Put all images of an item into one split"
        )
    for kind, counts in class_counts(catalog, rows).items():
        none = [name for name, count in counts.items() if count == 0]
        if none:
            yield (
                f"no training image has the {kind} {', '.join(none)}: take fewer classes "
                "(data.classes), evaluate fewer rows (data.evaluation), or label images of it"
            )


def class_counts(catalog: Catalog, rows: np.ndarray) -> dict[str, dict[str, int]]:
    """Attribute type -> class -> number of these rows, classes in schema order."""
    counts: dict[str, dict[str, int]] = {}
    for position, kind in enumerate(catalog.schema.types):
        names = catalog.schema.of(kind)
        labels = catalog.labels[rows, position]
        per_class = np.bincount(labels[labels != UNLABELLED], minlength=len(names))
        counts[kind] = dict(zip(names, per_class.tolist(), strict=True))
    return counts


def pair_counts(catalog: Catalog, rows: np.ndarray) -> pd.DataFrame:
    """How many images have each pair of classes of two types, the scarce ones first.

    Args:
        rows: catalog rows that are counted, ``(M,)``; an image counts for the types it is labelled
            in.

    Returns:
        A row a pair, also those of no image: ``type``, ``class``, ``other type``, ``other class``,
        ``images``.
    """
    counts = []
    labels = catalog.labels[rows]
    for (a, kind), (b, other) in combinations(enumerate(catalog.schema.types), 2):
        of_kind, of_other = catalog.schema.of(kind), catalog.schema.of(other)
        both = labels[(labels[:, [a, b]] != UNLABELLED).all(axis=1)]
        images = np.zeros((len(of_kind), len(of_other)), dtype=np.int64)
        np.add.at(images, (both[:, a], both[:, b]), 1)
        counts += [
            (kind, name, other, other_name, int(images[i, j]))
            for (i, name), (j, other_name) in product(enumerate(of_kind), enumerate(of_other))
        ]
    columns = ["type", "class", "other type", "other class", "images"]
    return pd.DataFrame(counts, columns=columns).sort_values("images", kind="stable")


def _overview(catalog: Catalog) -> str:
    photos = catalog.table[catalog.table["view"] == 0]
    per_item = photos["item"].value_counts()
    lines = [
        f"{catalog.name}: {catalog.table['path'].nunique()} images in {catalog.root}",
        f"items: {len(per_item)}, of which {int((per_item == 1).sum())} have one image; "
        f"images without an item: {int(photos['item'].isna().sum())}",
    ]
    views = int((catalog.table["view"] > 0).sum())
    if views:
        lines.append(f"distorted views, so that an item can be searched: {views}")
    queries, searched, in_vain = instance_queries(catalog)
    if queries:
        lines.append(
            f"instance search: {queries} queries among {searched} images; queries whose item is "
            f"not among them: {in_vain}"
        )
    counterfactual = int(catalog.table["counterfactual_of"].notna().sum())
    if counterfactual:
        lines.append(f"counterfactual images: {counterfactual}")
    if catalog.extras:
        lines.append(f"kept for inspection: {', '.join(catalog.extras)}")
    return "\n".join(lines)


def _images_table(catalog: Catalog) -> str:
    body = [
        [
            split,
            *(len(catalog.rows(split, domain)) for domain in DOMAINS),
            len(catalog.rows(split, labelled=True)),
            len(catalog.rows(split, dense=True)),
        ]
        for split in SPLITS
    ]
    return str(tabulate(body, headers=["rows", *DOMAINS, "any label", "all labels"]))


def _labels_table(catalog: Catalog) -> str:
    per_split = [class_counts(catalog, catalog.rows(split)) for split in SPLITS]
    body: list[list[object]] = []
    for position, kind in enumerate(catalog.schema.types):
        for name in catalog.schema.of(kind):
            body.append([kind, name, *(counts[kind][name] for counts in per_split)])
        missing = catalog.labels[:, position] == UNLABELLED
        body.append(
            [kind, "(unlabelled)", *(int(missing[catalog.rows(split)].sum()) for split in SPLITS)]
        )
    return str(tabulate(body, headers=["type", "class", *SPLITS]))


def _remarks(catalog: Catalog) -> Iterator[str]:
    whole = class_counts(catalog, np.arange(len(catalog)))
    empty = [f"{kind} {name}" for kind, of in whole.items() for name, n in of.items() if n == 0]
    if empty:
        yield f"Classes without any image: {', '.join(empty)}"
    without_edits = edits_cannot_be_evaluated(catalog)
    if without_edits:
        yield f"Edits: {without_edits}"
    if catalog.notes:
        yield "Notes:" + "".join(f"\n  - {note}" for note in catalog.notes)
    problems = list(_training_problems(catalog))
    if problems:
        yield "Before training: " + "; ".join(problems)


def _by_reason(cases: Iterable[Dropped]) -> str:
    """A line a reason, most frequent first, with its first cases; empty where there is none."""
    table = pd.DataFrame([(case.reason, case.where) for case in cases], columns=["reason", "where"])
    grouped = table.groupby("reason", sort=True)["where"].apply(list)
    lines = []
    for reason, places in sorted(grouped.items(), key=lambda pair: -len(pair[1])):
        more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
        lines.append(f"\n  {len(places)} x {reason}: {'; '.join(places[:SHOWN])}{more}")
    return "".join(lines)
