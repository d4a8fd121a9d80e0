"""The wanted classes of edits, as tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from flam_pl.attributes import AttributeSchema
from flam_pl.editing.edits import Edit, EditError, Photo, in_order


def wanted_vector(
    edit: Edit, schema: AttributeSchema, classes: Tensor, embed: Callable[[Tensor], Tensor]
) -> Tensor:
    """The wanted unit vector ``(k,)``; for a mix, the direction of the weighted sum. ``classes``:
    unit vectors ``(classes, k)``; ``embed``: features ``(B, D)`` -> unit vectors
    ``(B, types, k)``."""
    if edit.mix is None:
        example = embed(_example(edit, classes)[None])
        return example[0, schema.types.index(edit.attribute_type)]
    weights = _weights(edit, schema, classes)
    named = weights.nonzero(as_tuple=True)[0]
    if len(named) == 1:
        return classes[named[0]]
    return F.normalize(weights @ classes, dim=0)


class Classifier(Protocol):
    """Reads posteriors in features."""

    @property
    def schema(self) -> AttributeSchema: ...

    @property
    def read(self) -> Callable[[Tensor], list[Tensor]]: ...


def wanted_shares(edit: Edit, classifier: Classifier, like: Tensor) -> Tensor:
    """Wanted share per class ``(classes,)``, device and dtype of ``like``; posteriors of an
    example."""
    if edit.mix is None:
        t = classifier.schema.types.index(edit.attribute_type)
        return classifier.read(_example(edit, like)[None])[t][0]
    return _weights(edit, classifier.schema, like)


def wanted_probabilities(
    own: Sequence[Tensor], edits: Sequence[Edit], classifier: Classifier
) -> list[Tensor]:
    """Per type, ``(1 - strength) own + strength wanted``, ``(B, classes)``."""
    wanted = list(own)
    for edit in in_order(edits, classifier.schema):
        t = classifier.schema.types.index(edit.attribute_type)
        shares = wanted_shares(edit, classifier, own[t]).expand_as(own[t])
        wanted[t] = torch.lerp(own[t], shares, edit.strength)
    return wanted


def blend(before: Tensor, after: Tensor, strength: float) -> Tensor:
    """Interpolates directions and lengths of vectors ``(B, R)``.

    >>> blend(torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 4.0]]), 0.5)
    tensor([[2.1213, 2.1213]])
    """
    if strength == 1:
        return after
    direction = torch.lerp(F.normalize(before, dim=-1), F.normalize(after, dim=-1), strength)
    first, last = before.norm(dim=-1, keepdim=True), after.norm(dim=-1, keepdim=True)
    return F.normalize(direction, dim=-1) * torch.lerp(first, last, strength)


def _example(edit: Edit, like: Tensor) -> Tensor:
    """The feature ``(D,)`` of the example, device and dtype of ``like``."""
    if isinstance(edit.wanted, Photo):
        raise EditError(f"the example photo of the edit {edit} has not been read; give its feature")
    return torch.as_tensor(edit.wanted).to(like)


def _weights(edit: Edit, schema: AttributeSchema, like: Tensor) -> Tensor:
    weights = like.new_zeros(len(schema.of(edit.attribute_type)))
    for name, share in (edit.mix or {}).items():
        weights[schema.index(edit.attribute_type, name)] = share
    return weights
