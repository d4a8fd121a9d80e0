"""Reader of the wardrobe; draws a missing one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from flam_pl.attributes import AttributeSchema
from flam_pl.config.data import WardrobeData
from flam_pl.config.saved_files import reading
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.wardrobe.drawing import CONTENT, SPLITS, draw_wardrobe
from flam_pl.datasets.wardrobe.garment import PRESERVED_ATTRIBUTES, SCHEMA


def read(root: Path, data: WardrobeData, schema: AttributeSchema | None = None) -> Catalog:
    """The Catalog; with a trained run's schema, all photos are evaluated, by their true labels."""
    draw_wardrobe(root, data.settings, data.workers)
    catalog, settings = root / "catalog.csv", data.settings
    with reading(catalog, f"Delete {root}: the wardrobe is drawn again."):
        table = pd.read_csv(catalog, dtype="string", keep_default_na=False, na_values=[""])
        rows = sum(settings.items(s) * (settings.photos(s) + settings.changes(s)) for s in SPLITS)
        if len(table) != rows:
            raise ValueError(f"it has {len(table)} rows, expected {rows}")
    contents = table.pop(CONTENT) if CONTENT in table else ()  # older wardrobes have none
    intact = dict.fromkeys(contents, settings.image_size)
    if schema is not None:
        schema.require_same(SCHEMA, "the wardrobe")
        table["split"] = "evaluation"
        for name in SCHEMA.types:
            table[name] = table[f"true_{name}"]
    others: Any = {"extra_attributes": PRESERVED_ATTRIBUTES, "intact": intact}
    return Catalog.build(data.name, root, table, SCHEMA, **others)
