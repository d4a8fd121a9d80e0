"""AttributeEmbedders whose probabilities are exactly right, for worlds whose making is known."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from attribute_world import SCHEMA, World
from flam_pl.models.attribute_embedder import AttributeEmbedders


class Posterior(AttributeEmbedders):
    """Bayes' rule in ``attribute_world``: every combination as likely as any other, its features
    around the sum of its classes' directions with a known noise."""

    def __init__(self, world: World, noise: float, boldness: float = 1.0) -> None:
        """Args:
        noise: that the world was made with.
        boldness: above 1 the probabilities are surer of themselves than is right.
        """
        super().__init__(SCHEMA, world.features.shape[1], 2, hidden=2)
        self.noise, self.boldness = noise, boldness
        self.combinations = torch.tensor(list(itertools.product(*map(range, SCHEMA.sizes))))
        columns = zip(world.directions, self.combinations.T, strict=True)
        self.means = torch.stack([of[c] for of, c in columns]).sum(dim=0)
        self.eval().requires_grad_(False)

    def forward(self, features: Tensor) -> Tensor:
        return features

    def probabilities(self, embeddings: Tensor, temperature: Tensor | None = None) -> list[Tensor]:
        square = torch.cdist(embeddings, self.means).square()
        whole = (-self.boldness * square / (2 * self.noise**2)).softmax(dim=1)
        of_types = []
        for t, size in enumerate(SCHEMA.sizes):
            has = torch.nn.functional.one_hot(self.combinations[:, t], size).float()
            of_types.append((whole @ has).clamp(min=1e-30))
        return of_types
