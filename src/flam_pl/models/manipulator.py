"""Generator G and discriminator D of the query-feature manipulator (FLAM, section 3.3).

Both work in the feature space of the embedders. The paper leaves their layers open.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flam_pl.attributes import AttributeSchema


def _mlp(width_in: int, hidden: int, depth: int, activation: nn.Module) -> nn.Sequential:
    widths = [width_in] + [hidden] * depth
    layers = [nn.Linear(before, after) for before, after in zip(widths, widths[1:], strict=False)]
    return nn.Sequential(*(part for layer in layers for part in (layer, activation)))


class Generator(nn.Module):
    """G: feature x ``(B, D)`` and condition c ``(B, c)`` -> edited feature ``(B, D)``.

    Gated, it is that of TIRG (Vo et al., CVPR 2019): gate(x, c) * x + head(trunk(x, c)).
    """

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

    ``noise`` is the standard deviation of Gaussian noise in training mode. Without it G fools D by
    changes too small to move a search (adversarial examples).
    """

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
    """One pair (G, D) per type, or one shared pair whose G gets the type as a one-hot code."""

    def __init__(
        self,
        schema: AttributeSchema,
        dimension: int,
        embedding_dim: int = 32,
        *,
        shared: bool = True,
        hidden: int = 512,
        depth: int = 2,
        gated: bool = False,
        discriminator_hidden: int = 512,
        discriminator_depth: int = 2,
        noise: float = 0.5,
    ) -> None:
        super().__init__()
        self.types, self.shared = len(schema.types), shared
        pairs = range(1 if shared else self.types)
        condition = embedding_dim + (self.types if shared else 0)
        of_g = (dimension, condition, hidden, depth, gated)
        self.generators = nn.ModuleList(Generator(*of_g) for _ in pairs)
        sizes = (dimension, self.types, embedding_dim, discriminator_hidden, discriminator_depth)
        self.discriminators = nn.ModuleList(Discriminator(*sizes, noise) for _ in pairs)

    def set_noise(self, noise: float) -> None:
        """Set the noise of every D."""
        for module in self.modules():
            if isinstance(module, Discriminator):
                module.noise = noise

    def edit(self, features: Tensor, embedding: Tensor, target: Tensor) -> Tensor:
        """x~ = G(x, e), from features ``(B, D)``, embeddings ``(B, k)``, target types ``(B,)``."""
        if self.shared:
            code = F.one_hot(target, self.types).to(embedding.dtype)
            return self.generators[0](features, torch.cat([embedding, code], dim=1))
        rows, order = self._by_target(target)
        parts = [g(features[r], embedding[r]) for g, r in zip(self.generators, rows, strict=True)]
        return torch.cat(parts)[order]

    def discriminate(self, features: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``(B, 1)`` and embeddings ``(B, types, k)`` by the D of each row's target type."""
        if self.shared:
            return self.discriminators[0](features)
        rows, order = self._by_target(target)
        parts = [d(features[r]) for d, r in zip(self.discriminators, rows, strict=True)]
        logits, embeddings = (torch.cat(of)[order] for of in zip(*parts, strict=True))
        return logits, embeddings

    def _by_target(self, target: Tensor) -> tuple[list[Tensor], Tensor]:
        """Row numbers per target type, and the order that brings them back."""
        rows = [(target == t).nonzero(as_tuple=True)[0] for t in range(self.types)]
        return rows, torch.cat(rows).argsort()
