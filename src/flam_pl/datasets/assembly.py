"""From what a reader found to a Catalog: spellings, classes, split, distorted views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from flam_pl.attributes import AttributeSchema
from flam_pl.config.data import LabelledData, SplitData
from flam_pl.datasets.catalog import Catalog, Dropped
from flam_pl.datasets.garments import fill_garments, garment_note
from flam_pl.datasets.labels import use_classes
from flam_pl.datasets.splits import (
    EVERY_DENSE_ROW,
    has_item_pairs,
    identical_files,
    identical_on_two_sides,
    leak_groups,
    split_dense,
    with_distorted_views,
)
from flam_pl.errors import FlamError


@dataclass
class Found:
    """What a reader found on disk."""

    name: str
    root: Path
    """Folder that relative paths start from."""
    table: pd.DataFrame
    """Without ``split``, photos are drawn at random; without ``domain``, the shop's are the first
    of each item."""
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
    """Photos with some labels are evaluated too where few have all labels."""
    draws_validation: bool = False
    """Validation photos are drawn from the training photos of a given split."""


def assemble(found: Found, data: LabelledData, schema: AttributeSchema | None) -> Catalog:
    """The Catalog of the photos that a reader found.

    Args:
        schema: classes of a trained run; without a split, all photos with all labels are then
            evaluated. None takes the classes from the photos.
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
    return Catalog.build(
        found.name,
        found.root,
        table,
        classes,
        extra_attributes=tuple(found.extra_attributes),
        dropped=tuple(found.dropped),
        notes=tuple(notes),
        gallery=found.gallery,
    )


def _complete(table: pd.DataFrame, found: Found) -> np.ndarray:
    """Which rows may be evaluated, ``(N,)`` bool: those with all labels or, where these are few and
    the data set allows it, those with two labels or more."""
    labels = table[list(found.types)].notna().sum(axis=1).to_numpy()
    dense, several = labels == len(found.types), labels > 1
    return several if found.partial_labels and 2 * dense.sum() < several.sum() else dense


def _training(table: pd.DataFrame) -> np.ndarray | None:
    """Positions of the training photos, ``(M,)``; None where there are none yet."""
    if "split" not in table or not (table["split"] == "train").any():
        return None
    return np.flatnonzero((table["split"] == "train").to_numpy(bool))


def _split(
    table: pd.DataFrame, found: Found, data: SplitData, contents: np.ndarray, foreign: bool
) -> pd.Series:
    """The split of every row, ``(N,)``: the given one, else a drawn one."""
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
