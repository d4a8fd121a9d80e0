"""NDCG@k of graded relevance, in float64.

K. Järvelin and J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20(4),
2002; the exponential gain is that of C. Burges et al., "Learning to rank using gradient descent",
ICML 2005.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def gain(relevance: Tensor) -> Tensor:
    """2^relevance - 1, the exponential gain, of any shape."""
    return torch.exp2(relevance.double()) - 1


def dcg_at(gains: Tensor, ks: Sequence[int]) -> Tensor:
    """Sum over the first k of gain / log2(rank + 1).

    Args:
        gains: of each result, best first, ``(Q, K)``.
        ks: cut-offs; one larger than K asks for all K.

    Returns:
        ``(Q, len(ks))`` float64.
    """
    ranks = torch.arange(1, gains.shape[1] + 1, device=gains.device)
    first = ranks[:, None] <= torch.tensor(ks, device=gains.device)
    return gains.double() @ (first / torch.log2(ranks.double() + 1)[:, None])


def ideal_dcg_at(counts: Tensor, gains: Tensor, ks: Sequence[int]) -> Tensor:
    """DCG@k of the best order there is, from how many images have each gain: nothing is sorted.

    Args:
        counts: images of each gain, ``(Q, levels)`` integers.
        gains: of each level, ascending, ``(levels,)``.

    Returns:
        ``(Q, len(ks))`` float64; 0 where no image has any gain.
    """
    ranks = torch.arange(1, max(ks) + 1, device=counts.device).double()
    discounts = torch.cat([ranks.new_zeros(1), (1 / torch.log2(ranks + 1)).cumsum(0)])
    last = counts.flip(1).cumsum(dim=1)  # rank of the last image of each gain, the best first
    levels = gains.double().flip(0)
    return torch.stack(
        [
            discounts[last.clamp(0, k)].diff(dim=1, prepend=ranks.new_zeros(len(counts), 1))
            @ levels
            for k in ks
        ],
        dim=1,
    )
