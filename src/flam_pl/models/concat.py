"""The paper's baselines: a vector a type, concatenated; an edit replaces one of them."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flam_pl.attributes import AttributeSchema
from flam_pl.models.feature_space import FeatureSpace
from flam_pl.models.temperatures import set_temperatures


class TypeClassifier(nn.Module):
    """Fully connected layers with ReLU and dropout; the last before the classes is the type's part.

    The paper: "two fully connected layers followed by a ReLU and a dropout", the "intermediate
    layer" of 341. With ``hidden`` there are two before the classes, without it one; two gather each
    class far more closely (docs/paper.md), so the upper bound that FLAM is measured by is higher.
    """

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
            layers += [nn.Linear(dimension, hidden), nn.ReLU(), nn.Dropout(dropout)]
        layers += [nn.Linear(hidden or dimension, width), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, classes)
        if learned:
            self.prototypes = nn.Parameter(torch.randn(classes, width))
        else:
            self.register_buffer("prototypes", torch.zeros(classes, width))
        self.register_buffer("temperature", torch.tensor(1.0))

    def block(self, z: Tensor) -> Tensor:
        """``(B, d)`` -> ``(B, width)``, of unit length, so that every type weighs the same."""
        return F.normalize(self.layers(z), dim=-1)

    def forward(self, z: Tensor) -> Tensor:
        """``(B, d)`` -> logits ``(B, classes)``."""
        logits: Tensor = self.head(self.dropout(self.layers(z)))
        return logits


class ConcatClassifiers(nn.Module):
    """Cls-Concat: a classifier a type on the stored features; 341 x 3 = 1023 dimensions."""

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
        """Args:
        dimension: D of the stored features.
        width: of each type's part.
        hidden: width of a layer before it; None for none.
        working_dim: principal directions of the features that are used; None for all.
        learned: whether the prototypes are parameters, else ``fit_prototypes`` measures them.
        """
        super().__init__()
        self.schema = schema
        self.space = FeatureSpace(dimension, working_dim)
        self.by_type = nn.ModuleList(
            TypeClassifier(self.space.dimension, classes, width, hidden, dropout, learned)
            for classes in schema.sizes
        )

    def forward(self, features: Tensor) -> list[Tensor]:
        """Stored features ``(B, D)`` -> logits of each type, ``(B, classes)``."""
        z = self.space(features)
        return [classifier(z) for classifier in self.by_type]

    def read(self, features: Tensor) -> list[Tensor]:
        """Stored features ``(N, D)`` -> per type the probability of each class,
        ``(N, classes)``."""
        return [
            (logits / cast(TypeClassifier, classifier).temperature).softmax(dim=-1)
            for logits, classifier in zip(self(features), self.by_type, strict=True)
        ]

    def classify(self, features: Tensor) -> Tensor:
        """Stored features ``(B, D)`` -> the likeliest class of each type, ``(B, types)``."""
        return torch.stack([logits.argmax(dim=1) for logits in self(features)], dim=1)

    def calibrate(self, features: Tensor, labels: Tensor) -> None:
        """Set the temperatures by labelled photos that were not trained on (``nets.calibration``).

        Args:
            features: ``(N, D)``; labels: ``(N, types)``, -1 where unlabelled.
        """
        temperatures = [cast(TypeClassifier, of).temperature for of in self.by_type]
        set_temperatures(zip(self(features), temperatures, strict=True), labels)

    def blocks(self, features: Tensor) -> Tensor:
        """Stored features ``(B, D)`` -> ``(B, types, width)``."""
        z = self.space(features)
        return torch.stack([cast(TypeClassifier, c).block(z) for c in self.by_type], dim=1)

    def prototypes(self, attribute_type: str) -> Tensor:
        """Unit vectors ``(classes, width)``: what an edit puts in. The direction of each class's
        mean block, or a parameter."""
        classifier = self.by_type[self.schema.types.index(attribute_type)]
        return F.normalize(cast(TypeClassifier, classifier).prototypes, dim=-1)

    @torch.no_grad()
    def fit_prototypes(self, features: Tensor, labels: Tensor) -> None:
        """Measure the prototypes on labelled features ``(N, D)``, labels ``(N, types)``; nothing is
        dropped out, whatever the mode."""
        training = self.training
        self.eval()
        blocks = self.blocks(features)
        self.train(training)
        for t, classifier in enumerate(self.by_type):
            assert isinstance(classifier, TypeClassifier)
            for c in range(len(classifier.prototypes)):
                rows = labels[:, t] == c
                if rows.any():
                    mean = blocks[rows, t].mean(dim=0)
                    classifier.prototypes[c] = F.normalize(mean, dim=0)
