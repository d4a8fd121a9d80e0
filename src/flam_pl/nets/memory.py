"""An ADDE-style linear memory: an edit takes the old value's row out and puts the new one in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flam_pl.attributes import AttributeSchema


class Memory(nn.Module):
    """x-tilde = x + (indicator of the new class - that of the old one) M, in the working space.

    After the attribute memory of Hou et al. (ADDE, ICCV 2021), on features instead of their
    disentangled parts: M has a row a class, starts at the class means (where it equals the
    arithmetic baseline) and is trained with the triplet of edits.
    """

    def __init__(self, schema: AttributeSchema, dimension: int) -> None:
        """Args:
        dimension: d of the working space.
        """
        super().__init__()
        self.schema = schema
        self.rows = nn.Parameter(torch.zeros(sum(schema.sizes), dimension))

    @torch.no_grad()
    def start_at(self, means: list[Tensor]) -> None:
        """Args: means: of each type the class means in the working space, ``(classes, d)``."""
        self.rows.copy_(torch.cat(means))

    def edit(self, z: Tensor, target: Tensor, old: Tensor, new: Tensor) -> Tensor:
        """``z (B, d)``; type, old class and new class of each row ``(B,)`` -> ``(B, d)``."""
        first = torch.tensor([0, *self.schema.sizes[:-1]], device=z.device).cumsum(0)[target]
        return z - self.rows[first + old] + self.rows[first + new]
