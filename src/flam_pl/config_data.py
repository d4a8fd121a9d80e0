"""Schemas of the config group ``data``: one dataclass a data set."""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING


@dataclass
class DataConfig:
    """What every data set has."""

    name: str = MISSING
    """Name of the data set; also the name of the run unless ``run`` is given."""
    root: str | None = None
    """Folder (or, for ``table``, file) with the data."""
    unlabelled: str | None = None
    """Folder of further photos, searched with all its subfolders. What needs no label, that is the
    manipulator, trains on them too, with the embedders as labeller (the paper: 4 million)."""
    min_side: int = 8
    """Images smaller than this many pixels on a side are left out, counted and reported."""
    workers: int = -1
    """Processes that decode images; -1 is one a core less one, at most 8, and none where a CPU
    extracts features."""


@dataclass
class WardrobeData(DataConfig):
    """The embedded data set; it is drawn into ``root`` when it is not there yet."""

    seed: int = 0
    image_size: int = 128
    train_items: int = 600
    train_photos: int = 6
    val_items: int = 80
    val_photos: int = 4
    evaluation_items: int = 400
    evaluation_photos: int = 4
    counterfactuals: int = 2
    """Counterfactual items of an evaluation item: the same, with one attribute changed."""
    labelled_share: float = 0.4
    """Share of the training images that carry any label."""
    label_rate: float = 0.7
    """Share of the types that such an image keeps a label of."""
    wrong_rate: float = 0.05
    """Share of the kept labels that name another class."""


@dataclass
class SplitData(DataConfig):
    """A data set without a published split: images with all labels are split off at random."""

    classes: int = 10
    """The most frequent classes of each attribute type that are used."""
    evaluation: int = 1200
    validation: int = 300
    split_seed: int = 0


@dataclass
class FashionProductsData(SplitData):
    """Kaggle's Fashion Product Images: ``styles.csv`` and ``images/{id}.jpg`` under ``root``."""

    category: str = "Apparel"


@dataclass
class TableData(SplitData):
    """A CSV or Parquet table of one's own; ``root`` is the file."""

    images: str | None = None
    """Folder that the table's paths are relative to; null is the table's own folder."""
    types: list[str] = field(default_factory=lambda: ["shape", "color", "pattern"])
    columns: list[str] = field(default_factory=list)
    """The table's own names of columns and what they are here, e.g. ``[photo:path]``."""
    extras: list[str] = field(default_factory=list)
    """Further columns to keep: attributes that nobody trains on."""


@dataclass
class InShopData(DataConfig):
    """DeepFashion In-shop: ``Eval/``, ``Anno/`` and ``img/`` (or ``Img/img/``) under ``root``."""

    types: list[str] = field(default_factory=lambda: ["shape", "color"])
    """shape (the folder of the category), color, pattern (from the attributes of the item)."""
    classes: int = 10
    validation_items: int = 300
    """Items taken out of training to validate on, since the published split has none."""
    split_seed: int = 0


@dataclass
class ConsumerToShopData(DataConfig):
    """DeepFashion Consumer-to-shop: ``Eval/`` and ``img/`` (or ``Img/img/``) under ``root``."""

    classes: int = 10
    gallery: str = "val+test"
    """Whose shop photos are searched: val+test (the later notes of the data set) | test (the
    first ones)."""


@dataclass
class DarnData(SplitData):
    """DARN as in the public asen layout: ``filenames_*.txt`` and ``label_*.txt`` in ``root``."""

    types: list[str] = field(default_factory=lambda: ["shape", "color", "pattern"])
    """Those three stand for clothes_category, clothes_color and clothes_pattern; any other of the
    nine attributes goes by its own name."""
    evaluation: int = 5000
    validation: int = 500


@dataclass
class Shopping100kData(SplitData):
    """Shopping100k: ``Images/`` and ``Attributes/*.txt`` under ``root``."""

    types: list[str] = field(default_factory=lambda: ["shape", "color", "pattern"])
    """shape stands for category; any other of the twelve attributes goes by its own name."""
    splits: str | None = None
    """Folder with the split files of ADDE (``imgs_train.txt``, ``labels_train.txt``, ...), whose
    labels and test images are used then; null looks for them in ``root``, else ``Attributes/``."""
    evaluation: int = 2000
    validation: int = 500


DATA_SCHEMAS: dict[str, type[DataConfig]] = {
    "wardrobe": WardrobeData,
    "fashion_products": FashionProductsData,
    "table": TableData,
    "in_shop": InShopData,
    "consumer_to_shop": ConsumerToShopData,
    "darn": DarnData,
    "shopping100k": Shopping100kData,
}
"""Data set -> its schema; ``conf/data/<data set>.yaml`` starts from it."""
