"""What the embedders' probabilities say of an edited search, before it is set right by validation.

A photo fits where it has the wanted classes and, in every other type, the query's. The query's
own classes are not known either: its probabilities are kept, so a doubtful color asks for either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from flam_pl.nets.embedder import Embedders

LEAST = 1e-6
"""Probabilities nearer to 0 or 1 than this are taken for this: single precision has no more."""

CHUNK = 1024
"""Queries whose probabilities for the whole gallery are held at once."""


def class_probabilities(embedders: Embedders, features: Tensor) -> list[Tensor]:
    """Stored features ``(B, D)`` -> of each type how likely each class is, ``(B, classes)``."""
    return [of_type.exp() for of_type in embedders.log_probabilities(embedders(features))]


def asked_classes(
    embedders: Embedders, features: Tensor, wishes: Mapping[str, str]
) -> list[Tensor]:
    """Of each type how likely each class is what the query asks for, ``(Q, classes)``.

    Args:
        features: of the queries, as stored, ``(Q, D)``.
        wishes: type -> class that is wanted instead of the query's.

    Raises:
        SchemaError: a type or class that the schema does not know.
    """
    asked, schema = class_probabilities(embedders, features), embedders.schema
    for name, class_name in wishes.items():
        position, t = schema.index(name, class_name), schema.types.index(name)
        asked[t] = torch.zeros_like(asked[t])
        asked[t][:, position] = 1
    return asked


def fit_probabilities(asked: Sequence[Tensor], have: Sequence[Tensor]) -> Tensor:
    """How likely each photo of a gallery has what each query asks for, ``(Q, G)``.

    Args:
        asked: of each type, ``(Q, classes)``.
        have: of each type, of the gallery's photos, ``(G, classes)``.
    """
    fits = torch.ones(len(asked[0]), len(have[0]), device=have[0].device)
    for of_query, of_photo in zip(asked, have, strict=True):
        fits *= of_query @ of_photo.T
    return fits


def result_probabilities(
    asked: Sequence[Tensor], have: Sequence[Tensor], found: Tensor, types: Iterable[int]
) -> Tensor:
    """The same of a search's own results, and of some types only, ``(Q, N)``.

    Args:
        found: gallery positions of the results, ``(Q, N)``.
        types: positions of the types that must fit.
    """
    fits = torch.ones(found.shape, device=found.device)
    for t in types:
        fits *= torch.einsum("qc,qnc->qn", asked[t], have[t][found])
    return fits


def logit(probabilities: Tensor) -> Tensor:
    """log(p / (1 - p)), of any shape."""
    return probabilities.clamp(LEAST, 1 - LEAST).logit()


def result_evidence(probabilities: Tensor) -> Tensor:
    """Of each result: the logit of its probability, and the logarithm of its rank from 1.

    Args:
        probabilities: of the results, best first, ``(Q, N)``.

    Returns:
        ``(Q, N, 2)``.
    """
    ranks = torch.arange(1, probabilities.shape[1] + 1, device=probabilities.device)
    return torch.stack([logit(probabilities), ranks.log().expand_as(probabilities)], dim=-1)


def answer_evidence(
    asked: Sequence[Tensor], have: Sequence[Tensor], exclude: Tensor | None = None
) -> Tensor:
    """Of each search: the logit of "some photo fits", and of the likeliest photo's probability.

    The first is log(p / (1 - p)) of p = 1 - prod over photos of (1 - p_g), which is the truth where
    photos are right or wrong apart from each other. Every photo adds its own share to it, so that a
    gallery twice as large is rightly surer, and nothing has to be known of its size.

    Args:
        asked, have: as for ``fit_probabilities``.
        exclude: of each query the gallery position that does not count (itself), -1 for none,
            ``(Q,)``.

    Returns:
        ``(Q, 2)``.
    """
    parts = []
    for start in range(0, len(asked[0]), CHUNK):
        fits = fit_probabilities([of[start : start + CHUNK] for of in asked], have)
        if exclude is not None:
            own = exclude[start : start + CHUNK]
            rows = (own >= 0).nonzero(as_tuple=True)[0]
            fits[rows, own[rows]] = 0
        fits = fits.clamp(max=1 - LEAST)
        # s = -log prod(1 - p): then log(p / (1 - p)) = log(exp(s) - 1)
        s = -torch.log1p(-fits).sum(dim=1).clamp(max=-LEAST)
        parts.append(torch.stack([s + torch.log(-torch.expm1(-s)), logit(fits.amax(dim=1))], dim=1))
    return torch.cat(parts)
