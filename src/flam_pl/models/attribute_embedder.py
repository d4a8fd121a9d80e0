"""Attribute embeddings phi_a and their dictionaries d_a (FLAM, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flam_pl.attributes import AttributeSchema
from flam_pl.models.feature_space import FeatureSpace
from flam_pl.models.temperatures import fit_temperatures


class EnsembleMember(nn.Module):
    """A network with a dictionary: feature ``(B, d)`` -> unit embedding ``(B, k)``."""

    def __init__(
        self, dimension: int, classes: int, embedding_dim: int, hidden: int, dropout: float
    ) -> None:
        super().__init__()
        first, last = nn.Linear(dimension, hidden), nn.Linear(hidden, embedding_dim)
        self.layers = nn.Sequential(first, nn.ReLU(), nn.Dropout(dropout), last)
        self.raw_dictionary = nn.Parameter(torch.randn(classes, embedding_dim))

    @property
    def dictionary(self) -> Tensor:
        """d_a: one unit vector per class, ``(classes, k)``."""
        return F.normalize(self.raw_dictionary, dim=-1)

    def forward(self, features: Tensor) -> Tensor:
        return F.normalize(self.layers(features).float(), dim=-1)


class AttributeEmbedder(nn.Module):
    """phi_a of one type: feature ``(B, d)`` -> unit embedding ``(B, members * k)``. The paper has
    one member. The cosine of concatenated embeddings is the mean of the members' cosines.
    ``class_means (classes, D)`` are mean stored features."""

    class_means: Tensor
    temperature: Tensor
    members: Any

    def __init__(self, members: Sequence[EnsembleMember], class_means: Tensor) -> None:
        super().__init__()
        self.register_buffer("class_means", class_means)
        self.register_buffer("temperature", torch.tensor(0.2))
        self.members = nn.ModuleList(members)

    @property
    def dictionary(self) -> Tensor:
        """d_a, ``(classes, members * k)``."""
        return concatenated([member.dictionary for member in self.members])

    def forward(self, features: Tensor) -> Tensor:
        return concatenated([member(features) for member in self.members])


def concatenated(parts: list[Tensor]) -> Tensor:
    """n unit vectors ``(B, k)`` -> one unit vector ``(B, n * k)``."""
    return torch.cat(parts, dim=-1) / len(parts) ** 0.5


class AttributeEmbedders(nn.Module):
    """An ``AttributeEmbedder`` per type, in the feature space of stages 2 and 3."""

    by_type: Any

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
        super().__init__()
        self.schema = schema
        self.members, self.embedding_dim = members, members * embedding_dim
        self.space = FeatureSpace(dimension, working_dim)
        self.by_type = nn.ModuleList()  # a type may have a name that a module cannot have
        for classes in schema.sizes:
            size = (self.space.dimension, classes, embedding_dim, hidden, dropout)
            networks = [EnsembleMember(*size) for _ in range(members)]
            self.by_type.append(AttributeEmbedder(networks, torch.zeros(classes, dimension)))

    @property
    def device(self) -> torch.device:
        return self.space.mean.device

    def fit(self, features: Tensor, labels: Tensor) -> None:
        """Fit space and class means to features ``(N, D)``, labels ``(N, types)``; a class without
        photos gets the mean of all features."""
        self.space.fit(features)
        for embedder, classes in zip(self.by_type, labels.T, strict=True):
            for c, mean in enumerate(embedder.class_means):
                rows = classes == c
                mean.copy_(features[rows].mean(dim=0) if rows.any() else self.space.mean)

    def of(self, attribute_type: str) -> AttributeEmbedder:
        self.schema.of(attribute_type)
        return self.by_type[self.schema.types.index(attribute_type)]

    def forward(self, features: Tensor) -> Tensor:
        """Stored features ``(B, D)`` -> unit embeddings ``(B, types, members * k)``."""
        return self.embed(self.space(features))

    def embed(self, z: Tensor) -> Tensor:
        """``forward`` from features ``(B, d)`` already in the space."""
        return torch.stack([embedder(z) for embedder in self.by_type], dim=1)

    def cosines(self, embeddings: Tensor) -> list[Tensor]:
        """Per type, the cosines to the dictionary vectors, ``(B, classes)``."""
        pairs = zip(embeddings.unbind(dim=1), self.by_type, strict=True)
        with torch.autocast(embeddings.device.type, enabled=False):  # they need full precision
            return [e @ embedder.dictionary.T for e, embedder in pairs]

    def classify(self, embeddings: Tensor) -> Tensor:
        """Per type, the class of the nearest dictionary vector, ``(B, types)``."""
        return torch.stack([c.argmax(dim=1) for c in self.cosines(embeddings)], dim=1)

    def probabilities(self, embeddings: Tensor, temperature: Tensor | None = None) -> list[Tensor]:
        """Per type, softmax(cosines / temperature), ``(B, classes)``."""
        cosines = zip(self.cosines(embeddings), self.by_type, strict=True)
        scaled = [c / (of.temperature if temperature is None else temperature) for c, of in cosines]
        return [logits.log_softmax(dim=-1).exp() for logits in scaled]

    def read(self, features: Tensor) -> list[Tensor]:
        """``probabilities`` of stored features ``(B, D)``."""
        return self.probabilities(self(features))

    def calibrate(self, features: Tensor, labels: Tensor) -> None:
        """Fit the temperatures to held-out features, labels ``(N, types)``."""
        cosines = self.cosines(self(features))
        fit_temperatures(cosines, [of.temperature for of in self.by_type], labels)
