"""The feature space of stages 2 and 3: stored features, centred, rotated and scaled."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flam_pl.errors import FlamError


class FeatureSpace(nn.Module):
    """z = P^T (x - mean) / scale of stored features x ``(B, D)`` -> ``(B, d)``. P holds the d
    leading principal directions; d = None means D, without P."""

    mean: Tensor
    basis: Tensor
    scale: Tensor

    def __init__(self, feature_dim: int, dimension: int | None = None) -> None:
        super().__init__()
        self.dimension = min(dimension or feature_dim, feature_dim)
        self.reduced = self.dimension < feature_dim
        self.register_buffer("mean", torch.zeros(feature_dim))
        self.register_buffer("scale", torch.ones(()))
        basis = torch.eye(feature_dim, self.dimension) if self.reduced else torch.zeros(0)
        self.register_buffer("basis", basis)

    @torch.no_grad()
    def fit(self, features: Tensor) -> None:
        """Measure mean, P and scale on features ``(N, D)``; FlamError for N below d."""
        self.mean.copy_(features.mean(dim=0))
        centred = features - self.mean
        if self.reduced:
            if len(features) < self.dimension:
                raise FlamError(
                    f"embedder.working_dim is {self.dimension}, but there are only {len(features)} "
                    "training features; lower it to at most that number"
                )
            _, directions = torch.linalg.eigh(centred.T @ centred)  # ascending
            self.basis.copy_(directions[:, -self.dimension :].flip(1))
            centred = centred @ self.basis
        self.scale.copy_(centred.pow(2).mean().sqrt().clamp_min(1e-8))

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):  # rankings need full precision
            z = features - self.mean
            return (z @ self.basis if self.reduced else z) / self.scale

    def inverse(self, z: Tensor) -> Tensor:
        with torch.autocast(z.device.type, enabled=False):
            z = z.to(self.scale.dtype) * self.scale
            return (z @ self.basis.T if self.reduced else z) + self.mean
