"""What the embedders' probabilities say of an edited search, before validation sets them right.

A photo fits where it has the wanted classes and, in every other type, the query's. The query's
own classes are not known either: its probabilities are kept, so a doubtful color asks for either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

LEAST = 1e-6
"""Nothing is surer than this, nor less sure: single precision has no more."""

MEANT = 128
"""Combinations that a query may mean: beyond them there is hardly any probability left."""

CHUNK = 64
"""Combinations whose probabilities for the whole gallery are held at once."""


def result_probabilities(
    asked: Sequence[Tensor], have: Sequence[Tensor], found: Tensor, types: Iterable[int]
) -> Tensor:
    """How likely each result has what its query asks for, ``(Q, N)``.

    Args:
        asked: of each type how likely each class is asked for, ``(Q, classes)``.
        have: of each type how likely each photo of the gallery has each class, ``(G, classes)``.
        found: gallery positions of the results, ``(Q, N)``.
        types: positions of the types that must fit.
    """
    fits = torch.ones(found.shape, device=found.device)
    for t in types:
        fits *= torch.einsum("qc,qnc->qn", asked[t], have[t][found])
    return fits


def answer_probabilities(
    asked: Sequence[Tensor], have: Sequence[Tensor], exclude: Tensor | None = None
) -> Tensor:
    """How likely some photo of the gallery has what each query asks for, ``(Q,)``.

    Were the combination known, it would be 1 - prod over photos of (1 - p_g), photos being right or
    wrong apart from each other: every photo adds its own share, a gallery twice as large is rightly
    surer, and nothing has to be known of its size. What is asked for is doubtful, and that doubt is
    the same for all photos: so this is averaged over the combinations that the query may mean.

    Args:
        asked, have: as for ``result_probabilities``.
        exclude: of each query the gallery position that does not count (itself), -1 for none,
            ``(Q,)``.
    """
    meant, weights = likely_combinations(asked)
    distinct, position = torch.unique(meant.flatten(0, 1), dim=0, return_inverse=True)
    missing = torch.cat(
        [
            torch.log1p(-fits_of(have, part).clamp(max=1 - LEAST)).sum(dim=1)
            for part in distinct.split(CHUNK)
        ]
    )[position].view(weights.shape)
    if exclude is not None:
        own = torch.stack(
            [
                of_photo[exclude.clamp(min=0)].gather(1, meant[..., t])
                for t, of_photo in enumerate(have)
            ]
        ).prod(dim=0)
        own[exclude < 0] = 0
        missing = missing - torch.log1p(-own.clamp(max=1 - LEAST))
    found: Tensor = (weights * -torch.expm1(missing.clamp(max=0))).sum(dim=1)
    return found.clamp(0, 1)


def likely_combinations(asked: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """The combinations that each query most likely means, ``(Q, M, types)``, and how likely, which
    sums to 1, ``(Q, M)``; M is ``MEANT`` or, where there are fewer, all.

    Found type by type, keeping the likeliest beginnings: a likeliest combination has no other.
    """
    queries = len(asked[0])
    meant = asked[0].new_zeros(queries, 1, 0, dtype=torch.long)
    weights = asked[0].new_ones(queries, 1)
    for of_type in asked:
        longer = (weights[:, :, None] * of_type[:, None]).flatten(start_dim=1)
        weights, chosen = longer.topk(min(MEANT, longer.shape[1]), dim=1)
        classes = of_type.shape[1]
        beginning = (chosen // classes)[..., None].expand(-1, -1, meant.shape[2])
        meant = torch.cat([meant.gather(1, beginning), (chosen % classes)[..., None]], dim=2)
    return meant, weights / weights.sum(dim=1, keepdim=True)


def fits_of(have: Sequence[Tensor], combinations: Tensor) -> Tensor:
    """How likely each photo has each combination: ``(C, types)`` -> ``(C, G)``."""
    fits = have[0][:, combinations[:, 0]]
    for t in range(1, len(have)):
        fits = fits * have[t][:, combinations[:, t]]
    return fits.T
