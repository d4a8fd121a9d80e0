"""Online sampling (FLAM, section 4.1): chooses x-, the photo whose class an edit takes."""

from __future__ import annotations

import torch
from torch import Tensor


def nearest_of_other_class(
    embeddings: Tensor, labels: Tensor, target: Tensor, online: bool = True
) -> Tensor:
    """Per row, the position of x-: a row of another class of the target type -> ``(B,)``; the row's
    own position if there is none.

    x- has the most similar embeddings ``(B, types, k)`` in the other types; without ``online``, x-
    is random. Labels ``(B, types)``, target ``(B,)``.

    >>> labels = torch.tensor([[0, 0], [1, 1], [1, 0]])
    >>> nearest_of_other_class(torch.eye(2)[labels], labels, target=torch.tensor([0, 0, 0]))
    tensor([2, 0, 0])
    """
    rows = torch.arange(len(labels), device=labels.device)
    other = labels.T[target] != labels[rows, target][:, None]  # (B, B): classes of b and j differ
    if online:
        with torch.autocast(embeddings.device.type, enabled=False):  # the nearest, to the digit
            similarity = torch.einsum("btk,jtk->bjt", embeddings, embeddings)
        similarity[rows, :, target] = 0
        score = similarity.sum(dim=2)
    else:
        score = torch.rand(other.shape, device=labels.device)
    score = score.masked_fill(~other, -torch.inf)
    return torch.where(other.any(dim=1), score.argmax(dim=1), rows)
