"""How large a wardrobe is, how it is labelled, and when a drawn one may be used again."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from flam_pl.errors import FlamError

DRAWING_VERSION = 2
"""Raised whenever the same settings would give other pictures or labels than before."""


@dataclass(frozen=True)
class WardrobeSettings:
    """Options of ``draw_wardrobe``; the defaults give 6,320 images."""

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
    """Counterfactuals of an evaluation item, a shop photo each; three change different types."""
    labelled_share: float = 0.4
    """Share of training images that somebody labelled."""
    label_rate: float = 0.7
    """Probability that a labelled image's label of one type was written down."""
    wrong_rate: float = 0.05
    """Probability that a label written down names another class than the one drawn."""

    def __post_init__(self) -> None:
        least = {"seed": 0, "image_size": 32, "val_items": 0, "evaluation_items": 0}
        least |= {"counterfactuals": 0}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type == "float":
                if isinstance(value, bool) or not isinstance(value, int | float):
                    self._refuse(field.name, value, "a number from 0 to 1")
                if not 0 <= value <= 1:
                    self._refuse(field.name, value, "a number from 0 to 1")
                continue
            low = least.get(field.name, 1)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                self._refuse(field.name, value, f"a whole number, at least {low}")
        if self.image_size > 1024:
            self._refuse("image_size", self.image_size, "at most 1024 pixels")

    def _refuse(self, name: str, value: object, expected: str) -> None:
        raise FlamError(f"wardrobe setting {name}: got {value!r}, expected {expected}")

    def items(self, split: str) -> int:
        return {
            "train": self.train_items,
            "val": self.val_items,
            "evaluation": self.evaluation_items,
        }[split]

    def photos(self, split: str) -> int:
        return {
            "train": self.train_photos,
            "val": self.val_photos,
            "evaluation": self.evaluation_photos,
        }[split]

    def record(self) -> dict[str, int | float]:
        """What ``settings.json`` holds."""
        return {**asdict(self), "DRAWING_VERSION": DRAWING_VERSION}
