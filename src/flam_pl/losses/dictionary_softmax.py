"""A softmax over the dictionary: what the embedders can learn by in place of equation (2).

Not in the paper. The triplets of equation (2) stop teaching once a margin is kept; the softmax goes
on, and its probabilities say how sure a class is.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def class_log_probabilities(embeddings: Tensor, dictionary: Tensor, temperature: Tensor) -> Tensor:
    """log softmax of cosine / temperature over the classes: ``(B, k)``, ``(classes, k)`` ->
    ``(B, classes)``.

    Args:
        embeddings: unit vectors.
        dictionary: unit vectors, one a class.
        temperature: a positive scalar.
    """
    return ((embeddings @ dictionary.T) / temperature).log_softmax(dim=-1)


def dictionary_loss(
    embeddings: Tensor, labels: Tensor, dictionary: Tensor, temperature: Tensor
) -> Tensor:
    """Cross-entropy of the classes ``(B,)`` under the softmax -> scalar; zero without rows."""
    logs = class_log_probabilities(embeddings, dictionary, temperature)
    return F.nll_loss(logs, labels, reduction="sum") / max(1, len(labels))


def taught_loss(
    embeddings: Tensor, taught: Tensor, dictionary: Tensor, temperature: Tensor
) -> Tensor:
    """Cross-entropy under the softmax of classes that a teacher holds likely, ``(B, classes)`` ->
    scalar."""
    return F.cross_entropy((embeddings @ dictionary.T) / temperature, taught)
