"""Attribute types, their classes, and spellings of names."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from flam_pl.errors import FlamError, not_a_name

UNLABELLED = -1
"""Class index of a photo without a label of a type."""

BLANKS = "\u034f\u115f\u1160\u2800\ufe0e\ufe0f"  # invisible, but letters and marks to Unicode
LOOK_ALIKES = str.maketrans(
    "\u0430\u0432\u0435\u0456\u043a\u043c\u043d\u043e\u0440\u0441\u0442\u0443\u0445\u0458\u0455"
    "\u03b1\u03b2\u03b5\u03b9\u03ba\u03bf\u03c1\u03c4\u03c7\u2010\u2012\u2013\u2014\u2212\u2018\u2019",
    "abeikmhopctyxjsabeikoptx-----''",
)
"""Lower-case Cyrillic and Greek letters, dashes, quotes -> the sign that looks the same."""


class SchemaError(FlamError):
    """A name that a schema does not have, or two schemas that differ."""


@dataclass(frozen=True)
class AttributeSchema:
    """Attribute types and their classes, in order.

    >>> schema = AttributeSchema({"color": ("red", "blue"), "shape": ("shirt", "jeans")})
    >>> schema.encode("color", ["blue", None, "red"]).tolist()
    [1, -1, 0]
    """

    classes: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        for name, values in self.classes.items():
            if wrong := not_a_name(name):  # files of pictures have this name
                raise SchemaError(
                    f"attribute type {name!r} cannot be used: {wrong}. Expected a name that a file "
                    "can have; rename that column."
                )
            if len(values) < 2 or len(set(values)) != len(values):
                raise SchemaError(
                    f"attribute type {name!r} has the classes {list(values)}; expected two or more "
                    "different ones. Check the labels of that column."
                )

    @property
    def types(self) -> tuple[str, ...]:
        return tuple(self.classes)

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(map(len, self.classes.values()))

    def of(self, attribute_type: str) -> tuple[str, ...]:
        """Classes of one type; SchemaError for an unknown type."""
        if attribute_type not in self.classes:
            known = ", ".join(self.types)
            raise SchemaError(f"no attribute type {attribute_type!r}; the types are {known}")
        return self.classes[attribute_type]

    def index(self, attribute_type: str, name: str) -> int:
        """Position of a class; SchemaError for an unknown class."""
        known = self.of(attribute_type)
        if name not in known:
            classes = ", ".join(known)
            raise SchemaError(f"{attribute_type} has no class {name!r}; its classes are {classes}")
        return known.index(name)

    def encode(self, attribute_type: str, labels: Iterable[object]) -> np.ndarray:
        """Class indices ``(N,)`` int64; missing and unknown names become ``UNLABELLED``."""
        position = {name: i for i, name in enumerate(self.of(attribute_type))}
        known = [position.get(v, UNLABELLED) if isinstance(v, str) else UNLABELLED for v in labels]
        return np.array(known, dtype=np.int64)

    def to_dict(self) -> dict[str, list[str]]:
        return {name: list(values) for name, values in self.classes.items()}

    @classmethod
    def from_dict(cls, classes: Mapping[str, Sequence[str]]) -> AttributeSchema:
        return cls({name: tuple(values) for name, values in classes.items()})

    def require_same(self, other: AttributeSchema, whose: str) -> None:
        """Raise SchemaError for the first type in which ``other`` differs."""
        if self.types != other.types:
            raise SchemaError(f"{whose} has the types {other.types}, expected {self.types}")
        for name, expected in self.to_dict().items():
            if (found := list(other.of(name))) != expected:
                raise SchemaError(
                    f"{whose} differs in the classes of {name!r}: got {found}, expected {expected}"
                )


def fold_spelling(name: str) -> str:
    """One form for all spellings that differ by case, spaces, Unicode forms, invisible signs, or
    Cyrillic and Greek letters that look Latin.

    >>> fold_spelling(" Navy\\u200b  BLUE ")
    'navy blue'
    """
    if name.isascii() and name.isprintable():
        return " ".join(name.lower().split())
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    invisible = {c for c in folded if unicodedata.category(c) in ("Cf", "Cc")} | {*BLANKS}
    visible = "".join(c for c in folded if c.isspace() or c not in invisible)
    return " ".join(visible.split()).translate(LOOK_ALIKES)


def same_name(word: str, known: Sequence[str]) -> str | None:
    """The same word, or the only name that differs in spelling alone."""
    if word in known:
        return word
    alike = [name for name in known if fold_spelling(name) == fold_spelling(word)]
    return alike[0] if len(alike) == 1 else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question with the known name of the nearest spelling, or ``""`` if none is near."""
    spelled = {fold_spelling(other): other for other in known}
    near = difflib.get_close_matches(fold_spelling(name), spelled, n=1, cutoff=0.75)
    return f"; did you mean {spelled[near[0]]}?" if near else ""
