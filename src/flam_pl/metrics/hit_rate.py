"""Hit rates: R@k of items, T@k (FLAM, section 4) of edits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def hits_at(retrieved: Tensor, wanted: Tensor, ks: Sequence[int]) -> Tensor:
    """Whether the first k of ``retrieved (Q, K)`` hold ``wanted (Q,)``: ``(Q, len(ks))`` bool.
    A k above K counts as K.

    >>> hits_at(torch.tensor([[4, 5, 6]]), torch.tensor([5]), ks=(1, 2))
    tensor([[False,  True]])
    """
    found = (retrieved == wanted[:, None]).cummax(dim=1).values
    columns = torch.tensor([min(k, retrieved.shape[1]) - 1 for k in ks], device=found.device)
    return found[:, columns]
