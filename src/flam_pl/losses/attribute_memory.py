"""The memory of ADDE-M (Hou et al., ICCV 2021, section 3.3), for one type."""

from __future__ import annotations

import torch
from torch import Tensor

from flam_pl.losses.triplet import embedding_loss, triplet_loss


def memory_loss(blocks: Tensor, labels: Tensor, prototypes: Tensor, margin: float) -> Tensor:
    """ADDE-M (Hou et al., ICCV 2021, section 3.3): consistency + label and composed triplets.

    Unit blocks ``(B, width)``, labels ``(B,)``, unit prototypes ``(classes, width)`` -> scalar.
    Composed: a block with a random photo's prototype in place of its own should lie nearer to
    that photo's block.

    >>> memory_loss(torch.eye(2), torch.tensor([0, 1]), torch.eye(2), margin=0.5)
    tensor(0.)
    """
    own = prototypes[labels]
    consistency = (blocks - own).pow(2).sum(dim=1)
    _, of_labels = embedding_loss(blocks, labels, prototypes, margin)
    other = torch.randperm(len(blocks), device=blocks.device)
    changed = labels[other] != labels
    composed = (blocks - own + own[other])[changed]
    of_edits = triplet_loss(composed, blocks[other][changed], blocks[changed], margin)
    means = [losses.sum() / max(1, len(losses)) for losses in (consistency, of_edits)]
    return means[0] + of_labels + means[1]
