"""NDCG@k is ``dcg_at`` / ``ideal_dcg_at`` (Järvelin and Kekäläinen, ACM TOIS 2002)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def gain(relevance: Tensor) -> Tensor:
    """2^relevance - 1 (Burges et al., ICML 2005).

    >>> gain(torch.tensor([0, 1, 2]))
    tensor([0., 1., 3.], dtype=torch.float64)
    """
    return torch.exp2(relevance.double()) - 1


def dcg_at(gains: Tensor, ks: Sequence[int]) -> Tensor:
    """Sum of gain / log2(rank + 1) over the first k of gains ``(Q, K)`` -> ``(Q, len(ks))``.

    >>> dcg_at(torch.tensor([[1.0, 0.0, 3.0]]), ks=(1, 3))
    tensor([[1.0000, 2.5000]], dtype=torch.float64)
    """
    ranks = torch.arange(1, gains.shape[1] + 1, device=gains.device)
    first = ranks[:, None] <= torch.tensor(ks, device=gains.device)
    return gains.double() @ (first / torch.log2(ranks.double() + 1)[:, None])


def ideal_dcg_at(counts: Tensor, gains: Tensor, ks: Sequence[int]) -> Tensor:
    """DCG@k of the best order: ``counts (Q, levels)`` images of each ascending ``gains (levels,)``.

    >>> ideal_dcg_at(torch.tensor([[5, 2]]), torch.tensor([0.0, 1.0]), ks=(1, 3))
    tensor([[1.0000, 1.6309]], dtype=torch.float64)
    """
    ranks = torch.arange(1, max(ks) + 1, device=counts.device).double()
    discounts = torch.cat([ranks.new_zeros(1), (1 / torch.log2(ranks + 1)).cumsum(0)])
    last = counts.flip(1).cumsum(dim=1)  # rank of the last image of each gain, best first
    best_first, zero = gains.double().flip(0), ranks.new_zeros(len(counts), 1)
    sums = [discounts[last.clamp(0, k)].diff(dim=1, prepend=zero) @ best_first for k in ks]
    return torch.stack(sums, dim=1)
