"""P@k and what stands with it: does a result do what the edit asks, and is it worth having?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from flam_pl.evaluation.searches import EditedSearch, EvaluationSet
from flam_pl.metrics.bootstrap import Estimate, bootstraps
from flam_pl.metrics.dcg import dcg_at, ideal_dcg_at

CHUNK = 1024
"""Queries compared with the whole gallery at once."""

PER_KEPT = 4.0
"""Factor by which each other attribute that a result keeps raises its worth."""


def worth(wanted: Tensor, kept: Tensor, others: int) -> Tensor:
    """What a result is worth: nothing without the wanted class, else
    ``PER_KEPT ** (kept - others)``.

    Args:
        wanted: whether the result has the wanted class, bool of any shape.
        kept: in how many of the other types the result has the query's class, of the same shape.
        others: how many other types there are.
    """
    return wanted * PER_KEPT ** (kept.double() - others)


class Precision:
    """Sums, for one method, of every edit and every k among the first k results:

    - P@k: the share that has the wanted class;
    - as_it_was@k: the share that has exactly the query's own combination;
    - worth@k: discounted worth (``worth``) of the results, divided by that of the best order there
      is. It is the objective that the weights of the scoring are chosen by.
    """

    NAMES = ("P", "as_it_was", "worth")

    def __init__(
        self, data: EvaluationSet, ks: Sequence[int], like: Precision | None = None
    ) -> None:
        """Args:
        ks: cut-offs; one larger than the gallery asks for all of it.
        like: another method's on the same data and cut-offs, whose ideal orders are shared.
        """
        self.ideals: dict[tuple[int, int], Tensor] = like.ideals if like else {}
        self.data, self.ks = data, tuple(ks)
        device = data.features.device
        self.labels = torch.from_numpy(data.labels).to(device)
        self.codes = torch.from_numpy(data.combinations).to(device)
        self.queries = torch.from_numpy(data.queries).to(device)
        shape = (len(data.queries), len(self.NAMES), len(ks))
        self.sums = {name: np.zeros(shape) for name in data.schema.types}
        self.counts = {name: np.zeros(len(data.queries)) for name in data.schema.types}

    def add(self, search: EditedSearch) -> None:
        """Count what one edit found."""
        schema, device = self.data.schema, search.found.device
        t = schema.types.index(search.target_type)
        c = schema.index(search.target_type, search.target_class)
        asking = self.queries[torch.from_numpy(search.numbers).to(device)]
        wanted, kept = self.matches(self.labels[search.found], asking, t, c)
        as_it_was = self.codes[search.found] == self.codes[asking][:, None]
        gains = worth(wanted, kept, len(schema.types) - 1)
        if (t, c) not in self.ideals:
            self.ideals[t, c] = self.ideal(self.queries, t, c).clamp_min(1e-12)
        ideal = self.ideals[t, c][torch.from_numpy(search.numbers).to(device)]
        dcg = dcg_at(gains, self.ks) / ideal
        counted = torch.stack([self.share(wanted), self.share(as_it_was), dcg], dim=1)
        self.sums[search.target_type][search.numbers] += counted.cpu().numpy()
        self.counts[search.target_type][search.numbers] += 1

    def matches(self, labels: Tensor, asking: Tensor, t: int, c: int) -> tuple[Tensor, Tensor]:
        """Whether results have the wanted class, and how many other types are the query's.

        Args:
            labels: of the results, ``(E, N, types)``.
            asking: gallery position of each query, ``(E,)``.
        """
        same = labels == self.labels[asking][:, None]
        same[..., t] = False
        return labels[..., t] == c, same.sum(dim=-1)

    def share(self, is_so: Tensor) -> Tensor:
        """Of the first k, ``(E, N)`` bool -> ``(E, len(ks))``."""
        ks = [min(k, is_so.shape[1]) for k in self.ks]
        so_far = is_so.double().cumsum(dim=1)[:, [k - 1 for k in ks]]
        return so_far / torch.tensor(ks, device=is_so.device)

    def ideal(self, asking: Tensor, t: int, c: int) -> Tensor:
        """Discounted worth of the best order of the gallery, ``(E, len(ks))``."""
        others = len(self.data.schema.types) - 1
        levels = worth(torch.ones(others + 1), torch.arange(others + 1), others)
        parts = []
        right = self.labels[self.labels[:, t] == c]  # the query itself is none of them
        for part in torch.split(asking, CHUNK):
            _, kept = self.matches(right[None], part, t, c)
            counts = torch.stack([(kept == level).sum(dim=1) for level in range(others + 1)], dim=1)
            parts.append(ideal_dcg_at(counts, levels.to(counts.device), self.ks))
        return torch.cat(parts)

    def mean(self, name: str, k: int) -> float:
        """One figure over all edits, without an interval; 0 where there is none."""
        position, at = self.NAMES.index(name), self.ks.index(k)
        total = sum(float(of[:, position, at].sum()) for of in self.sums.values())
        return total / max(1.0, sum(float(of.sum()) for of in self.counts.values()))

    @property
    def names(self) -> list[str]:
        """Of the figures: "P@k", "as_it_was@k", "worth@k", for each k."""
        return [f"{name}@{k}" for name in self.NAMES for k in self.ks]

    def all_sums(self) -> np.ndarray:
        """What each query adds to each figure over all its edits, ``(Q, figures)``."""
        return np.sum(list(self.sums.values()), axis=0).reshape(len(self.queries), -1)

    def figures(self, resamples: int, seed: int) -> dict[str, dict[str, Estimate]]:
        """Group (all edits, and each type) -> ``names``, with intervals resampled by item."""
        names = self.names
        sums = {"all": sum(self.sums.values()), **self.sums}
        counts = {"all": sum(self.counts.values()), **self.counts}
        return {
            group: bootstraps(
                np.asarray(of).reshape(len(self.queries), len(names)),
                np.asarray(counts[group]),
                names,
                resamples=resamples,
                seed=seed,
                items=self.data.query_items,
            )
            for group, of in sums.items()
        }
