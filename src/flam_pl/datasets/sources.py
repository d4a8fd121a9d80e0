"""From a ``data`` config to its Catalog: the one place that knows every reader."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from flam_pl.attributes import AttributeSchema
from flam_pl.config import DataConfig, FashionProductsData, TableData, WardrobeData
from flam_pl.datasets.catalog import COLUMNS, Catalog
from flam_pl.datasets.fashion_products import read_fashion_products
from flam_pl.datasets.table import read_table
from flam_pl.datasets.wardrobe.drawing import draw_wardrobe
from flam_pl.datasets.wardrobe.garment import SCHEMA
from flam_pl.datasets.wardrobe.settings import WardrobeSettings
from flam_pl.errors import FlamError


def open_catalog(data: DataConfig, schema: AttributeSchema | None = None) -> Catalog:
    """Read (or, for the wardrobe, draw) a data set.

    Args:
        schema: of a trained run, to evaluate another catalogue with it: labels that it does not
            know count as unlabelled. None takes the classes from the data.

    Raises:
        FlamError: what is wrong with the data set, and where.
    """
    if data.root is None:
        raise FlamError(
            f"data={data.name} needs the place of its data: "
            f'ARGS="data={data.name} data.root=/path/to/it"'
        )
    root = Path(data.root)
    if isinstance(data, WardrobeData):
        return _wardrobe(root, data, schema)
    if isinstance(data, FashionProductsData):
        return read_fashion_products(
            root,
            category=data.category,
            classes=data.classes,
            evaluation=data.evaluation,
            validation=data.validation,
            seed=data.split_seed,
            schema=schema,
        )
    assert isinstance(data, TableData)
    return read_table(
        root,
        types=data.types,
        columns=renamed(data.columns),
        extras=data.extras,
        images=Path(data.images) if data.images else None,
        classes=data.classes,
        evaluation=data.evaluation,
        validation=data.validation,
        seed=data.split_seed,
        schema=schema,
    )


def renamed(columns: Sequence[str]) -> dict[str, str]:
    """``["photo:path"]`` -> ``{"photo": "path"}``; raises ``FlamError`` for anything else."""
    pairs = [tuple(column.split(":")) for column in columns]
    wrong = [c for c, pair in zip(columns, pairs, strict=True) if len(pair) != 2]
    if wrong:
        raise FlamError(f"data.columns has {wrong[0]!r}; expected own_name:name, e.g. photo:path")
    return {pair[0]: pair[1] for pair in pairs}


def _wardrobe(root: Path, data: WardrobeData, schema: AttributeSchema | None) -> Catalog:
    fields = {f.name for f in dataclasses.fields(WardrobeSettings)}
    settings = {name: value for name, value in vars(data).items() if name in fields}
    draw_wardrobe(root, WardrobeSettings(**settings))
    table = pd.read_csv(root / "catalog.csv", dtype="string", keep_default_na=False, na_values=[""])
    extras = [c for c in table.columns if c not in COLUMNS and c not in SCHEMA.types]
    if schema is not None:
        schema.require_same(SCHEMA, "the wardrobe")
        # a foreign catalogue: every image whose true labels are known asks and is asked
        table["split"] = "evaluation"
        for name in SCHEMA.types:
            table[name] = table[f"true_{name}"]
    return Catalog.build(data.name, root, table, SCHEMA, extras=extras)
