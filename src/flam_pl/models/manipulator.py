"""Generator G and discriminator D of the query-feature manipulator (section 3.3 of the paper).

Both live in the working space of the embedders (mean 0, root mean square 1). The paper
leaves their layers open; each choice is an option of ``conf/manipulator``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from flam_pl.attributes import AttributeSchema


def _mlp(width_in: int, hidden: int, depth: int, activation: nn.Module) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(width_in, hidden), activation]
        width_in = hidden
    return nn.Sequential(*layers)


class Generator(nn.Module):
    """G: a feature ``(B, D)`` and a condition ``(B, c)``, concatenated -> feature ``(B, D)``.

    Gated, it is the composition of TIRG (Vo et al., CVPR 2019): a second network says of each
    dimension how much of x is kept, and the first one makes what is added.
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
        # float: under autocast a small change would be lost in half precision
        made: Tensor = self.head(self.trunk(both)).float()
        if self.gate is None:
            return made
        return torch.sigmoid(self.gate(both).float()) * features + made


class Discriminator(nn.Module):
    """D: feature ``(B, D)`` -> real/fake logit ``(B, 1)``, predicted embeddings ``(B, types, k)``.

    ``noise`` is the standard deviation, in units of a feature's root mean square, of the Gaussian
    noise laid on everything D sees while it trains. Without it the embedding branch is satisfied
    by changes too small for the gallery to notice (adversarial examples).
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
    """One pair (G, D) a target type, or one pair for all types, told apart by a one-hot code."""

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
        self.schema, self.shared = schema, shared
        types = len(schema.types)
        pairs = 1 if shared else types
        condition = embedding_dim + (types if shared else 0)
        self.generators = nn.ModuleList(
            Generator(dimension, condition, hidden, depth, gated) for _ in range(pairs)
        )
        self.discriminators = nn.ModuleList(
            Discriminator(
                dimension, types, embedding_dim, discriminator_hidden, discriminator_depth, noise
            )
            for _ in range(pairs)
        )

    def set_noise(self, noise: float) -> None:
        """Change the noise of every D, while it trains."""
        for discriminator in self.discriminators:
            assert isinstance(discriminator, Discriminator)
            discriminator.noise = noise

    def edit(self, features: Tensor, embedding: Tensor, target: Tensor) -> Tensor:
        """x-tilde = G(x, e): features of the working space ``(B, D)``, wanted embedding ``(B, k)``.

        ``target (B,)`` holds the index of the type that each row changes.
        """
        if self.shared:
            code = torch.nn.functional.one_hot(target, len(self.schema.types)).to(embedding.dtype)
            edited: Tensor = self.generators[0](features, torch.cat([embedding, code], dim=1))
            return edited
        edited = torch.empty_like(features)
        for t, generator in enumerate(self.generators):
            rows = (target == t).nonzero(as_tuple=True)[0]
            part = generator(features[rows], embedding[rows])
            edited = edited.index_put((rows,), part.to(edited.dtype))
        return edited

    def discriminate(self, features: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Logits ``(B, 1)`` and embeddings ``(B, types, k)`` by the D of each row's target type."""
        if self.shared:
            logits, embeddings = self.discriminators[0](features)
            return logits, embeddings
        parts = [
            (rows, *discriminator(features[rows]))
            for t, discriminator in enumerate(self.discriminators)
            for rows in [(target == t).nonzero(as_tuple=True)[0]]
        ]
        order = torch.cat([rows for rows, _, _ in parts]).argsort()
        return (
            torch.cat([logits for _, logits, _ in parts])[order],
            torch.cat([embeddings for _, _, embeddings in parts])[order],
        )
