"""The space that stages 2 and 3 work in: stored features, centred, turned and scaled."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flam_pl.errors import FlamError


class FeatureSpace(nn.Module):
    """z = P^T (x - mean) / scale, and back.

    ``mean`` and ``scale`` (one scalar: cosine geometry about the mean is kept) give networks inputs
    of unit size whatever the backbone. With a dimension below D, P holds the leading principal
    directions of the training features: what is cut off is too small to change a ranking, and both
    networks and their training become several times cheaper.
    """

    mean: Tensor
    basis: Tensor
    scale: Tensor

    def __init__(self, feature_dim: int, dimension: int | None = None) -> None:
        """Args:
        feature_dim: D of the stored features.
        dimension: d of the working space; None or anything from D up keeps all of D.
        """
        super().__init__()
        self.feature_dim = feature_dim
        self.reduced = dimension is not None and dimension < feature_dim
        self.dimension = dimension if dimension is not None and self.reduced else feature_dim
        self.register_buffer("mean", torch.zeros(feature_dim))
        self.register_buffer("scale", torch.ones(()))
        basis = torch.eye(feature_dim, self.dimension) if self.reduced else torch.zeros(0)
        self.register_buffer("basis", basis)

    @torch.no_grad()
    def fit(self, features: Tensor) -> None:
        """Measure mean, basis and scale on training features ``(N, D)``.

        Raises:
            FlamError: fewer features than dimensions to be found.
        """
        self.mean.copy_(features.mean(dim=0))
        centred = features - self.mean
        if self.reduced:
            if len(features) < self.dimension:
                raise FlamError(
                    f"embedder.working_dim is {self.dimension}, but there are only {len(features)} "
                    "training features to find so many directions in; lower it"
                )
            _, directions = torch.linalg.eigh(centred.T @ centred)  # ascending
            self.basis.copy_(directions[:, -self.dimension :].flip(1))
            centred = centred @ self.basis
        self.scale.copy_(centred.pow(2).mean().sqrt().clamp_min(1e-8))

    def forward(self, features: Tensor) -> Tensor:
        """Stored features ``(B, D)`` -> z ``(B, d)``, root mean square about 1."""
        with torch.autocast(features.device.type, enabled=False):  # rankings want all their digits
            z = features - self.mean
            return (z @ self.basis if self.reduced else z) / self.scale

    def inverse(self, z: Tensor) -> Tensor:
        """z ``(B, d)`` -> stored features ``(B, D)``."""
        with torch.autocast(z.device.type, enabled=False):
            z = z.to(self.scale.dtype) * self.scale
            return (z @ self.basis.T if self.reduced else z) + self.mean
