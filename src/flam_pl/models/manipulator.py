"""Generator G and discriminator D, in the embedders' feature space (FLAM, section 3.2)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flam_pl.attributes import AttributeSchema


def _mlp(width_in: int, hidden: int, depth: int, activation: nn.Module) -> nn.Sequential:
    widths = [width_in] + [hidden] * depth
    layers = [nn.Linear(before, after) for before, after in zip(widths, widths[1:], strict=False)]
    return nn.Sequential(*(part for layer in layers for part in (layer, activation)))


class Generator(nn.Module):
    """G: feature x ``(B, D)``, condition c ``(B, c)`` -> edited feature ``(B, D)``. Gated, as in
    TIRG (Vo et al., CVPR 2019): gate(x, c) * x + head(trunk(x, c))."""

    def __init__(
        self, dimension: int, condition: int, hidden: int, depth: int, gated: bool = False
    ) -> None:
        super().__init__()
        self.trunk = _mlp(dimension + condition, hidden, depth, nn.ReLU())
        self.head = nn.Linear(hidden, dimension)
        self.gate: nn.Sequential | None = None
        if gated:
            self.gate = _mlp(dimension + condition, hidden, 1, nn.ReLU())
            self.gate.append(nn.Linear(hidden, dimension))

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        both = torch.cat([features, condition], dim=1)
        made = self.head(self.trunk(both)).float()  # half precision would lose small changes
        if self.gate is None:
            return made
        return torch.sigmoid(self.gate(both).float()) * features + made


class Discriminator(nn.Module):
    """D: feature ``(B, D)`` -> real/fake logit ``(B, 1)``, predicted embeddings ``(B, types, k)``.
    Noise on its training input keeps G from adversarial examples."""

    def __init__(
        self, dimension: int, types: int, embedding_dim: int, hidden: int, depth: int, noise: float
    ) -> None:
        super().__init__()
        self.types, self.embedding_dim, self.noise = types, embedding_dim, noise
        self.trunk = _mlp(dimension, hidden, depth, nn.LeakyReLU(0.2))
        self.realness = nn.Linear(hidden, 1)
        self.embedding = nn.Linear(hidden, types * embedding_dim)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        if self.training and self.noise > 0:
            features = features + self.noise * torch.randn_like(features)
        hidden = self.trunk(features)
        embeddings = self.embedding(hidden).unflatten(1, (self.types, self.embedding_dim))
        return self.realness(hidden).float(), embeddings.float()


class Manipulator(nn.Module):
    """G and D for all types; G's condition: wanted embedding, then one-hot type."""

    generators: Any
    discriminators: Any

    def __init__(
        self,
        schema: AttributeSchema,
        dimension: int,
        embedding_dim: int = 32,
        *,
        hidden: int = 512,
        depth: int = 2,
        gated: bool = False,
        discriminator_hidden: int = 512,
        discriminator_depth: int = 2,
        noise: float = 0.5,
    ) -> None:
        super().__init__()
        self.types = types = len(schema.types)
        # a list of one each, for the names in stored checkpoints
        self.generators = nn.ModuleList(
            [Generator(dimension, embedding_dim + types, hidden, depth, gated)]
        )
        sizes = (dimension, types, embedding_dim, discriminator_hidden, discriminator_depth)
        self.discriminators = nn.ModuleList([Discriminator(*sizes, noise)])

    def edit(self, features: Tensor, embedding: Tensor, target: Tensor) -> Tensor:
        """x~ = G(x, e) of features ``(B, D)``, embeddings ``(B, k)``, target types ``(B,)``."""
        code = F.one_hot(target, self.types).to(embedding.dtype)
        return self.generators[0](features, torch.cat([embedding, code], dim=1))

    def discriminate(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return self.discriminators[0](features)
