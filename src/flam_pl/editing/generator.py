"""The paper's method: x-tilde = G(x, d_{a,i}) searches among the features as they are stored."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from flam_pl.editing.edits import Edit, asked_vector, blend, in_order
from flam_pl.models.attribute_embedder import AttributeEmbedder, AttributeEmbedders
from flam_pl.models.manipulator import Manipulator


class Flam:
    """Query time of section 3.3. The gallery is the stored features themselves: one vector serves
    both tasks, and nothing about a photo is computed again for an edit."""

    def __init__(
        self, embedders: AttributeEmbedders, manipulator: Manipulator, name: str = "flam"
    ) -> None:
        self.embedders, self.manipulator, self.name = embedders, manipulator, name
        self.schema = embedders.schema

    def represent(self, features: Tensor) -> Tensor:
        return features

    def edit(self, features: Tensor, edits: Sequence[Edit]) -> Tensor:
        """G for one edit after the other, each on what the one before has left.

        The wanted embedding is the dictionary's of a class, the direction of the weighted sum of a
        mix, phi_a(example) of an example. In between a feature gets the query's length back: a G
        that was trained by cosines may give any, and was trained on features as they are stored.
        """
        space = self.embedders.space
        length = features.norm(dim=1, keepdim=True)
        for number, edit in enumerate(in_order(edits, self.schema)):
            if number:
                features = F.normalize(features, dim=1) * length
            embedder = self.embedders.of(edit.attribute_type)

            def embed(example: Tensor, embedder: AttributeEmbedder = embedder) -> Tensor:
                return embedder(space(example))

            asked = asked_vector(edit, self.schema, embedder.dictionary, embed)
            t = self.schema.types.index(edit.attribute_type)
            target = torch.full((len(features),), t, device=features.device)
            edited = self.manipulator.edit(space(features), asked.expand(len(features), -1), target)
            features = blend(features, space.inverse(edited), edit.strength)
        return features
