"""What a search would be that knew the labels: all that has the wanted combination comes first.

An edit that finds what was asked for leaves the query's neighbourhood, and with it some of what
nobody asked to change. How much it leaves at best, by the likeness of the stored features, is seen
here, not at a search that stays where it is. No bound of its own: a list of one hit and of the
query's neighbours keeps more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from flam_pl.editing.baselines import NoEdit
from flam_pl.editing.searches import EvaluationSet, Searcher
from flam_pl.editing.wishes import Wish

NEAREST, ANY = "labels_known", "labels_known_any"
"""Rows of the tables: of the images with the wanted combination those most like the query first, or
whichever."""

CHUNK = 1024
"""Queries compared with the gallery at once: memory does not grow with their number."""


class KnownLabels(Searcher):
    """Every image that has exactly the wanted combination, then all others."""

    @torch.inference_mode()
    def __init__(self, data: EvaluationSet, depth: int, seed: int | None = None) -> None:
        """Args:
        seed: of an order at random; None: by the cosine of the stored features to the query.
        """
        super().__init__(NoEdit(), data, depth)
        self.chance = None if seed is None else np.random.default_rng(seed)

    @torch.inference_mode()
    def __call__(
        self, numbers: np.ndarray, wishes: Sequence[Wish]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As a ``Searcher``; one wish, for a class.

        Raises:
            ValueError: other wishes.
        """
        if len(wishes) != 1 or not isinstance(wishes[0].wanted, str):
            raise ValueError(f"got the wishes {list(map(str, wishes))}; expected one for one class")
        wanted, _ = self.data.wish(wishes[0].attribute_type, wishes[0].wanted)
        parts = [
            self._first(part, wanted[part])
            for part in np.split(numbers, range(CHUNK, len(numbers), CHUNK))
        ]
        found, cosines = (torch.cat(of_parts) for of_parts in zip(*parts, strict=True))
        return found, cosines, torch.ones(len(numbers), device=cosines.device)

    def _first(self, numbers: np.ndarray, wanted: np.ndarray) -> tuple[Tensor, Tensor]:
        """Results of some queries and their cosines, ``(E, depth)``, each with its wanted
        combination ``(E,)``."""
        has = self.data.combinations == wanted[:, None]
        positions = torch.from_numpy(self.data.queries[numbers]).to(self.gallery.device)
        cosines = self.gallery[positions] @ self.gallery.T
        order = cosines
        if self.chance is not None:
            order = torch.from_numpy(self.chance.random(cosines.shape, np.float32)).to(cosines)
        # further apart than two cosines can be
        order = order + 3 * torch.from_numpy(has).to(cosines)
        order[torch.arange(len(order)), positions] = -torch.inf
        found = order.topk(min(self.depth, self.searched), dim=1).indices
        return found, cosines.gather(1, found)
