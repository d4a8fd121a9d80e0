"""What one attribute should become: a class, a mix of classes, or as it is in another photo."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from flam_pl.attributes import AttributeSchema
from flam_pl.errors import FlamError


class EditError(FlamError):
    """An edit that cannot be meant: which one, and what an edit may be."""


@dataclass(frozen=True)
class Edit:
    """One attribute of the query, and what it should be instead.

    Attributes:
        attribute_type: e.g. "color".
        wanted: the name of a class; or several with their weights, which need not sum to 1; or an
            example, the stored feature ``(D,)`` of a photo whose attribute is wanted.
        strength: how far to go: 0 leaves the query as it is, 1 is all that was asked for.
    """

    attribute_type: str
    wanted: str | Mapping[str, float] | Tensor
    strength: float = 1.0

    def __post_init__(self) -> None:
        """Raises: EditError: a strength outside [0, 1], a mix of nothing, a weight that is not a
        positive number, an example that is not one feature."""
        if not 0 <= self.strength <= 1:
            raise EditError(
                f"an edit for {self.attribute_type} has the strength {self.strength}; expected a "
                "number from 0 (as it is) to 1 (as asked)"
            )
        if isinstance(self.wanted, Tensor):
            if self.wanted.ndim != 1:
                raise EditError(
                    f"the example of an edit for {self.attribute_type} has the shape "
                    f"{tuple(self.wanted.shape)}; expected one stored feature, (D,)"
                )
        elif not isinstance(self.wanted, str):
            weights = list(self.wanted.values())
            if not weights or not all(w > 0 and math.isfinite(w) for w in weights):
                raise EditError(
                    f"an edit for {self.attribute_type} mixes {dict(self.wanted)}; expected at "
                    "least one class, each with a weight above 0"
                )

    @property
    def mix(self) -> Mapping[str, float] | None:
        """The classes that are named and their shares, which sum to 1; None for an example."""
        if isinstance(self.wanted, Tensor):
            return None
        if isinstance(self.wanted, str):
            return {self.wanted: 1.0}
        total = sum(self.wanted.values())
        return {name: weight / total for name, weight in self.wanted.items()}

    def __str__(self) -> str:
        """As ``parsing.parse_edits`` reads it: ``color=red``, ``pattern=striped:0.5``."""
        wanted = "+".join(self.mix) if self.mix else "(an example)"
        return f"{self.attribute_type}={wanted}" + (
            f":{self.strength:g}" if self.strength < 1 else ""
        )


def in_order(edits: Sequence[Edit], schema: AttributeSchema) -> list[Edit]:
    """The edits that ask for anything, in the order of the schema's types: how a user happens to
    order them must not matter.

    Raises:
        SchemaError: a type or class that the schema does not know.
        EditError: two edits for one type.
    """
    of_type: dict[str, Edit] = {}
    for edit in edits:
        if edit.attribute_type in of_type:
            raise EditError(
                f"two edits for {edit.attribute_type}: {of_type[edit.attribute_type]} and {edit}; "
                "expected one a type. A mix is one edit, e.g. red+blue"
            )
        schema.of(edit.attribute_type)  # raises, naming the known types
        for name in edit.mix or ():
            schema.index(edit.attribute_type, name)  # the same for the classes
        of_type[edit.attribute_type] = edit
    return [of_type[n] for n in schema.types if n in of_type and of_type[n].strength > 0]


def asked_vector(
    edit: Edit, schema: AttributeSchema, classes: Tensor, of_example: Callable[[Tensor], Tensor]
) -> Tensor:
    """The unit vector that stands for what is wanted, ``(k,)``.

    Args:
        classes: what stands for each class of the type, unit vectors ``(classes, k)``.
        of_example: the same of stored features ``(1, D)``, unit vectors ``(1, k)``.

    Returns:
        That of the class or of the example; of a mix the direction of the weighted sum.
    """
    if isinstance(edit.wanted, Tensor):
        return of_example(edit.wanted[None].to(classes.device))[0]
    weights = _weights(edit, schema, classes)
    named = weights.nonzero(as_tuple=True)[0]
    if len(named) == 1:
        return classes[named[0]]
    return F.normalize(weights @ classes, dim=0)


class Classifier(Protocol):
    """What tells the classes of stored features."""

    @property
    def schema(self) -> AttributeSchema:
        """Attribute types and their classes."""
        ...

    @property
    def read(self) -> Callable[[Tensor], list[Tensor]]:
        """Stored features ``(N, D)`` -> per type the probability of each class."""
        ...


def asked_shares(edit: Edit, classifier: Classifier, like: Tensor) -> Tensor:
    """How much of each class of the type is asked for, ``(classes,)``, summing to 1; of an example
    how likely the classifier holds each class to be.

    Args:
        like: a tensor of the device and dtype that are wanted.
    """
    if isinstance(edit.wanted, Tensor):
        t = classifier.schema.types.index(edit.attribute_type)
        return classifier.read(edit.wanted[None].to(like.device))[t][0]
    return _weights(edit, classifier.schema, like)


def wanted_probabilities(
    own: Sequence[Tensor], edits: Sequence[Edit], classifier: Classifier
) -> list[Tensor]:
    """How likely the wanted photo has each class: the query's own, or a step towards what is asked.

    Args:
        own: of each type the query's probabilities, ``(B, classes)``.

    Returns:
        Of each type ``(1 - strength) own + strength asked``, ``(B, classes)``.

    Raises:
        SchemaError, EditError: as ``in_order``.
    """
    wanted = list(own)
    for edit in in_order(edits, classifier.schema):
        t = classifier.schema.types.index(edit.attribute_type)
        asked = asked_shares(edit, classifier, own[t]).expand_as(own[t])
        wanted[t] = torch.lerp(own[t], asked, edit.strength)
    return wanted


def blend(before: Tensor, after: Tensor, strength: float) -> Tensor:
    """Part of the way from one vector to the other, ``(B, R)``: exactly ``after`` at strength 1.

    Search is by cosine, so the directions are blended, and the lengths beside them.
    """
    if strength == 1:
        return after
    direction = torch.lerp(F.normalize(before, dim=-1), F.normalize(after, dim=-1), strength)
    length = torch.lerp(
        before.norm(dim=-1, keepdim=True), after.norm(dim=-1, keepdim=True), strength
    )
    return F.normalize(direction, dim=-1) * length


def _weights(edit: Edit, schema: AttributeSchema, like: Tensor) -> Tensor:
    weights = torch.zeros(len(schema.of(edit.attribute_type)), dtype=like.dtype, device=like.device)
    for name, share in (edit.mix or {}).items():
        weights[schema.index(edit.attribute_type, name)] = share
    return weights
