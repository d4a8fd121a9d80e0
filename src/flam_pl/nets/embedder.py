"""Attribute-specific embeddings phi_a and their dictionaries d_a (section 3.2 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flam_pl.attributes import AttributeSchema


class Standardise(nn.Module):
    """Shift by the mean and divide by one scale, both measured on training features.

    One scalar for all components keeps cosine geometry about the mean, and gives networks inputs of
    about unit size whatever the backbone.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dimension))
        self.register_buffer("scale", torch.ones(()))

    @torch.no_grad()
    def fit(self, features: Tensor) -> None:
        """Measure mean ``(D,)`` and root mean square ``()`` of ``features (N, D)``."""
        self.mean.copy_(features.mean(dim=0))
        self.scale.copy_((features - self.mean).pow(2).mean().sqrt().clamp_min(1e-8))

    def forward(self, features: Tensor) -> Tensor:
        return (features - self.mean) / self.scale

    def inverse(self, standardised: Tensor) -> Tensor:
        return standardised * self.scale + self.mean


class AttributeEmbedder(nn.Module):
    """phi_a: feature ``(B, D)`` -> unit embedding ``(B, k)``, with a dictionary ``(classes, k)``."""

    def __init__(
        self, dimension: int, classes: int, embedding_dim: int, hidden: int, dropout: float
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(dimension, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, embedding_dim),
        )
        self.raw_dictionary = nn.Parameter(torch.randn(classes, embedding_dim))

    @property
    def dictionary(self) -> Tensor:
        """d_a as unit vectors ``(classes, k)``: one place a class, "a centroid of a cluster"."""
        return F.normalize(self.raw_dictionary, dim=-1)

    def forward(self, features: Tensor) -> Tensor:
        return F.normalize(self.layers(features), dim=-1)


class Embedders(nn.Module):
    """One ``AttributeEmbedder`` a type, on features standardised by the training set."""

    def __init__(
        self,
        schema: AttributeSchema,
        dimension: int,
        embedding_dim: int = 32,
        hidden: int = 512,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.schema = schema
        self.dimension = dimension
        self.embedding_dim = embedding_dim
        self.standardise = Standardise(dimension)
        self.by_type = nn.ModuleDict(
            {
                name: AttributeEmbedder(dimension, len(classes), embedding_dim, hidden, dropout)
                for name, classes in schema.classes.items()
            }
        )

    def of(self, attribute_type: str) -> AttributeEmbedder:
        """The embedder of one type; raises ``SchemaError`` for an unknown one."""
        self.schema.of(attribute_type)
        embedder = self.by_type[attribute_type]
        assert isinstance(embedder, AttributeEmbedder)
        return embedder

    def forward(self, features: Tensor) -> Tensor:
        """Features ``(B, D)`` -> embeddings ``(B, types, k)``, each of unit length."""
        z = self.standardise(features)
        return torch.stack([self.of(name)(z) for name in self.schema.types], dim=1)

    def dictionaries(self) -> Mapping[str, Tensor]:
        """Type -> unit dictionary ``(classes, k)``."""
        return {name: self.of(name).dictionary for name in self.schema.types}

    def classify(self, embeddings: Tensor) -> Tensor:
        """Pseudo-labels ``(B, types)``: the nearest dictionary vector of each type."""
        return torch.stack(
            [
                (embeddings[:, t] @ self.of(name).dictionary.T).argmax(dim=1)
                for t, name in enumerate(self.schema.types)
            ],
            dim=1,
        )
