"""Predicted and true events of edited searches, to fit and judge a calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from flam_pl.editing.edits import wanted_probabilities
from flam_pl.evaluation.searches import EvaluationSet, Progress, edit_to, search_edits
from flam_pl.retrieval.posteriors import KINDS, Posteriors, raw_probabilities
from flam_pl.retrieval.vectors import SearchVectors

DEPTH = 20  # results of each search that are looked at


@dataclass(frozen=True)
class Outcomes:
    """Per kind (``KINDS``) what was predicted and what was true, a row per search."""

    raw: Mapping[str, np.ndarray]  # uncalibrated probabilities
    true: Mapping[str, np.ndarray]  # whether the events happened, bool
    item: np.ndarray  # number of the query's item, which is resampled as one, (E,)

    @classmethod
    @torch.inference_mode()
    def of(
        cls,
        vectors: SearchVectors,
        posteriors: Posteriors,
        data: EvaluationSet,
        progress: Progress = lambda edits: edits,
    ) -> Outcomes:
        """Search with every edit among the fully labelled photos: only labels tell what is true."""
        data = data.fully_labelled()
        gallery = posteriors.read(data.features)
        _, items = np.unique(data.query_items, return_inverse=True)
        nothing = {kind: np.zeros(0, bool) for kind in KINDS}
        parts: list[Any] = []
        for search in search_edits(vectors, data, DEPTH, impossible=True, progress=progress):
            rows = torch.from_numpy(data.queries[search.numbers]).to(data.features.device)
            own, edit = [of[rows] for of in gallery], edit_to(data.schema, search.t, search.c)
            target = wanted_probabilities(own, [edit], posteriors)
            seen = raw_probabilities(target, gallery, search.found, [search.t], exclude=rows)
            answer = torch.from_numpy(data.has_hit(search.wanted))
            events = search.matches[..., search.t], data.hits(search.found, search.wanted), answer
            true = {kind: of.cpu().numpy() for kind, of in zip(KINDS, events, strict=True)}
            raw = {kind: of.cpu().numpy() for kind, of in seen.items()}
            parts.append((raw, true, items[search.numbers]))
        *both, item = zip(*(parts or [(nothing, nothing, items[:0])]), strict=True)
        raw, true = ({k: np.concatenate([of[k] for of in each]) for k in KINDS} for each in both)
        return cls(raw, true, np.concatenate(item))
