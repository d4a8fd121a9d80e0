"""From the photos that a reader found to a Catalog: spellings, classes, split, distorted views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from flam_pl.attributes import AttributeSchema
from flam_pl.config.data import LabelledData, SplitData
from flam_pl.datasets.catalog import Catalog, Dropped
from flam_pl.datasets.garments import fill_garments, garment_note
from flam_pl.datasets.labels import choose_classes, join_spellings, keep_classes
from flam_pl.datasets.splits import (
    EVERY_DENSE_ROW,
    has_item_pairs,
    identical_files,
    identical_on_two_sides,
    leak_groups,
    split_dense,
    with_distorted_views,
)


@dataclass
class Found:
    """What a reader found on disk."""

    name: str
    root: Path
    """Folder that relative paths start from."""
    table: pd.DataFrame
    """A row per photo: ``path``, attribute types, other columns. Without ``split``,
    photos are drawn at random. Without ``domain``, the first photo of an item is the shop's."""
    types: Sequence[str]
    extra_attributes: Sequence[str] = ()
    dropped: Sequence[Dropped] = ()
    notes: list[str] = field(default_factory=list)
    gallery: tuple[str, ...] = ("evaluation",)
    together: Sequence[str] = ()
    """Columns whose equal values stay on one side of a drawn split, as identical files do."""
    one_photo_per_item: bool = False
    """Identical files are one item, and garments in several classes never train."""
    draws_validation: bool = False
    """Validation photos are drawn from the training photos of a split that has none."""


def assemble(found: Found, data: LabelledData, schema: AttributeSchema | None) -> Catalog:
    """The Catalog of the photos that a reader found.

    Args:
        schema: classes of a trained run; then, without a split, all photos with all labels are
            evaluated. None takes the classes from the photos.

    Raises:
        FlamError: too few classes, or no label of any class.
    """
    missing = [kind for kind in found.types if kind not in found.table]
    table = found.table.reset_index(drop=True).assign(
        **dict.fromkeys(missing, pd.Series(dtype="string"))
    )
    named = data.classes if isinstance(data.classes, Mapping) else {}
    table, notes = join_spellings(table, found.types, schema.classes if schema else named)
    classes = schema or choose_classes(table, found.types, data.classes, _training(table))
    for_edits = isinstance(data, SplitData)
    table, lost = keep_classes(table, classes, f"{found.name} ({found.root})", required=for_edits)
    notes = [*found.notes, *notes, *lost]
    table["garment"] = fill_garments(table)
    contents = identical_files([found.root / path for path in table["path"]])
    if "split" in table:
        notes += identical_on_two_sides(table, contents)
    if isinstance(data, SplitData):
        table["split"] = _split(table, found, data, contents, foreign=schema is not None)
    if found.one_photo_per_item:
        table["item"] = table["item"].groupby(contents).transform("first")
        twins = table["item"][table["item"].duplicated(keep=False)]
        if len(twins):
            notes.append(
                f"{len(twins)} products have the same photo as another one: they count as "
                f"{twins.nunique()} item(s)"
            )
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
        found.types,
        evaluation=evaluation,
        validation=data.validation,
        seed=data.split_seed,
        groups=leak_groups(part, together, contents[rows]),
        held_out=part["garment"].notna().to_numpy(bool) if found.one_photo_per_item else None,
    )
    return split if "split" not in table else split.combine_first(table["split"])
