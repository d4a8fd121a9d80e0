"""Settings of the config group ``data``."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from omegaconf import MISSING

from flam_pl.config.bounds import number, one_of
from flam_pl.config.bounds import numbers as not_empty


@dataclass
class DataConfig:  # Settings of every data set
    name: str = MISSING  # Name of the data set and, unless ``run`` is given, of the run
    reader: str = MISSING  # Module of ``flam_pl.datasets`` that reads the data set
    root: str | None = None  # Folder with the data; for ``table``, the file
    unlabelled: str | None = None  # Folder of more photos, without labels, for the manipulator
    label_share: float = number(1.0, above=0, most=1)  # Share of the training labels that is used
    label_seed: int = number(0, least=0)
    min_side: int = number(8, least=0)  # Photos with fewer pixels on a side are left out
    workers: int = number(-1, least=-1)  # Processes that decode or draw photos; -1: by the cores


@dataclass(unsafe_hash=True)  # a key of caches: do not change one in use
class WardrobeSettings:  # Size and labels of a wardrobe, by default 6,480 photos
    seed: int = number(0, least=0)
    image_size: int = number(128, least=32, most=1024)  # Pixels of a side
    train_items: int = number(600, least=1)
    train_photos: int = number(6, least=1)  # Photos per item, the first half of them by the shop
    val_items: int = number(80, least=0)
    val_photos: int = number(4, least=1)
    evaluation_items: int = number(400, least=0)
    evaluation_photos: int = number(4, least=1)
    counterfactuals: int = number(2, least=0)  # Copies of a held-out item with one change each
    labelled_share: float = number(0.4, least=0, most=1)  # Share of training photos with labels
    label_rate: float = number(0.7, least=0, most=1)  # Probability of each label of these photos
    wrong_rate: float = number(0.05, least=0, most=1)  # Probability of a wrong label

    def items(self, split: str) -> int:
        return int(getattr(self, f"{split}_items"))

    def changes(self, split: str) -> int:
        return 0 if split == "train" else self.counterfactuals

    def photos(self, split: str) -> int:
        return int(getattr(self, f"{split}_photos"))


@dataclass
class WardrobeData(WardrobeSettings, DataConfig):  # The wardrobe, drawn into ``root``
    reader: str = "drawn_wardrobe"

    @property
    def settings(self) -> WardrobeSettings:
        return WardrobeSettings(**{f.name: getattr(self, f.name) for f in fields(WardrobeSettings)})


@dataclass
class LabelledData(DataConfig):  # A data set on disk with labels
    types: list[str] = not_empty("shape", "color", "pattern")  # Attribute types that are read
    classes: Any = 10
    """Number of classes per attribute type, the most frequent ones; null: the ten most frequent and
    all with at least 20 photos; or by type, a number or names: ``{shape: 8, color: [Red, Blue]}``,
    else null. Where the data set has a split, training photos count. Other labels count as
    unlabelled."""


@dataclass
class SplitData(LabelledData):  # A data set that is split at random
    evaluation: int = number(1200, least=-1)  # Photos with all labels to evaluate; -1: all of them
    validation: int = number(300, least=0)
    split_seed: int = number(0, least=0)


@dataclass
class FashionProductsData(SplitData):  # Kaggle's Fashion Product Images
    reader: str = "fashion_products"
    category: str = "Apparel"  # The ``masterCategory`` that is read


@dataclass
class TableData(SplitData):  # A CSV or Parquet table; ``root`` is the file
    reader: str = "table"
    classes: Any = None
    images: str | None = None  # Folder that the paths start from; null: the table's own folder
    columns: list[str] = field(default_factory=list)
    """Your column names and what they are here, e.g. ``[photo:path,farbe:color]``."""
    extra_attributes: list[str] = field(default_factory=list)
    """Attribute columns that no network trains on, e.g. ``[gender, brand]``, for the report."""
    label_separator: str | None = None
    """Separates labels in one cell, e.g. ``;`` for ``Red;Blue``: the first one is used."""
    recorded_split: str | None = None
    """``split.csv`` of a run: its photos keep their split, other photos are evaluated; unused if
    the table has a column ``split``."""


@dataclass
class InShopData(LabelledData):  # DeepFashion In-shop, with its split
    reader: str = "in_shop"
    types: list[str] = not_empty("shape", "color")  # shape, color, pattern
    validation_items: int = number(300, least=0)  # Training items to validate on, at most 15 %
    split_seed: int = number(0, least=0)


@dataclass
class ConsumerToShopData(LabelledData):  # DeepFashion Consumer-to-shop, with its split
    reader: str = "consumer_to_shop"
    types: list[str] = not_empty("shape")
    gallery: str = one_of("val+test", "test")
    """Splits whose shop photos are searched: val+test (later notes of the set) | test (first)."""


@dataclass
class Shopping100kData(SplitData):  # Shopping100k, in its own layout or that of ADDE
    reader: str = "shopping100k"
    splits: str | None = None  # Folder with the files of ADDE; null: ``root``, if they are there


DATA_SCHEMAS: dict[str, type[DataConfig]] = {
    "wardrobe": WardrobeData,
    "split": SplitData,
    "fashion_products": FashionProductsData,
    "table": TableData,
    "in_shop": InShopData,
    "consumer_to_shop": ConsumerToShopData,
    "shopping100k": Shopping100kData,
}
"""``defaults: [schema_<key>, _self_]`` in ``conf/data/<data set>.yaml`` chooses a schema."""
