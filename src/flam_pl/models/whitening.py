"""Centred, turned and scaled features: what SPoC does after pooling, measured and not learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

LEAST = 1e-3
"""Directions with less deviation than this share of the largest are scaled as if they had it: what
hardly varies in the sample is noise, and must not be blown up."""


class Whitening(nn.Module):
    """y = P^T (x - mean) / sigma^power, the leading principal directions of a sample.

    Power 1 is the whitening of Babenko and Lempitsky (ICCV 2015); 1/2 goes half the way, which
    keeps more of what the strong directions know. Cosine among features that are all positive,
    as pooled maps are, is mostly cosine with their common mean: centred features tell more.
    Until it is measured, features pass as they are.
    """

    mean: Tensor
    matrix: Tensor
    measured: Tensor

    def __init__(self, width: int, dimension: int, power: float) -> None:
        """Args: width: of the pooled maps, C; dimension: D, at most C; power: 0 does not scale."""
        super().__init__()
        self.dimension, self.power = dimension, power
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("matrix", torch.eye(width, dimension))
        self.register_buffer("measured", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def measure(self, features: Tensor) -> None:
        """Args: features: of training images, ``(N, C)``; with fewer than D the last directions
        are arbitrary ones in which nothing varies."""
        sample = features.double()
        mean = sample.mean(dim=0)
        centred = sample - mean
        variance, directions = torch.linalg.eigh(centred.T @ centred / len(sample))  # ascending
        deviation = variance.clamp_min(0).sqrt().flip(0)
        deviation = deviation.clamp_min(float(LEAST * deviation[0]) or 1.0)
        kept = directions.flip(1)[:, : self.dimension]
        self.mean.copy_(mean)
        self.matrix.copy_(kept / deviation[: self.dimension] ** self.power)
        self.measured.fill_(True)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, C)`` -> ``(B, D)``, or as they are while nothing is measured."""
        if not self.measured:
            return features
        # in float: the mean is far larger than what is left of it
        with torch.autocast(features.device.type, enabled=False):
            return (features.float() - self.mean.float()) @ self.matrix.float()


class PartsWhitening(nn.Module):
    """Several parts of a vector, each whitened, brought to the same length and weighted.

    The length of a part is its root mean square over the training photos. The cosine between two
    such vectors is then a weighted mean of what the parts say.
    """

    scales: Tensor

    def __init__(
        self,
        widths: Sequence[int],
        dimensions: Sequence[int],
        power: float,
        weights: Sequence[float],
    ) -> None:
        """Args:
        widths: of the parts, which stand one after the other.
        dimensions: of each part after its whitening.
        power: of every whitening.
        weights: of the parts.
        """
        super().__init__()
        self.widths, self.weights = list(widths), list(weights)
        self.parts = nn.ModuleList(
            Whitening(width, dimension, power)
            for width, dimension in zip(widths, dimensions, strict=True)
        )
        self.dimension = sum(dimensions)
        self.register_buffer("scales", torch.ones(len(self.widths)))

    @property
    def measured(self) -> Tensor:
        """Whether every part is, ``()`` bool."""
        return torch.stack([cast(Whitening, part).measured for part in self.parts]).all()

    @torch.no_grad()
    def measure(self, features: Tensor) -> None:
        """Args: features: of training images, ``(N, sum of the widths)``."""
        for n, (part, of_part) in enumerate(zip(self.parts, self.split(features), strict=True)):
            cast(Whitening, part).measure(of_part)
            length = float(part(of_part.to(self.scales.device)).pow(2).sum(dim=1).mean().sqrt())
            # a part that is the same in every photo must not be blown up in another one
            self.scales[n] = self.weights[n] / (length or 1.0)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, sum of the widths)`` -> ``(B, D)``."""
        parts = self.split(features)
        with torch.autocast(features.device.type, enabled=False):
            whitened = [
                scale * part(of_part)
                for part, of_part, scale in zip(self.parts, parts, self.scales, strict=True)
            ]
            return torch.cat(whitened, dim=1)

    def split(self, features: Tensor) -> tuple[Tensor, ...]:
        """The parts, ``(B, width)`` each."""
        return torch.split(features, self.widths, dim=1)
