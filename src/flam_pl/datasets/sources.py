"""From a ``data`` config to its Catalog: the one place that knows every reader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flam_pl.attributes import AttributeSchema
from flam_pl.config.data import (
    ConsumerToShopData,
    DarnData,
    DataConfig,
    FashionProductsData,
    InShopData,
    Shopping100kData,
    SplitData,
    TableData,
    WardrobeData,
)
from flam_pl.datasets.catalog import COLUMNS, Catalog
from flam_pl.datasets.consumer_to_shop import read_consumer_to_shop
from flam_pl.datasets.darn import read_darn
from flam_pl.datasets.fashion_products import read_fashion_products
from flam_pl.datasets.in_shop import read_in_shop
from flam_pl.datasets.label_share import keep_label_share
from flam_pl.datasets.shopping100k import read_shopping100k
from flam_pl.datasets.table import read_table
from flam_pl.datasets.unlabelled import with_unlabelled
from flam_pl.datasets.wardrobe.drawing import draw_wardrobe
from flam_pl.datasets.wardrobe.garment import KEPT_TRAITS, SCHEMA
from flam_pl.errors import FlamError

Reader = Callable[[Path, Any, AttributeSchema | None], Catalog]
"""A root, the data set's own settings and, to evaluate a trained run, its schema."""


def open_catalog(data: DataConfig, schema: AttributeSchema | None = None) -> Catalog:
    """Read (or, for the wardrobe, draw) a data set.

    Args:
        schema: of a trained run, to evaluate another catalogue with it: labels that it does not
            know count as unlabelled, and what could only be trained on is left out, so that no
            features are extracted for nothing. None takes the classes from the data.

    Raises:
        FlamError: what is wrong with the data set, and where.
    """
    if data.root is None:
        raise FlamError(
            f"data={data.name} needs the place of its data: "
            f'ARGS="data={data.name} data.root=/path/to/it"'
        )
    catalog = READERS[type(data)](Path(data.root).expanduser(), data, schema)
    if schema is not None:
        measured = np.union1d(catalog.rows("evaluation"), catalog.instance_rows())
        return catalog.select(measured) if len(measured) else catalog
    catalog = keep_label_share(catalog, data.label_share, data.label_seed)
    if data.unlabelled is not None:
        return with_unlabelled(catalog, Path(data.unlabelled).expanduser())
    return catalog


def renamed(columns: Sequence[str]) -> dict[str, str]:
    """``["photo:path"]`` -> ``{"photo": "path"}``; raises ``FlamError`` for anything else."""
    pairs = [tuple(column.split(":")) for column in columns]
    wrong = [c for c, pair in zip(columns, pairs, strict=True) if len(pair) != 2]
    if wrong:
        raise FlamError(f"data.columns has {wrong[0]!r}; expected own_name:name, e.g. photo:path")
    return {pair[0]: pair[1] for pair in pairs}


def _wardrobe(root: Path, data: WardrobeData, schema: AttributeSchema | None) -> Catalog:
    draw_wardrobe(root, data.settings, None if data.workers < 0 else max(1, data.workers))
    table = pd.read_csv(root / "catalog.csv", dtype="string", keep_default_na=False, na_values=[""])
    extras = [c for c in table.columns if c not in COLUMNS and c not in SCHEMA.types]
    if schema is not None:
        schema.require_same(SCHEMA, "the wardrobe")
        # a foreign catalogue: every image whose true labels are known asks and is asked
        table["split"] = "evaluation"
        for name in SCHEMA.types:
            table[name] = table[f"true_{name}"]
    return Catalog.build(data.name, root, table, SCHEMA, extras=extras, traits=KEPT_TRAITS)


def _split_options(data: SplitData) -> dict[str, int]:
    return {
        "classes": data.classes,
        "evaluation": data.evaluation,
        "validation": data.validation,
        "seed": data.split_seed,
    }


def _fashion_products(
    root: Path, data: FashionProductsData, schema: AttributeSchema | None
) -> Catalog:
    options = _split_options(data)
    return read_fashion_products(root, category=data.category, schema=schema, **options)


def _table(root: Path, data: TableData, schema: AttributeSchema | None) -> Catalog:
    return read_table(
        root,
        types=data.types,
        columns=renamed(data.columns),
        extras=data.extras,
        traits=data.traits,
        images=Path(data.images).expanduser() if data.images else None,
        schema=schema,
        **_split_options(data),
    )


def _in_shop(root: Path, data: InShopData, schema: AttributeSchema | None) -> Catalog:
    return read_in_shop(
        root,
        types=data.types,
        classes=data.classes,
        validation_items=data.validation_items,
        seed=data.split_seed,
        schema=schema,
    )


def _consumer_to_shop(
    root: Path, data: ConsumerToShopData, schema: AttributeSchema | None
) -> Catalog:
    return read_consumer_to_shop(root, classes=data.classes, gallery=data.gallery, schema=schema)


def _darn(root: Path, data: DarnData, schema: AttributeSchema | None) -> Catalog:
    return read_darn(root, types=data.types, schema=schema, **_split_options(data))


def _shopping100k(root: Path, data: Shopping100kData, schema: AttributeSchema | None) -> Catalog:
    splits = Path(data.splits).expanduser() if data.splits else None
    options = _split_options(data)
    return read_shopping100k(root, types=data.types, splits=splits, schema=schema, **options)


READERS: dict[type[DataConfig], Reader] = {
    WardrobeData: _wardrobe,
    FashionProductsData: _fashion_products,
    TableData: _table,
    InShopData: _in_shop,
    ConsumerToShopData: _consumer_to_shop,
    DarnData: _darn,
    Shopping100kData: _shopping100k,
}
