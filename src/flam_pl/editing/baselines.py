"""What an edit must beat: doing nothing, and adding the difference of two means."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from flam_pl.editing.wishes import Wish, asked_shares, in_order
from flam_pl.nets.embedder import Embedders


class NoEdit:
    """The plain search: wishes are ignored."""

    name = "no_edit"

    def represent(self, features: Tensor) -> Tensor:
        return features

    def edit(self, features: Tensor, wishes: Sequence[Wish]) -> Tensor:
        return features


class Arithmetic:
    """x - mean(old class) + mean(new class), as with word vectors.

    The old class is what the embedders take the query for: a shop does not know the labels of a
    photo that a shopper sends.
    """

    def __init__(self, embedders: Embedders, times: float = 1.0, name: str = "arithmetic") -> None:
        """Args:
        times: how often the difference is added.
        """
        self.embedders, self.schema = embedders, embedders.schema
        self.times, self.name = times, name

    def represent(self, features: Tensor) -> Tensor:
        return features

    def edit(self, features: Tensor, wishes: Sequence[Wish]) -> Tensor:
        """The differences of several wishes add up, each as long as its strength says; a mix (or
        what an example is taken for) has the weighted mean of its classes' means."""
        edited, old = features, self.embedders.classify(self.embedders(features))
        for wish in in_order(wishes, self.schema):
            t = self.schema.types.index(wish.attribute_type)
            means = self.embedders.of(wish.attribute_type).class_means
            new = asked_shares(wish, self.embedders, means) @ means
            edited = edited + self.times * wish.strength * (new - means[old[:, t]])
        return edited
