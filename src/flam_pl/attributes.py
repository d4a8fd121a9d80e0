"""The words of the project: attribute types, their classes, and the maps to numbers and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flam_pl.errors import FlamError

UNLABELLED = -1
"""Class index of an image that carries no (usable) label of a type."""


class SchemaError(FlamError):
    """A word that the schema does not know, or two schemas that differ."""


@dataclass(frozen=True)
class AttributeSchema:
    """Attribute types in a fixed order, each with its classes in a fixed order.

    A class index is a position in ``classes[type]``; ``UNLABELLED`` (-1) stands for "not known".
    """

    classes: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        for name, values in self.classes.items():
            if len(values) < 2:
                raise SchemaError(
                    f"attribute type {name!r} has the classes {list(values)}: at least two are "
                    "needed for one to be changed into another. Check the labels of that column."
                )
            if len(set(values)) != len(values):
                raise SchemaError(f"attribute type {name!r} lists a class twice: {list(values)}")

    @property
    def types(self) -> tuple[str, ...]:
        """Names of the attribute types, in order."""
        return tuple(self.classes)

    def index(self, attribute_type: str, name: str) -> int:
        """Position of class ``name``; raises ``SchemaError`` naming the known words."""
        known = self.of(attribute_type)
        if name not in known:
            raise SchemaError(
                f"{attribute_type} has no class {name!r}; its classes are {', '.join(known)}"
            )
        return known.index(name)

    def of(self, attribute_type: str) -> tuple[str, ...]:
        """Classes of one type; raises ``SchemaError`` naming the known types."""
        if attribute_type not in self.classes:
            raise SchemaError(
                f"no attribute type {attribute_type!r}; the types are {', '.join(self.types)}"
            )
        return self.classes[attribute_type]

    def encode(self, attribute_type: str, labels: Iterable[object]) -> np.ndarray:
        """Class names -> indices ``(N,)`` int64; missing or unknown names become ``UNLABELLED``."""
        position = {name: i for i, name in enumerate(self.of(attribute_type))}
        return np.array(
            [position.get(v, UNLABELLED) if isinstance(v, str) else UNLABELLED for v in labels],
            dtype=np.int64,
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of classes of each type."""
        return tuple(len(values) for values in self.classes.values())

    def combinations(self, labels: np.ndarray) -> np.ndarray:
        """Labels ``(N, types)`` -> one number for the whole combination of a row, ``(N,)`` int64.

        Mixed radix, the last type counting fastest; -1 where a type is unlabelled.
        """
        codes = np.zeros(len(labels), dtype=np.int64)
        for position, size in enumerate(self.sizes):
            codes = codes * size + labels[:, position]
        return np.where((labels == UNLABELLED).any(axis=1), -1, codes)

    def to_dict(self) -> dict[str, list[str]]:
        """Plain lists, fit for JSON."""
        return {name: list(values) for name, values in self.classes.items()}

    @classmethod
    def from_dict(cls, classes: Mapping[str, Sequence[str]]) -> AttributeSchema:
        """The inverse of ``to_dict``."""
        return cls({name: tuple(values) for name, values in classes.items()})

    def require_same(self, other: AttributeSchema, whose: str) -> None:
        """Raises ``SchemaError`` naming the first type that differs from ``other``'s."""
        if self.types != other.types:
            raise SchemaError(f"{whose} has the types {other.types}, expected {self.types}")
        for name in self.types:
            if tuple(self.classes[name]) != tuple(other.classes[name]):
                raise SchemaError(
                    f"{whose} differs in the classes of {name!r}: got {list(other.classes[name])}, "
                    f"expected {list(self.classes[name])}"
                )
