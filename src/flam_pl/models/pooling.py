"""Pooling of feature maps ``(B, C, H, W)`` into vectors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MIN_VARIANCE = torch.finfo(torch.float32).tiny  # less counts as 0


class SPoC(nn.Module):
    """Sum-pooled convolutional features (Babenko and Lempitsky, ICCV 2015), as a mean ``(B, C)``.

    >>> SPoC()(torch.tensor([[[[1.0, 3.0]]]]))
    tensor([[2.]])
    """

    def forward(self, maps: Tensor) -> Tensor:
        return maps.mean(dim=(2, 3))


class MAC(nn.Module):
    """Maximum activations of convolutions (Tolias, Sicre and Jégou, ICLR 2016) -> ``(B, C)``."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.amax(dim=(2, 3))


class GeM(nn.Module):
    """Generalized mean(x^p)^(1/p), p learned (Radenović, Tolias and Chum, TPAMI 2018)."""

    def __init__(self, p: float = 3.0) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor([p]))

    def forward(self, maps: Tensor) -> Tensor:
        positive = maps.float().clamp_min(1e-6)
        peak = positive.detach().amax(dim=(2, 3), keepdim=True)  # dividing by it avoids overflow
        mean = (positive / peak).pow(self.p).mean(dim=(2, 3))
        return (peak.flatten(1) * mean.pow(1 / self.p)).to(maps.dtype)


DESCRIPTORS: dict[str, type[nn.Module]] = {"spoc": SPoC, "mac": MAC, "gem": GeM}


class EarlyLevels(nn.Module):
    """Means and standard deviations of early maps, which show color: maps ``(B, C_i, h_i, w_i)`` ->
    ``(B, sum of 2 C_i)`` float32."""

    def __init__(self, window: float) -> None:
        super().__init__()
        self.window = window

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        parts = []
        for maps in levels:
            middle = self.middle(maps).float()
            mean = middle.mean(dim=(2, 3))
            variance = (middle - mean[:, :, None, None]).pow(2).mean(dim=(2, 3))
            root = variance.clamp_min(MIN_VARIANCE).sqrt()  # the root has no gradient at 0
            parts += [mean, torch.where(variance > MIN_VARIANCE, root, 0.0)]
        return torch.cat(parts, dim=1)

    def middle(self, maps: Tensor) -> Tensor:
        """The central window, each side ``window`` times the map's, or 1 more."""
        height, width = maps.shape[2:]
        top, left = ((side - max(1, round(self.window * side))) // 2 for side in (height, width))
        return maps[:, :, top : height - top, left : width - left]


class CGD(nn.Module):
    """Combination of multiple global descriptors (Jun et al. 2019, arXiv 1903.10663): n poolings,
    each with a linear layer to D / n dimensions and an L2 norm -> unit ``(B, D)``; also the first
    pooled vector ``(B, C)``, for the classification loss."""

    def __init__(self, descriptors: Sequence[str], width: int, dimension: int) -> None:
        super().__init__()
        self.descriptors = nn.ModuleList(DESCRIPTORS[name]() for name in descriptors)
        share = dimension // len(descriptors)
        self.layers = nn.ModuleList(nn.Linear(width, share, bias=False) for _ in descriptors)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        pooled = [descriptor(maps) for descriptor in self.descriptors]
        reduced = [layer(vector) for layer, vector in zip(self.layers, pooled, strict=True)]
        # norms need full precision, also under autocast
        branches = [F.normalize(vector.float(), dim=1) for vector in reduced]
        return F.normalize(torch.cat(branches, dim=1), dim=1), pooled[0]
