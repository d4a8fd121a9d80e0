"""Class probabilities of photos, and the probability that a search succeeds.

A result **fits** an edited search if it has the wanted classes and, in every other type, the
query's. A search has an **answer** if some photo of the gallery fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional as F

from flam_pl.attributes import AttributeSchema
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.concat import ConcatClassifiers

KINDS = ("attribute", "combination", "answer")
"""Events: a result has the wanted classes; a result fits; the search has an answer."""

LEAST = 1e-6  # probabilities keep this distance from 0 and 1: single precision has no more
COMBINATIONS = 128  # that a query may stand for; others have hardly any probability
CHUNK = 64  # combinations compared with the whole gallery at once


@dataclass(frozen=True)
class Posteriors:
    """Class probabilities of stored features, and the mean feature of each class."""

    schema: AttributeSchema
    read: Callable[[Tensor], list[Tensor]]  # features (N, D) -> per type (N, classes)
    means: Callable[[], list[Tensor]] | None = None  # per type (classes, D)

    @classmethod
    def of_embedders(cls, embedders: AttributeEmbedders) -> Posteriors:
        by_type = [embedders.of(name) for name in embedders.schema.types]
        return cls(embedders.schema, embedders.read, lambda: [of.class_means for of in by_type])

    @classmethod
    def of_classifiers(cls, classifiers: ConcatClassifiers) -> Posteriors:
        return cls(classifiers.schema, classifiers.read)

    def averaged_with(self, other: Posteriors) -> Posteriors:
        """The geometric mean of two classifiers, with the class means of this one. Probabilities
        are at least ``LEAST``: together, the two could exclude every class."""

        def read(features: Tensor) -> list[Tensor]:
            both = zip(self.read(features), other.read(features), strict=True)
            roots = [(p.clamp_min(LEAST) * q.clamp_min(LEAST)).sqrt() for p, q in both]
            return [root / root.sum(dim=-1, keepdim=True) for root in roots]

        return Posteriors(self.schema, read, self.means)

    def hardened(self) -> Posteriors:
        """Probability 1 for the likeliest class, 0 for the others."""

        def read(features: Tensor) -> list[Tensor]:
            soft = self.read(features)
            return [F.one_hot(of.argmax(dim=1), of.shape[1]).to(of.dtype) for of in soft]

        return Posteriors(self.schema, read, self.means)


def raw_probabilities(
    target: Sequence[Tensor],
    gallery: Sequence[Tensor],
    found: Tensor,
    types: Sequence[int],
    exclude: Tensor | None = None,
) -> dict[str, Tensor]:
    """Uncalibrated probabilities of ``KINDS``: ``(Q, N)`` twice and ``(Q,)``.

    Per type, class probabilities: ``target (Q, classes)`` wanted by a query, ``gallery
    (G, classes)`` of a photo. ``found (Q, N)`` are the results, ``types`` the edited types,
    ``exclude (Q,)`` the photo not to count, -1 for none.

    >>> target, gallery = [torch.tensor([[0.0, 1.0]])], [torch.tensor([[0.2, 0.8], [0.5, 0.5]])]
    >>> raw_probabilities(target, gallery, torch.tensor([[0, 1]]), types=[0])["attribute"]
    tensor([[0.8000, 0.5000]])
    """
    return {
        "attribute": result_probabilities(target, gallery, found, types),
        "combination": result_probabilities(target, gallery, found, range(len(gallery))),
        "answer": answer_probabilities(target, gallery, exclude),
    }


def result_probabilities(
    target: Sequence[Tensor], gallery: Sequence[Tensor], found: Tensor, types: Iterable[int]
) -> Tensor:
    """The probability that a result has the wanted class of all these types, ``(Q, N)``."""
    fits = torch.ones(found.shape, device=found.device)
    for t in types:
        fits *= torch.einsum("qc,qnc->qn", target[t], gallery[t][found])
    return fits


def answer_probabilities(
    target: Sequence[Tensor], gallery: Sequence[Tensor], exclude: Tensor | None = None
) -> Tensor:
    """The probability that some photo fits, ``(Q,)``: the mean of 1 - prod_g (1 - p_g) over the
    combinations of classes that a query may want, weighted by their probabilities. p_g: the
    probability that photo g has the combination."""
    meant, weights = likely_combinations(target)
    distinct, position = torch.unique(meant.flatten(0, 1), dim=0, return_inverse=True)
    by_chunk = (fits_of(gallery, part) for part in distinct.split(CHUNK))
    none = torch.cat([torch.log1p(-fits.clamp(max=1 - LEAST)).sum(dim=1) for fits in by_chunk])
    missing = none[position].view(weights.shape)
    if exclude is not None:
        photos = [of_photo[exclude.clamp(min=0)] for of_photo in gallery]
        own = torch.stack([p.gather(1, meant[..., t]) for t, p in enumerate(photos)]).prod(dim=0)
        own[exclude < 0] = 0
        missing = missing - torch.log1p(-own.clamp(max=1 - LEAST))
    return (weights * -torch.expm1(missing.clamp(max=0))).sum(dim=1).clamp(0, 1)


def likely_combinations(target: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Per query, the likeliest combinations of classes ``(Q, M, types)``, and their probabilities
    ``(Q, M)``, scaled to sum 1."""
    meant = target[0].new_zeros(len(target[0]), 1, 0, dtype=torch.long)
    weights = target[0].new_ones(len(target[0]), 1)
    for of_type in target:  # the likeliest combinations have the likeliest beginnings
        longer = (weights[:, :, None] * of_type[:, None]).flatten(start_dim=1)
        weights, chosen = longer.topk(min(COMBINATIONS, longer.shape[1]), dim=1)
        classes = of_type.shape[1]
        beginning = (chosen // classes)[..., None].expand(-1, -1, meant.shape[2])
        meant = torch.cat([meant.gather(1, beginning), (chosen % classes)[..., None]], dim=2)
    return meant, weights / weights.sum(dim=1, keepdim=True)


def fits_of(gallery: Sequence[Tensor], combinations: Tensor) -> Tensor:
    """Probability that each photo has each combination: ``(C, types)`` -> ``(C, G)``."""
    return reduce(torch.mul, [p[:, combinations[:, t]] for t, p in enumerate(gallery)]).T
