"""Global descriptors: pooling of a feature map into one vector, and the combination of several."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SPoC(nn.Module):
    """Sum-pooled convolutional features (Babenko and Lempitsky, ICCV 2015).

    The mean stands for the sum: they differ by a constant that the L2 norm removes, and the mean
    stays in the range of half precision at every input size.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """``(B, C, H, W)`` -> ``(B, C)``."""
        return maps.mean(dim=(2, 3))


class MAC(nn.Module):
    """Maximum activations of convolutions (Tolias, Sicre and Jégou, ICLR 2016)."""

    def forward(self, maps: Tensor) -> Tensor:
        """``(B, C, H, W)`` -> ``(B, C)``."""
        return maps.amax(dim=(2, 3))


class GeM(nn.Module):
    """Generalized mean (Radenović, Tolias and Chum, TPAMI 2018): mean(x^p)^(1/p), p learnt.

    p = 1 is SPoC and p -> infinity is MAC, both of the positive part: activations below ``eps``,
    such as a transformer's negative ones, count as ``eps``.

    Attributes:
        p: the exponent, one for all channels, ``(1,)``.
    """

    def __init__(self, p: float = 3.0, eps: float = 1e-6) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor([p]))
        self.eps = eps

    def forward(self, maps: Tensor) -> Tensor:
        """``(B, C, H, W)`` -> ``(B, C)``; powers are taken in float32, also under autocast."""
        positive = maps.float().clamp_min(self.eps)
        # a constant factor passes through the mean: with the peak at 1 no power overflows
        peak = positive.detach().amax(dim=(2, 3), keepdim=True)
        mean = (positive / peak).pow(self.p).mean(dim=(2, 3))
        return (peak.flatten(1) * mean.pow(1 / self.p)).to(maps.dtype)


LEAST = torch.finfo(torch.float32).tiny
"""A smaller variance is none."""

DESCRIPTORS: dict[str, type[nn.Module]] = {"spoc": SPoC, "mac": MAC, "gem": GeM}


class EarlyLevels(nn.Module):
    """Means and standard deviations of the first feature levels over the middle of the image.

    The last map of a network that was trained to name things has forgotten much of the color; its
    first maps have not (docs/tried.md).
    """

    def __init__(self, window: float) -> None:
        """Args: window: share of each side that is looked at, in the middle."""
        super().__init__()
        self.window = window

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Maps ``(B, C_i, h_i, w_i)`` of n levels -> ``(B, 2 x sum of C_i)``: of each level the
        means, then the deviations (0 where nothing varies, and no gradient there); in float32,
        also under autocast."""
        parts = []
        for maps in levels:
            middle = self.middle(maps).float()
            mean = middle.mean(dim=(2, 3))
            variance = (middle - mean[:, :, None, None]).pow(2).mean(dim=(2, 3))
            # the root has no gradient at 0
            deviation = torch.where(variance > LEAST, variance.clamp_min(LEAST).sqrt(), 0.0)
            parts += [mean, deviation]
        return torch.cat(parts, dim=1)

    def middle(self, maps: Tensor) -> Tensor:
        """The centred window of a map ``(B, C, h, w)``. Each side of it is ``window`` times the
        map's side, rounded, or one place more where that cannot be centred."""
        height, width = maps.shape[2:]
        top, left = ((side - max(1, round(self.window * side))) // 2 for side in (height, width))
        return maps[:, :, top : height - top, left : width - left]


class CGD(nn.Module):
    """Combination of multiple global descriptors (Jun et al. 2019, arXiv 1903.10663).

    Each branch is a global descriptor, a linear layer to an equal share of the dimensions, and an
    L2 norm; the branches side by side are normalised once more. The ranking loss sees the
    combination; the auxiliary classification loss the first descriptor, before its linear layer.
    Their backbone also keeps the resolution of its last stage but one; ours is timm's as it is.
    """

    def __init__(self, descriptors: Sequence[str], width: int, dimension: int) -> None:
        """Args:
        descriptors: names of n global descriptors; the first one is classified.
        width: C, channels of the maps.
        dimension: D of the combination, a multiple of n.
        """
        super().__init__()
        self.descriptors = nn.ModuleList(DESCRIPTORS[name]() for name in descriptors)
        share = dimension // len(descriptors)
        self.layers = nn.ModuleList(nn.Linear(width, share, bias=False) for _ in descriptors)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, C, H, W)`` -> combination ``(B, D)`` of length 1, first descriptor ``(B, C)``."""
        pooled = [descriptor(maps) for descriptor in self.descriptors]
        reduced = [layer(vector) for layer, vector in zip(self.layers, pooled, strict=True)]
        # lengths want all their digits, also under autocast
        branches = [F.normalize(vector.float(), dim=1) for vector in reduced]
        return F.normalize(torch.cat(branches, dim=1), dim=1), pooled[0]
