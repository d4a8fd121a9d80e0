"""Editing by a generator: x-tilde = G(x, d_{a,i})."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from flam_pl.editing.editor import Editor
from flam_pl.editing.edits import Edit, in_order
from flam_pl.editing.targets import blend, wanted_vector
from flam_pl.methods.registry import OpenMethod, Place
from flam_pl.models.attribute_embedder import AttributeEmbedders
from flam_pl.models.manipulator import Manipulator
from flam_pl.retrieval.posteriors import Posteriors
from flam_pl.training.trained_networks import restore


class Flam(Editor):
    """The search of section 3.3: an edited feature against the stored features."""

    def __init__(
        self, embedders: AttributeEmbedders, manipulator: Manipulator, name: str = "flam"
    ) -> None:
        self.embedders, self.manipulator, self.name = embedders, manipulator, name
        self.schema = embedders.schema

    def edit(self, features: Tensor, edits: Sequence[Edit]) -> Tensor:
        """Apply G once per edit, in the order of the schema.

        Between two edits the feature gets the query's length again: G is trained by cosines, so
        the length of its output means nothing.
        """
        space = self.embedders.space
        length = features.norm(dim=1, keepdim=True)
        for number, edit in enumerate(in_order(edits, self.schema)):
            if number:
                features = F.normalize(features, dim=1) * length
            dictionary = self.embedders.of(edit.attribute_type).dictionary
            wanted = wanted_vector(edit, self.schema, dictionary, self.embedders)
            t = self.schema.types.index(edit.attribute_type)
            target = torch.full((len(features),), t, device=features.device)
            wanted = wanted.expand(len(features), -1)
            edited = self.manipulator.edit(space(features), wanted, target)
            features = blend(features, space.inverse(edited), edit.strength)
        return features


def open_generator(place: Place) -> OpenMethod:
    assert place.record is not None, "a generator is trained"
    manipulator = restore(Manipulator, place.folder, place.record)
    editor = Flam(place.embedders, manipulator, place.name)
    nets = nn.ModuleList([place.embedders, manipulator])
    return OpenMethod(editor, Posteriors.of_embedders(place.embedders), nets)
