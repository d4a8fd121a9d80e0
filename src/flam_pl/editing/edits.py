"""Edits: what should be different in the results."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flam_pl.attributes import AttributeSchema, same_name
from flam_pl.errors import FlamError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


class EditError(FlamError):
    """An edit that has no meaning or cannot apply."""


@dataclass(frozen=True)
class Photo:
    """An example photo: a file, its content, or another text that a search can read."""

    source: str | Path | bytes


@dataclass(frozen=True)
class Edit:
    """One attribute type, and the class that the results should have.

    Raises EditError for a strength outside [0, 1], weights that are not positive, or an example
    that is not one feature.

    >>> print(Edit("color", "red"), Edit("pattern", {"striped": 1, "dotted": 1}, strength=0.5))
    color=red pattern=striped+dotted:0.5
    """

    attribute_type: str  # e.g. "color"
    wanted: str | Mapping[str, float] | Tensor | np.ndarray | Photo
    """A class, weights of several classes, an example photo, or its stored feature ``(D,)``."""
    strength: float = 1.0  # from 0, the query as it is, to 1, the whole edit

    def __post_init__(self) -> None:
        fault = None
        if not 0 <= self.strength <= 1:
            fault = f"has the strength {self.strength}; expected 0 (as it is) to 1 (the whole edit)"
        elif isinstance(self.wanted, Mapping):
            weights = list(self.wanted.values())
            if not weights or not all(w > 0 and math.isfinite(w) for w in weights):
                fault = f"mixes {dict(self.wanted)}; expected classes with weights above 0"
        elif not isinstance(self.wanted, str | Photo) and not hasattr(self.wanted, "ndim"):
            fault = f"wants {self.wanted!r}; expected a class, weights of classes, or an example"
        elif not isinstance(self.wanted, str | Photo) and self.wanted.ndim != 1:
            shape = tuple(self.wanted.shape)
            fault = f"has an example of the shape {shape}; expected one stored feature, (D,)"
        if fault:
            raise EditError(f"an edit for {self.attribute_type} {fault}")

    @classmethod
    def like(
        cls,
        attribute_type: str,
        photo: str | Path | bytes | Tensor | np.ndarray,
        strength: float = 1.0,
    ) -> Edit:
        wanted = Photo(photo) if isinstance(photo, str | Path | bytes) else photo
        return cls(attribute_type, wanted, strength)

    @property
    def mix(self) -> Mapping[str, float] | None:
        """Shares of the wanted classes, which sum to 1; None for an example."""
        if isinstance(self.wanted, str):
            return {self.wanted: 1.0}
        if not isinstance(self.wanted, Mapping):
            return None
        total = sum(self.wanted.values())
        return {name: weight / total for name, weight in self.wanted.items()}

    def __str__(self) -> str:
        wanted = "+".join(self.mix) if self.mix else "(an example)"
        strength = f":{self.strength:g}" if self.strength < 1 else ""
        return f"{self.attribute_type}={wanted}{strength}"


def in_order(edits: Sequence[Edit], schema: AttributeSchema) -> list[Edit]:
    """The edits with a strength above 0, in the order and the spelling of the types.

    Raises SchemaError for an unknown type or class, EditError for two edits of one type.

    >>> schema = AttributeSchema({"color": ("red", "blue"), "sleeve": ("short", "long")})
    >>> [str(e) for e in in_order([Edit("sleeve", "long"), Edit("Color", "Red")], schema)]
    ['color=red', 'sleeve=long']
    """
    of_type: dict[str, Edit] = {}
    for given in edits:
        edit = spelled(given, schema)
        if edit.attribute_type in of_type:
            raise EditError(
                f"two edits for {edit.attribute_type}: {of_type[edit.attribute_type]} and {edit}; "
                "expected one per type. A mix is one edit, e.g. red+blue"
            )
        of_type[edit.attribute_type] = edit
    return [of_type[n] for n in schema.types if n in of_type and of_type[n].strength > 0]


def spelled(edit: Edit, schema: AttributeSchema) -> Edit:
    """The edit with the names of the schema. Raises SchemaError for an unknown type or class."""
    kind, wanted = same_name(edit.attribute_type, schema.types) or edit.attribute_type, edit.wanted
    known = schema.of(kind)

    def own(name: str) -> str:
        return known[schema.index(kind, same_name(name, known) or name)]

    if isinstance(wanted, str):
        wanted = own(wanted)
    elif isinstance(wanted, Mapping):
        weights: dict[str, float] = {}
        for name, weight in wanted.items():
            weights[own(name)] = weights.get(own(name), 0) + weight
        wanted = weights
    return replace(edit, attribute_type=kind, wanted=wanted)
