"""Attribute-specific embeddings phi_a and their dictionaries d_a (section 3.2 of the paper)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flam_pl.attributes import AttributeSchema
from flam_pl.losses.dictionary_softmax import class_log_probabilities
from flam_pl.models.feature_space import FeatureSpace
from flam_pl.models.temperatures import set_temperatures


class EnsembleMember(nn.Module):
    """One network and its dictionary: feature ``(B, d)`` -> unit embedding ``(B, k)``."""

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
        return F.normalize(self.layers(features).float(), dim=-1)


class AttributeEmbedder(nn.Module):
    """phi_a: feature ``(B, d)`` -> unit embedding, with a dictionary of unit vectors.

    In the paper one network with k = 32. Several, each trained by itself, are an ensemble: their
    embeddings stand one after the other, so that the cosine to a dictionary vector is the mean of
    their cosines, and everything after it sees one embedding of members x k dimensions.

    ``class_means (classes, D)`` are the mean stored features of the labelled training images: what
    the arithmetic baseline edits with.
    """

    class_means: Tensor
    temperature: Tensor

    def __init__(
        self,
        feature_dim: int,
        dimension: int,
        classes: int,
        embedding_dim: int,
        hidden: int,
        dropout: float,
        members: int,
    ) -> None:
        super().__init__()
        self.register_buffer("class_means", torch.zeros(classes, feature_dim))
        # of the probabilities: measured on validation images, so that they mean what they say
        self.register_buffer("temperature", torch.tensor(0.2))
        self.members = nn.ModuleList(
            EnsembleMember(dimension, classes, embedding_dim, hidden, dropout)
            for _ in range(members)
        )

    @property
    def dictionary(self) -> Tensor:
        """Unit vectors ``(classes, members x k)``."""
        return joined([self.member(m).dictionary for m in range(len(self.members))])

    def member(self, number: int) -> EnsembleMember:
        """One of the networks."""
        return cast(EnsembleMember, self.members[number])

    def forward(self, features: Tensor) -> Tensor:
        return joined([member(features) for member in self.members])


def joined(parts: list[Tensor]) -> Tensor:
    """Unit vectors ``(N, k)`` as one unit vector ``(N, len(parts) x k)``."""
    return torch.cat(parts, dim=-1) / len(parts) ** 0.5


class AttributeEmbedders(nn.Module):
    """One ``AttributeEmbedder`` a type, in the working space that stages 2 and 3 share."""

    def __init__(
        self,
        schema: AttributeSchema,
        dimension: int,
        embedding_dim: int = 32,
        *,
        working_dim: int | None = None,
        hidden: int = 512,
        dropout: float = 0.3,
        members: int = 1,
    ) -> None:
        """Args:
        dimension: D of the stored features.
        embedding_dim: k of each member.
        members: networks a type; more than one is not in the paper.
        working_dim: dimension of the working space; None keeps all of D.
        """
        super().__init__()
        self.schema = schema
        self.members, self.embedding_dim = members, members * embedding_dim
        self.space = FeatureSpace(dimension, working_dim)
        # by position: a user's column may have a name that a module cannot have
        self.by_type = nn.ModuleList(
            AttributeEmbedder(
                dimension, self.space.dimension, classes, embedding_dim, hidden, dropout, members
            )
            for classes in schema.sizes
        )

    @property
    def device(self) -> torch.device:
        """Where they are."""
        return self.space.mean.device

    def fit(self, features: Tensor, labels: Tensor) -> None:
        """Measure the working space and the class means on the training features.

        Args:
            features: ``(N, D)``.
            labels: ``(N, types)``, -1 where unlabelled. A class without a label has the mean of
                all.
        """
        self.space.fit(features)
        for t, name in enumerate(self.schema.types):
            means = self.of(name).class_means
            for c in range(len(means)):
                rows = labels[:, t] == c
                means[c] = features[rows].mean(dim=0) if rows.any() else self.space.mean

    def of(self, attribute_type: str) -> AttributeEmbedder:
        """The embedder of one type; raises ``SchemaError`` for an unknown one."""
        self.schema.of(attribute_type)
        embedder = self.by_type[self.schema.types.index(attribute_type)]
        assert isinstance(embedder, AttributeEmbedder)
        return embedder

    def forward(self, features: Tensor) -> Tensor:
        """Stored features ``(B, D)`` -> embeddings ``(B, types, k)``, each of unit length."""
        return self.embed(self.space(features))

    def embed(self, z: Tensor) -> Tensor:
        """The same from features ``(B, d)`` that are in the working space already."""
        return torch.stack([self.of(name)(z) for name in self.schema.types], dim=1)

    def log_probabilities(self, embeddings: Tensor) -> list[Tensor]:
        """Embeddings ``(B, types, k)`` -> of each type the log-probability of each class,
        ``(B, classes)``."""
        embedders = [self.of(name) for name in self.schema.types]
        return [
            class_log_probabilities(embeddings[:, t], of.dictionary, of.temperature)
            for t, of in enumerate(embedders)
        ]

    def probabilities(self, embeddings: Tensor) -> list[Tensor]:
        """The same as probabilities, which sum to 1."""
        return [of_type.exp() for of_type in self.log_probabilities(embeddings)]

    def read(self, features: Tensor) -> list[Tensor]:
        """Stored features ``(N, D)`` -> per type the probability of each class,
        ``(N, classes)``."""
        return self.probabilities(self(features))

    def calibrate(self, features: Tensor, labels: Tensor) -> None:
        """Set the temperatures by labelled photos that were not trained on (``nets.calibration``).

        Args:
            features: ``(N, D)``; labels: ``(N, types)``, -1 where unlabelled.
        """
        embeddings, embedders = self(features), [self.of(name) for name in self.schema.types]
        types = [
            (embeddings[:, t] @ of.dictionary.T, of.temperature) for t, of in enumerate(embedders)
        ]
        set_temperatures(types, labels)

    def classify(self, embeddings: Tensor) -> Tensor:
        """Pseudo-labels ``(B, types)``: the nearest dictionary vector of each type."""
        return torch.stack(
            [
                (embeddings[:, t] @ self.of(name).dictionary.T).argmax(dim=1)
                for t, name in enumerate(self.schema.types)
            ],
            dim=1,
        )
