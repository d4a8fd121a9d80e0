"""From a reader's table to a Catalog with classes, split and distorted views."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from flam_pl.attributes import AttributeSchema
from flam_pl.config.data import LabelledData, SplitData
from flam_pl.datasets.catalog import SPLITS, Catalog, Dropped, fill_garments
from flam_pl.datasets.labels import join_spellings, use_classes
from flam_pl.datasets.splits import (
    EVERY_DENSE_ROW,
    identical_files,
    identical_on_two_sides,
    leak_groups,
    split_dense,
)
from flam_pl.errors import FlamError

log = logging.getLogger(__name__)


@dataclass
class Found:  # a reader's table of photos
    name: str
    root: Path
    table: pd.DataFrame
    """Without column ``split``, a split is drawn; without ``domain``, an item's first photo is the
    shop's."""
    types: Sequence[str]
    extra_attributes: Sequence[str] = ()
    dropped: Sequence[Dropped] = ()
    notes: list[str] = field(default_factory=list)
    gallery: tuple[str, ...] = ("evaluation",)
    together: Sequence[str] = ()  # equal values of these columns stay on one side of the split
    one_photo_per_item: bool = False
    """Identical files are one item, and garments in several classes never train."""
    partial_labels: bool = False  # where few photos have all labels, two are enough to evaluate
    draws_validation: bool = False  # from the training photos
    classes: AttributeSchema | None = None  # of the training, also if no photo has one any more


def assemble(found: Found, data: LabelledData, schema: AttributeSchema | None) -> Catalog:
    """The Catalog of a reader's table. With the ``schema`` of a trained run and no split, all
    photos with all labels are evaluated."""
    table = found.table.reset_index(drop=True)
    for kind in found.types:  # a type of the run that this set does not have
        table[kind] = table.get(kind, pd.Series(dtype="string"))
    wanted = schema or found.classes or data.classes
    table, classes, notes = use_classes(table, found.types, wanted, _training(table))
    lacking = [kind for kind in found.types if table[kind].isna().all()]
    # the others are made for instance search
    if lacking and isinstance(data, SplitData) and not found.classes:
        names = f"{lacking[0]} classes {', '.join(classes.of(lacking[0]))}"
        remedy = f"Rename the labels: {'; '.join(notes)}" if notes else "Label some of them."
        raise FlamError(f"{found.name} ({found.root}): no photo has one of the {names}. {remedy}")
    notes = [*found.notes, *notes]
    for name in found.extra_attributes:
        notes += join_spellings(table, name)
    table["garment"] = fill_garments(table)
    contents = identical_files(table["path"], found.root)
    if "split" in table:
        notes += identical_on_two_sides(table, contents)
    if isinstance(data, SplitData):
        lacks_val = "split" in table and not (table["split"] == "val").any()
        table["split"] = _split(table, found, data, contents, foreign=schema is not None)
        if lacks_val and (drawn := int((table["split"] == "val").sum())):
            notes.append(f"no photo has the split val: {drawn} training photos validate instead")
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
    """Rows ``(N,)`` bool with enough labels to be evaluated."""
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
    of = found.groupby("split")["garment"].nunique().reindex(SPLITS, fill_value=0)
    number = f"{found['garment'].nunique()} garment(s) in several classes, {len(found)} photos"
    sides = f"{of['val']} validate, {of['evaluation']} are evaluated, {of['train']} train"
    return [f"{number}: {sides}"]


def with_distorted_views(
    table: pd.DataFrame, types: Sequence[str], contents: np.ndarray
) -> pd.DataFrame:
    """The table, with a distorted view of every validation and evaluation photo.

    Views are queries of the instance search, without labels. A photo without an item gets the item
    of an identical file in its split, else a new item.
    """
    table = table.assign(view=0)
    chosen = table["split"].isin(("val", "evaluation"))
    item = table["item"] if "item" in table else pd.Series(pd.NA, table.index, dtype="string")
    one_file = [pd.Series(contents, table.index), table["split"]]
    for name in (item, table["path"]):
        item = item.where(item.notna() | ~chosen, name.groupby(one_file).transform("first"))
    table["item"] = item
    views = table[chosen].assign(view=1, domain="consumer")
    views = views.drop(columns=[*types, "counterfactual_of", "garment"], errors="ignore")
    return pd.concat([table, views], ignore_index=True) if len(views) else table


def has_item_pairs(table: pd.DataFrame, contents: np.ndarray) -> bool:
    if "item" not in table:
        return False
    photos = table.assign(contents=contents)[(table["split"] == "evaluation").to_numpy(bool)]
    return bool((photos.groupby("item")["contents"].nunique() > 1).any())
