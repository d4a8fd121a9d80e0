"""Cross-entropy over the dictionary. Not in the paper."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def dictionary_loss(
    embeddings: Tensor, labels: Tensor, dictionary: Tensor, temperature: Tensor | float
) -> Tensor:
    """Cross-entropy of the labels under softmax(cosine / temperature) -> scalar; 0 for B = 0.

    Unit embeddings ``(B, k)``, unit dictionary ``(classes, k)``; labels are classes ``(B,)`` or
    probabilities ``(B, classes)``.

    >>> import torch
    >>> dictionary_loss(torch.eye(2), torch.tensor([0, 1]), torch.eye(2), torch.tensor(1.0))
    tensor(0.3133)
    """
    with torch.autocast(embeddings.device.type, enabled=False):  # cosines need full precision
        logits = (embeddings @ dictionary.T) / temperature
    return F.cross_entropy(logits, labels, reduction="sum") / max(1, len(labels))
