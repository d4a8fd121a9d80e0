"""The paper's method: x-tilde = G(x, d_{a,i}) searches among the stored features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from flam_pl.editing.editor import Editor
from flam_pl.editing.edits import Edit, blend, in_order, wanted_vector
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.manipulator import Manipulator


class Flam(Editor):
    """Search by G (section 3.3), one edit after the other.

    The wanted embedding is the dictionary vector of a class, the direction of the weighted sum of a
    mix, or phi_a of an example.
    """

    def __init__(
        self, embedders: AttributeEmbedders, manipulator: Manipulator, name: str = "flam"
    ) -> None:
        self.embedders, self.manipulator, self.name = embedders, manipulator, name
        self.schema = embedders.schema

    def edit(self, features: Tensor, edits: Sequence[Edit]) -> Tensor:
        space = self.embedders.space
        length = features.norm(dim=1, keepdim=True)
        for number, edit in enumerate(in_order(edits, self.schema)):
            if number:  # G was trained on lengths of stored features, but returns any length
                features = F.normalize(features, dim=1) * length
            t = self.schema.types.index(edit.attribute_type)
            dictionary = self.embedders.of(edit.attribute_type).dictionary
            wanted = wanted_vector(edit, self.schema, dictionary, self.embedders)
            target = torch.full((len(features),), t, device=features.device)
            wanted = wanted.expand(len(features), -1)
            edited = self.manipulator.edit(space(features), wanted, target)
            features = blend(features, space.inverse(edited), edit.strength)
        return features
