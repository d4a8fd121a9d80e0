"""A softmax over the dictionary, which trains the embedders of FLAM+ in place of equation (2).

Not in the paper. Unlike a triplet, it still teaches beyond the margin, and it gives probabilities.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def dictionary_loss(
    embeddings: Tensor, labels: Tensor, dictionary: Tensor, temperature: Tensor
) -> Tensor:
    """Cross-entropy of the labels under softmax(cosine / temperature) -> scalar; 0 without rows.

    Unit embeddings ``(B, k)``, unit dictionary ``(classes, k)``. Labels are classes ``(B,)``, or
    probabilities of a teacher ``(B, classes)``.

    >>> import torch
    >>> dictionary_loss(torch.eye(2), torch.tensor([0, 1]), torch.eye(2), torch.tensor(1.0))
    tensor(0.3133)
    """
    logits = (embeddings @ dictionary.T) / temperature
    return F.cross_entropy(logits, labels, reduction="sum") / max(1, len(labels))
