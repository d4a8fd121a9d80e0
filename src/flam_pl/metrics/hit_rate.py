"""R@k, T@k and CF@k: all three ask whether a wanted code stands among the first k results."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def hits_at(retrieved: Tensor, wanted: Tensor, ks: Sequence[int]) -> Tensor:
    """Is a relevant result among the first k?

    What the code is makes the metric: the item (R@k), the combination of the attributes after the
    edit (T@k), the counterfactual item (CF@k).

    Args:
        retrieved: code of each result, best first, ``(Q, K)``.
        wanted: code that counts as a hit, ``(Q,)``.
        ks: cut-offs. One larger than K asks for all K: a gallery of 40 has no 50th result.

    Returns:
        ``(Q, len(ks))`` bool.
    """
    found = (retrieved == wanted[:, None]).cummax(dim=1).values
    columns = torch.tensor([min(k, retrieved.shape[1]) - 1 for k in ks], device=found.device)
    return found[:, columns]
