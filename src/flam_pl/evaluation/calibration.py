"""Calibration: how well the probabilities of an edited search agree with the labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torchmetrics.functional.classification import binary_auroc, binary_calibration_error

from flam_pl.editing.targets import wanted_probabilities
from flam_pl.evaluation.searches import EvaluationSet, Progress, edit_to, search_edits
from flam_pl.metrics.bootstrap import Draws, Estimate, bootstraps
from flam_pl.retrieval.confidence import Calibration
from flam_pl.retrieval.posteriors import KINDS, Posteriors, raw_probabilities
from flam_pl.retrieval.vectors import SearchVectors

BINS = 15  # of equal width, from 0 to 1; of the diagram and of the expected calibration error
DEPTH = 20  # results of each search that are looked at


@dataclass(frozen=True)
class Outcomes:
    """Predictions and truth per event (``KINDS``), a row per search."""

    raw: Mapping[str, np.ndarray]  # uncalibrated probabilities
    true: Mapping[str, np.ndarray]  # whether the events happened, bool
    item: np.ndarray  # code of the query's item, which is resampled as one, (E,)

    @classmethod
    @torch.inference_mode()
    def of(
        cls,
        vectors: SearchVectors,
        posteriors: Posteriors,
        data: EvaluationSet,
        progress: Progress = lambda edits: edits,
    ) -> Outcomes:
        """Search with every edit among the fully labelled photos."""
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
            events = search.matches[..., search.t], search.hits, answer
            true = {kind: of.cpu().numpy() for kind, of in zip(KINDS, events, strict=True)}
            raw = {kind: of.cpu().numpy() for kind, of in seen.items()}
            parts.append((raw, true, items[search.numbers]))
        *both, item = zip(*(parts or [(nothing, nothing, items[:0])]), strict=True)
        raw, true = ({k: np.concatenate([of[k] for of in each]) for k in KINDS} for each in both)
        return cls(raw, true, np.concatenate(item))


def measure_calibration(
    calibration: Calibration, outcomes: Outcomes, draws: Draws
) -> dict[str, Any]:
    """Event (``KINDS``) -> "raw" or "calibrated" -> ``measure_probabilities``.

    A search warns if an answer's probability is below a threshold. "detection_rate": share of
    warnings among edits without an answer; "false_alarm_rate": among edits with one.
    """
    item = outcomes.item
    by_kind = {"raw": outcomes.raw, "calibrated": calibration.probabilities(outcomes.raw)}
    found: dict[str, Any] = {event: {} for event in KINDS}
    for event in KINDS:
        for kind, of in by_kind.items():
            each = of[event], outcomes.true[event], item
            found[event][kind] = measure_probabilities(*each, draws)
    answer, p = outcomes.true["answer"], by_kind["calibrated"]["answer"]
    warned, both = p < calibration.threshold, answer.any() and not answer.all()
    auroc = float(binary_auroc(*as_tensors(p, answer))) if both else float("nan")
    found["answer"]["calibrated"] |= {
        "AUROC": Estimate(auroc, n=len(p) if both else 0).to_dict(),
        "detection_rate": share(warned, ~answer, item, draws),
        "false_alarm_rate": share(warned, answer, item, draws),
        "threshold": calibration.threshold,
    }
    return found


def measure_probabilities(
    p: np.ndarray, true: np.ndarray, item: np.ndarray, draws: Draws
) -> dict[str, Any]:
    """ "ECE" (expected calibration error; Naeini et al., AAAI 2015), "Brier" (mean squared error),
    "observed" (share that came true) and "bins"; ``p`` and ``true`` ``(E, ...)``, ``item (E,)``."""
    of_result = np.broadcast_to(item.reshape(-1, *[1] * (p.ndim - 1)), p.shape).ravel()
    flat, came = p.ravel(), true.ravel()
    error = binary_calibration_error(*as_tensors(flat, came), n_bins=BINS, norm="l1")
    whole = np.ones(len(flat), dtype=bool)
    return {
        "ECE": Estimate(float(error), n=len(flat)).to_dict(),
        "Brier": share((flat - came) ** 2, whole, of_result, draws),
        "observed": share(came, whole, of_result, draws),
        "bins": bins(flat, came),
    }


def as_tensors(p: np.ndarray, true: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(p), torch.from_numpy(true).long()


def share(hits: np.ndarray, counted: np.ndarray, item: np.ndarray, draws: Draws) -> dict[str, Any]:
    """Mean of ``hits`` where ``counted``, resampled by item; all ``(M,)``."""
    sums, counts = (np.bincount(item, weights=of) for of in (hits * counted, counted))
    each = sums[:, None], counts, ["share"], np.arange(len(sums))
    return bootstraps(*each, draws)["share"].to_dict()


def bins(p: np.ndarray, true: np.ndarray) -> list[dict[str, float | None]]:
    """Per bin: mean probability and observed share (None if empty), and count."""
    number = np.minimum((p * BINS).astype(int), BINS - 1)

    def mean(of: np.ndarray) -> float | None:
        return float(of.mean()) if len(of) else None

    inside = [number == b for b in range(BINS)]
    return [
        {"predicted": mean(p[of]), "observed": mean(true[of]), "n": int(of.sum())} for of in inside
    ]
