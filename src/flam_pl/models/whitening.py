"""Whitening of pooled features, measured on training photos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

MIN_DEVIATION = 1e-3
"""Smallest standard deviation to divide by, as a share of the largest."""


class Whitening(nn.Module):
    """y = P^T (x - mean) / sigma^power, ``(B, C)`` -> ``(B, D)``; P: principal directions. Power 1
    is the whitening of SPoC (Babenko and Lempitsky, ICCV 2015), 0 scales nothing. Before
    ``measure``, y = x."""

    mean: Tensor
    matrix: Tensor
    measured: Tensor

    def __init__(self, width: int, dimension: int, power: float) -> None:
        super().__init__()
        self.dimension, self.power = dimension, power
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("matrix", torch.eye(width, dimension))
        self.register_buffer("measured", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def measure(self, features: Tensor) -> None:
        """Fit to training features ``(N, C)``."""
        sample = features.double()
        mean = sample.mean(dim=0)
        centred = sample - mean
        variance, directions = eigenvectors(centred.T @ centred / len(sample))
        deviation = variance.clamp_min(0).sqrt().flip(0)
        deviation = deviation.clamp_min(float(MIN_DEVIATION * deviation[0]) or 1.0)
        leading = directions.flip(1)[:, : self.dimension]
        self.mean.copy_(mean)
        self.matrix.copy_(leading / deviation[: self.dimension] ** self.power)
        self.measured.fill_(True)

    def forward(self, features: Tensor) -> Tensor:
        if not self.measured:
            return features
        # float32: the mean is far larger than the deviations
        with torch.autocast(features.device.type, enabled=False):
            return (features.float() - self.mean.float()) @ self.matrix.float()


def eigenvectors(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Ascending eigenvalues ``(C,)``, eigenvectors ``(C, C)`` of a float64 covariance."""
    try:
        return torch.linalg.eigh(covariance)
    except RuntimeError:  # PyTorch's solver may fail where few photos span the sample
        values, vectors = map(torch.from_numpy, np.linalg.eigh(covariance.cpu().numpy()))
        return values.to(covariance.device), vectors.to(covariance.device)


class PartsWhitening(nn.Module):
    """Whitens each part of a vector; scales the part's root mean square length to its weight."""

    parts: Any
    scales: Tensor

    def __init__(
        self,
        widths: Sequence[int],
        dimensions: Sequence[int],
        power: float,
        weights: Sequence[float],
    ) -> None:
        super().__init__()
        self.widths, self.weights = list(widths), list(weights)
        self.dimension = sum(dimensions)
        sizes = zip(widths, dimensions, strict=True)
        self.parts = nn.ModuleList(Whitening(width, dimension, power) for width, dimension in sizes)
        self.register_buffer("scales", torch.ones(len(self.widths)))

    @property
    def measured(self) -> bool:
        return all(bool(part.measured) for part in self.parts)

    @torch.no_grad()
    def measure(self, features: Tensor) -> None:
        samples = torch.split(features, self.widths, dim=1)
        for n, (part, sample) in enumerate(zip(self.parts, samples, strict=True)):
            part.measure(sample)
            length = float(part(sample.to(self.scales.device)).pow(2).sum(dim=1).mean().sqrt())
            self.scales[n] = self.weights[n] / (length or 1.0)  # a constant part has length 0

    def forward(self, features: Tensor) -> Tensor:
        split = torch.split(features, self.widths, dim=1)
        parts = zip(self.parts, split, self.scales, strict=True)
        with torch.autocast(features.device.type, enabled=False):
            return torch.cat([scale * part(x) for part, x, scale in parts], dim=1)
