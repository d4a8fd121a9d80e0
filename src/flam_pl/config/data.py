"""Schemas of the config group ``data``: one dataclass a data set."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from omegaconf import MISSING

from flam_pl.errors import FlamError


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
    label_share: float = 1.0
    """Share of the training labels that is kept, at least one a class; the others read as never
    written down. Labels of validation and evaluation all stay."""
    label_seed: int = 0
    """Of the draw of that share; a smaller share is part of a larger one."""
    min_side: int = 8
    """Images smaller than this many pixels on a side are left out, counted and reported."""
    workers: int = -1
    """Processes that decode images; -1 is one a core less one, at most 8, and none where a CPU
    extracts features. A set number also says how many draw the wardrobe (0: this one does), else
    one a core."""


@dataclass(unsafe_hash=True)  # a key of caches; nobody changes one that is in use
class WardrobeSettings:
    """How large a wardrobe is and how it is labelled; the defaults give 6,480 images."""

    seed: int = 0
    image_size: int = 128
    """Pixels of a side."""
    train_items: int = 600
    train_photos: int = 6
    """Photos of each item; the first half (rounded up) in the shop, the rest by consumers."""
    val_items: int = 80
    val_photos: int = 4
    evaluation_items: int = 400
    evaluation_photos: int = 4
    counterfactuals: int = 2
    """Counterfactual items of a validation or evaluation item: the same, with one attribute
    changed, a shop photo each; three change different types."""
    labelled_share: float = 0.4
    """Share of the training images that somebody labelled."""
    label_rate: float = 0.7
    """Probability that a labelled image's label of one type was written down."""
    wrong_rate: float = 0.05
    """Probability that a label written down names another class than the one drawn."""

    def __post_init__(self) -> None:
        """Raises: FlamError: a value out of its range, by the name of its setting."""
        least = {"seed": 0, "image_size": 32, "val_items": 0, "evaluation_items": 0}
        least |= {"counterfactuals": 0}
        for setting in fields(WardrobeSettings):
            value = getattr(self, setting.name)
            if setting.type == "float":
                number = isinstance(value, int | float) and not isinstance(value, bool)
                if not (number and 0 <= value <= 1):
                    self._refuse(setting.name, value, "a number from 0 to 1")
                continue
            low = least.get(setting.name, 1)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                self._refuse(setting.name, value, f"a whole number, at least {low}")
        if self.image_size > 1024:
            self._refuse("image_size", self.image_size, "at most 1024 pixels")

    def _refuse(self, name: str, value: object, expected: str) -> None:
        raise FlamError(f"data.{name}: got {value!r}, expected {expected}")

    def items(self, split: str) -> int:
        """Items of a split, without counterfactuals."""
        return int(getattr(self, f"{split}_items"))

    def changes(self, split: str) -> int:
        """Counterfactuals of each item of a split; what is trained on has none."""
        return 0 if split == "train" else self.counterfactuals

    def photos(self, split: str) -> int:
        """Photos of each item of a split."""
        return int(getattr(self, f"{split}_photos"))


@dataclass
class WardrobeData(WardrobeSettings, DataConfig):
    """The embedded data set; it is drawn into ``root`` when it is not there yet."""

    @property
    def settings(self) -> WardrobeSettings:
        """What the drawing depends on."""
        return WardrobeSettings(**{f.name: getattr(self, f.name) for f in fields(WardrobeSettings)})


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
    traits: list[str] = field(default_factory=list)
    """Columns nobody trains on that an edited search should keep, e.g. ``[gender, brand]``: the
    report says how well each method does. They need not be named in ``extras`` as well."""


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
