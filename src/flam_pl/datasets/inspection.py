"""Describes and checks a catalog."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np
from tabulate import tabulate

from flam_pl.attributes import UNLABELLED
from flam_pl.datasets.catalog import DOMAINS, SPLITS, Catalog
from flam_pl.errors import FlamError

SHOWN = 3  # cases of each reason that are named; the others are counted


def describe(catalog: Catalog, bad: Mapping[int, str] | None = None) -> str:
    """Photos, items, labels and dropped rows; ``bad`` comes from ``check_photos``."""
    photos = catalog.select(np.flatnonzero(catalog.table["view"] == 0))
    sections = [_overview(catalog, photos), _photos_table(photos), _labels_table(photos)]
    if without_edits := edits_cannot_be_evaluated(photos):
        sections.append(f"Edits: {without_edits}")
    if photos.notes:
        sections.append("Notes:" + "".join(f"\n  - {note}" for note in photos.notes))
    if problems := list(_training_problems(photos)):
        sections.append("Before training: " + "; ".join(problems))
    dropped = {case.where: case.reason for case in catalog.dropped}
    sections.append("Left out by the reader:" + (_by_reason(dropped) or " nothing"))
    paths = catalog.table["path"]
    reasons = _by_reason({paths.iloc[row]: reason for row, reason in (bad or {}).items()})
    none = " not looked for" if bad is None else " none"
    sections.append("Photos that cannot be used:" + (reasons or none))
    return "\n\n".join(sections) + "\n"


def check_usable(catalog: Catalog, *, training: bool = True) -> None:
    """Raises FlamError with every reason why evaluation or training is impossible."""
    problems = list(_training_problems(catalog)) if training else []
    queries, _, in_vain = instance_queries(catalog)
    only_views = queries == in_vain or (catalog.table["view"] > 0).any()
    if only_views and (without_edits := edits_cannot_be_evaluated(catalog)):
        remedy = "use fewer attribute types (data.types) or evaluate more photos (data.evaluation)"
        problems.append(f"{without_edits}. Label more photos, {remedy}")
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise FlamError(f"{catalog.name} ({catalog.root}) cannot be used:{listed}")


def edits_cannot_be_evaluated(catalog: Catalog) -> str | None:
    """Why no edit can be evaluated; None if some can."""
    if len(catalog.edit_rows("evaluation")):
        return None
    types = ", ".join(catalog.schema.types)
    several = sum(len(catalog.edit_rows(split)) for split in SPLITS)
    why = f"no evaluation photo has labels of two types ({types}), so no edit can be evaluated"
    return f"{why}; {several} photo(s) of all splits do"


def instance_queries(catalog: Catalog) -> tuple[int, int, int]:
    """Numbers of queries, gallery photos, and queries without a match."""
    rows = catalog.instance_rows()
    asks = (catalog.table["domain"].iloc[rows] == "consumer").to_numpy(bool)
    items, gallery = catalog.items[rows][asks], catalog.items[rows][~asks]
    return len(items), len(gallery), int((~np.isin(items, gallery)).sum())


def class_counts(catalog: Catalog, rows: np.ndarray) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for position, (kind, names) in enumerate(catalog.schema.classes.items()):
        labels = catalog.labels[rows, position]
        per_class = np.bincount(labels[labels != UNLABELLED], minlength=len(names))
        counts[kind] = dict(zip(names, per_class.tolist(), strict=True))
    return counts


def _training_problems(catalog: Catalog) -> Iterator[str]:
    rows = catalog.rows("train")
    if not len(rows):
        yield "no training photo: expected rows with the split 'train'"
        return
    held_out = np.concatenate([catalog.rows("val"), catalog.rows("evaluation")])
    items = catalog.items[rows]
    shared = np.isin(items, catalog.items[held_out]) & (items >= 0)
    if shared.any():
        first, number = catalog.table.iloc[rows[shared][0]], len(np.unique(items[shared]))
        example = f"the first: item {first['item']} ({first['path']}). Put each into one split"
        yield f"{number} item(s) stand in training and in a held-out split, {example}"
    remedy = "use fewer classes (data.classes), evaluate fewer photos (data.evaluation), or label "
    for kind, counts in class_counts(catalog, rows).items():
        if none := [name for name, count in counts.items() if count == 0]:
            yield f"no training photo has the {kind} {', '.join(none)}: {remedy}photos of it"


def _overview(catalog: Catalog, photos: Catalog) -> str:
    item, views = photos.table["item"], len(catalog) - len(photos)
    if views:  # photos without an item got a path as theirs (assembly.py)
        item = item.mask(item.isin(photos.table["path"]))
    per_item = item.value_counts()
    alone, itemless = int((per_item == 1).sum()), int(item.isna().sum())
    lines = [f"{catalog.name}: {len(photos)} photos in {catalog.root}"]
    lines += [f"items: {len(per_item)}, {alone} with one photo; photos without an item: {itemless}"]
    if views:
        lines.append(f"distorted views, the queries of the instance search: {views}")
    queries, gallery, in_vain = instance_queries(catalog)
    if queries:
        without = f"queries whose item is not among them: {in_vain}"
        lines.append(f"instance search: {queries} queries among {gallery} photos; {without}")
    if made := int(photos.table["counterfactual_of"].notna().sum()):
        lines.append(f"counterfactual photos: {made}")
    if catalog.extra_attributes:
        lines.append(f"extra attributes: {', '.join(catalog.extra_attributes)}")
    return "\n".join(lines)


def _photos_table(photos: Catalog) -> str:
    body = []
    for split in SPLITS:
        domains = [len(photos.rows(split, domain)) for domain in DOMAINS]
        labelled = len(photos.rows(split, labelled=True)), len(photos.rows(split, dense=True))
        body.append([split, *domains, *labelled])
    return str(tabulate(body, headers=["photos", *DOMAINS, "any label", "all labels"]))


def _labels_table(photos: Catalog) -> str:
    rows = [photos.rows(split) for split in SPLITS]
    per_split = [class_counts(photos, of_split) for of_split in rows]
    body: list[list[object]] = []
    for kind, names in photos.schema.classes.items():
        body += [[kind, name, *(counts[kind][name] for counts in per_split)] for name in names]
        labelled = [sum(counts[kind].values()) for counts in per_split]
        missing = [len(of) - n for of, n in zip(rows, labelled, strict=True)]
        body.append([kind, "(unlabelled)", *missing])
    return str(tabulate(body, headers=["type", "class", *SPLITS]))


def _by_reason(cases: Mapping[str, str]) -> str:
    places = defaultdict(list)
    for where, reason in cases.items():
        places[reason].append(where)
    lines = []
    for reason, found in sorted(places.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        lines.append(f"\n  {len(found)} x {reason}: {'; '.join(found[:SHOWN])}{more}")
    return "".join(lines)
