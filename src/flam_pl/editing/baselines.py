"""What an edit must beat: doing nothing, and adding the difference of two means."""

from __future__ import annotations

from torch import Tensor

from flam_pl.nets.embedder import Embedders


class NoEdit:
    """The plain search: the wish is ignored."""

    name = "no_edit"

    def represent(self, features: Tensor) -> Tensor:
        return features

    def edit(self, features: Tensor, target_type: str, target_class: str) -> Tensor:
        return features


class Arithmetic:
    """x - mean(old class) + mean(new class), as with word vectors.

    The old class is what the embedders take the query for: a shop does not know the labels of a
    photo that a shopper sends.
    """

    name = "arithmetic"

    def __init__(self, embedders: Embedders) -> None:
        self.embedders, self.schema = embedders, embedders.schema

    def represent(self, features: Tensor) -> Tensor:
        return features

    def edit(self, features: Tensor, target_type: str, target_class: str) -> Tensor:
        new = self.schema.index(target_type, target_class)
        t = self.schema.types.index(target_type)
        old = self.embedders.classify(self.embedders(features))[:, t]
        means = self.embedders.of(target_type).class_means
        return features - means[old] + means[new]
