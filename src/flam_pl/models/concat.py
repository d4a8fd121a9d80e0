"""Cls-Concat, a baseline of FLAM: one vector per type; an edit replaces its type's vector."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flam_pl.attributes import AttributeSchema
from flam_pl.models.feature_space import FeatureSpace
from flam_pl.models.temperatures import fit_temperatures


class TypeClassifier(nn.Module):
    """Feature ``(B, d)`` -> logits ``(B, classes)`` of one type. The paper's "intermediate layer"
    has ``width`` units; ``hidden`` adds a layer before it."""

    prototypes: Tensor
    temperature: Tensor

    def __init__(
        self,
        dimension: int,
        classes: int,
        width: int,
        hidden: int | None,
        dropout: float,
        learned: bool,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        if hidden is not None:
            layers = [nn.Linear(dimension, hidden), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers, nn.Linear(hidden or dimension, width), nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, classes)
        if learned:
            self.prototypes = nn.Parameter(torch.randn(classes, width))
        else:
            self.register_buffer("prototypes", torch.zeros(classes, width))
        self.register_buffer("temperature", torch.tensor(1.0))

    def block(self, z: Tensor) -> Tensor:
        """The intermediate layer as unit vectors ``(B, width)``."""
        return F.normalize(self.layers(z), dim=-1)

    def forward(self, z: Tensor) -> Tensor:
        return self.head(self.dropout(self.layers(z)))


class ConcatClassifiers(nn.Module):
    """A ``TypeClassifier`` per type, on stored features ``(B, D)``."""

    by_type: Any

    def __init__(
        self,
        schema: AttributeSchema,
        dimension: int,
        width: int = 341,
        *,
        hidden: int | None = 512,
        working_dim: int | None = None,
        dropout: float = 0.5,
        learned: bool = False,
    ) -> None:
        super().__init__()
        self.schema = schema
        self.space = FeatureSpace(dimension, working_dim)
        self.by_type = nn.ModuleList(
            TypeClassifier(self.space.dimension, classes, width, hidden, dropout, learned)
            for classes in schema.sizes
        )

    def forward(self, features: Tensor) -> list[Tensor]:
        """Per type, the logits ``(B, classes)``."""
        z = self.space(features)
        return [classifier(z) for classifier in self.by_type]

    def classify(self, features: Tensor) -> Tensor:
        return torch.stack([logits.argmax(dim=1) for logits in self(features)], dim=1)

    def read(self, features: Tensor) -> list[Tensor]:
        """Per type, softmax(logits / temperature), ``(B, classes)``."""
        pairs = zip(self(features), self.by_type, strict=True)
        return [(logits / of.temperature).softmax(dim=-1) for logits, of in pairs]

    def calibrate(self, features: Tensor, labels: Tensor) -> None:
        """Fit the temperatures to held-out features, labels ``(N, types)``."""
        fit_temperatures(self(features), [of.temperature for of in self.by_type], labels)

    def blocks(self, features: Tensor) -> Tensor:
        """Every type's ``block``, ``(B, types, width)``."""
        z = self.space(features)
        return torch.stack([classifier.block(z) for classifier in self.by_type], dim=1)

    def prototypes(self, attribute_type: str) -> Tensor:
        """Unit vectors ``(classes, width)`` that replace the block of an edited type."""
        classifier = self.by_type[self.schema.types.index(attribute_type)]
        return F.normalize(classifier.prototypes, dim=-1)

    @torch.no_grad()
    def fit_prototypes(self, features: Tensor, labels: Tensor) -> None:
        """Set each prototype to the direction of its class's mean block."""
        training = self.training
        blocks = self.eval().blocks(features)
        self.train(training)
        for t, classifier in enumerate(self.by_type):
            for c, prototype in enumerate(classifier.prototypes):
                rows = labels[:, t] == c
                if rows.any():
                    prototype.copy_(F.normalize(blocks[rows, t].mean(dim=0), dim=0))
