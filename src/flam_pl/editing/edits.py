"""An edit: one attribute of the query, and what it should be instead."""

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
    """An edit without a meaning. The message says what an edit may be."""


@dataclass(frozen=True)
class Edit:
    """One attribute of the query, and what it should be instead.

    Raises EditError for a strength outside [0, 1], an empty mix, a weight that is not positive and
    finite, an example that is not one feature.

    Example:
        >>> print(Edit("color", "red"), Edit("pattern", {"striped": 1, "dotted": 1}, strength=0.5))
        color=red pattern=striped+dotted:0.5
    """

    attribute_type: str  # e.g. "color"
    wanted: str | Mapping[str, float] | Tensor
    """A class; a mix of classes with weights of any sum; or an example, the feature ``(D,)``."""
    strength: float = 1.0  # from 0, the query as it is, to 1, the whole edit

    def __post_init__(self) -> None:
        fault = None
        if not 0 <= self.strength <= 1:
            fault = f"has the strength {self.strength}; expected 0 (as it is) to 1 (the whole edit)"
        elif isinstance(self.wanted, Tensor):
            if self.wanted.ndim != 1:
                shape = tuple(self.wanted.shape)
                fault = f"has an example of the shape {shape}; expected one stored feature, (D,)"
        elif not isinstance(self.wanted, str):
            weights = list(self.wanted.values())
            if not weights or not all(w > 0 and math.isfinite(w) for w in weights):
                fault = f"mixes {dict(self.wanted)}; expected classes with weights above 0"
        if fault:
            raise EditError(f"an edit for {self.attribute_type} {fault}")

    @property
    def mix(self) -> Mapping[str, float] | None:
        """The wanted classes and their shares, which sum to 1; None for an example."""
        if isinstance(self.wanted, Tensor):
            return None
        if isinstance(self.wanted, str):
            return {self.wanted: 1.0}
        total = sum(self.wanted.values())
        return {name: weight / total for name, weight in self.wanted.items()}

    def __str__(self) -> str:
        wanted = "+".join(self.mix) if self.mix else "(an example)"
        strength = f":{self.strength:g}" if self.strength < 1 else ""
        return f"{self.attribute_type}={wanted}{strength}"


def in_order(edits: Sequence[Edit], schema: AttributeSchema) -> list[Edit]:
    """The edits with a strength above 0, in the order of the schema's types.

    Raises SchemaError for an unknown type or class, EditError for two edits of one type.

    Example:
        >>> schema = AttributeSchema({"color": ("red", "blue"), "sleeve": ("short", "long")})
        >>> [str(e) for e in in_order([Edit("sleeve", "long"), Edit("color", "red")], schema)]
        ['color=red', 'sleeve=long']
    """
    of_type: dict[str, Edit] = {}
    for edit in edits:
        if edit.attribute_type in of_type:
            raise EditError(
                f"two edits for {edit.attribute_type}: {of_type[edit.attribute_type]} and {edit}; "
                "expected one per type. A mix is one edit, e.g. red+blue"
            )
        schema.of(edit.attribute_type)  # raises for an unknown type
        for name in edit.mix or ():
            schema.index(edit.attribute_type, name)  # raises for an unknown class
        of_type[edit.attribute_type] = edit
    return [of_type[n] for n in schema.types if n in of_type and of_type[n].strength > 0]


def wanted_vector(
    edit: Edit, schema: AttributeSchema, classes: Tensor, embed: Callable[[Tensor], Tensor]
) -> Tensor:
    """The unit vector of what is wanted ``(k,)``; of a mix, the direction of the weighted sum.

    Args:
        classes: unit vectors of the type's classes, ``(classes, k)``.
        embed: stored features ``(B, D)`` -> unit vectors ``(B, types, k)``, for an example.
    """
    if isinstance(edit.wanted, Tensor):
        example = embed(edit.wanted[None].to(classes.device))
        return example[0, schema.types.index(edit.attribute_type)]
    weights = _weights(edit, schema, classes)
    named = weights.nonzero(as_tuple=True)[0]
    if len(named) == 1:
        return classes[named[0]]
    return F.normalize(weights @ classes, dim=0)


class Classifier(Protocol):
    """Classifies stored features: ``read`` gives per type class probabilities."""

    @property
    def schema(self) -> AttributeSchema: ...

    @property
    def read(self) -> Callable[[Tensor], list[Tensor]]: ...


def wanted_shares(edit: Edit, classifier: Classifier, like: Tensor) -> Tensor:
    """The share of each class in what is wanted ``(classes,)``, with the dtype and on the device
    of ``like``; of an example, the classifier's probabilities."""
    if isinstance(edit.wanted, Tensor):
        t = classifier.schema.types.index(edit.attribute_type)
        return classifier.read(edit.wanted[None].to(like.device))[t][0]
    return _weights(edit, classifier.schema, like)


def wanted_probabilities(
    own: Sequence[Tensor], edits: Sequence[Edit], classifier: Classifier
) -> list[Tensor]:
    """Per type ``(1 - strength) own + strength wanted``, from the query's probabilities ``own``,
    ``(B, classes)``."""
    wanted = list(own)
    for edit in in_order(edits, classifier.schema):
        t = classifier.schema.types.index(edit.attribute_type)
        shares = wanted_shares(edit, classifier, own[t]).expand_as(own[t])
        wanted[t] = torch.lerp(own[t], shares, edit.strength)
    return wanted


def blend(before: Tensor, after: Tensor, strength: float) -> Tensor:
    """Part of the way between vectors ``(B, R)``, directions and lengths apart; exactly ``after``
    at strength 1.

    Example:
        >>> blend(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 4.0]]), 0.5)
        tensor([[2.1213, 2.1213]])
    """
    if strength == 1:
        return after
    direction = torch.lerp(F.normalize(before, dim=-1), F.normalize(after, dim=-1), strength)
    first, last = before.norm(dim=-1, keepdim=True), after.norm(dim=-1, keepdim=True)
    return F.normalize(direction, dim=-1) * torch.lerp(first, last, strength)


def _weights(edit: Edit, schema: AttributeSchema, like: Tensor) -> Tensor:
    weights = like.new_zeros(len(schema.of(edit.attribute_type)))
    for name, share in (edit.mix or {}).items():
        weights[schema.index(edit.attribute_type, name)] = share
    return weights
