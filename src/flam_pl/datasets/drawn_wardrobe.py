"""Reader of the wardrobe, which it draws first where it is not there yet."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from flam_pl.attributes import AttributeSchema
from flam_pl.config.data import WardrobeData
from flam_pl.datasets.catalog import Catalog
from flam_pl.datasets.wardrobe.drawing import draw_wardrobe
from flam_pl.datasets.wardrobe.garment import PRESERVED_ATTRIBUTES, SCHEMA


def read(root: Path, data: WardrobeData, schema: AttributeSchema | None = None) -> Catalog:
    """The Catalog of the wardrobe; for a trained run, every photo is evaluated by true labels."""
    draw_wardrobe(root, data.settings, data.workers)
    table = pd.read_csv(root / "catalog.csv", dtype="string", keep_default_na=False, na_values=[""])
    if schema is not None:
        schema.require_same(SCHEMA, "the wardrobe")
        table["split"] = "evaluation"
        for name in SCHEMA.types:
            table[name] = table[f"true_{name}"]
    return Catalog.build(data.name, root, table, SCHEMA, extra_attributes=PRESERVED_ATTRIBUTES)
