"""What the memory of ADDE-M learns by (Hou et al., ICCV 2021, section 3.3), for one type."""

from __future__ import annotations

import torch
from torch import Tensor

from flam_pl.losses.triplet import embedding_loss, triplet


def memory_loss(blocks: Tensor, labels: Tensor, prototypes: Tensor, margin: float) -> Tensor:
    """Sum of the consistency, the label triplets and the compositional triplets -> scalar.

    - consistency: a photo's part lies at the prototype of its class;
    - label triplets: nearer to it than to another class's, by the margin;
    - compositional triplets: the part, less the prototype of its class, plus that of another
      photo's, lies nearer to that photo's part than to what it was.

    Args:
        blocks: the type's part of each row, of unit length, ``(B, width)``.
        labels: its class, ``(B,)``.
        prototypes: of unit length, ``(classes, width)``.
        margin: of both triplets.
    """
    own = prototypes[labels]
    consistency = (blocks - own).pow(2).sum(dim=1)
    _, of_labels = embedding_loss(blocks, labels, prototypes, margin)
    other = torch.randperm(len(blocks), device=blocks.device)
    changed = labels[other] != labels
    composed = (blocks - own + own[other])[changed]
    of_edits = triplet(composed, blocks[other][changed], blocks[changed], margin)
    return (
        consistency.sum() / max(1, len(blocks)) + of_labels + of_edits.sum() / max(1, len(of_edits))
    )
