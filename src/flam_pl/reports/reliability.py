"""Whether what a search says of itself comes true: figures of it, and the reliability diagram."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from torchmetrics.functional.classification import binary_auroc, binary_calibration_error

from flam_pl.evaluation.outcomes import Outcomes
from flam_pl.metrics.bootstrap import Estimate, bootstrap
from flam_pl.reports.pictures import save
from flam_pl.reports.tables import CALIBRATION
from flam_pl.retrieval.confidence import Calibration
from flam_pl.retrieval.posteriors import KINDS

BINS = 15
"""Of equal width, from 0 to 1; of the diagram and of the expected calibration error."""

FEWEST = 30
"""Of fewer, a share is mostly chance."""


def measure_confidence(
    sureness: Calibration, outcomes: Outcomes, resamples: int, seed: int
) -> dict[str, Any]:
    """What the metrics hold of it.

    Args:
        outcomes: of the evaluation images; ``sureness`` was fitted on others.

    Returns:
        Of each of ``KINDS`` the figures of ``measure_probabilities``, with "raw" the same of the
        embedders' own probabilities. Beside them of "answer": AUROC; "told_rightly", the share of
        the edits without an answer that are told so; "told_wrongly", that of the edits with one;
        "threshold", below which an edit is told so.
    """
    probabilities = sureness.probabilities(outcomes.raw)
    found: dict[str, Any] = {}
    for kind in KINDS:
        true, raw = outcomes.true[kind], outcomes.raw[kind]
        given = (true, outcomes.item, resamples, seed)
        found[kind] = measure_probabilities(probabilities[kind], *given)
        found[kind]["raw"] = measure_probabilities(raw, *given)
    answer, p = outcomes.true["answer"], probabilities["answer"]
    told, both = p < sureness.threshold, answer.any() and not answer.all()
    auroc = float(binary_auroc(*as_tensors(p, answer))) if both else float("nan")
    found["answer"] |= {
        "AUROC": alone(auroc, len(p) if both else 0),
        "told_rightly": share(told, ~answer, outcomes.item, resamples, seed),
        "told_wrongly": share(told, answer, outcomes.item, resamples, seed),
        "threshold": sureness.threshold,
    }
    return found


def measure_probabilities(
    p: np.ndarray, true: np.ndarray, item: np.ndarray, resamples: int, seed: int
) -> dict[str, Any]:
    """How well probabilities keep what they promise.

    Args:
        p, true: of each search, or of each result of each search, ``(E, ...)``.
        item: number of the item of each search's query, ``(E,)``.

    Returns:
        "ECE", the expected calibration error over ``BINS`` bins (Naeini et al., AAAI 2015; Guo et
        al., ICML 2017); "Brier", the mean squared error, with its interval; "observed", the share
        that came true; "bins", as ``bins``.
    """
    of_result = np.broadcast_to(item.reshape(-1, *[1] * (p.ndim - 1)), p.shape).ravel()
    flat, came = p.ravel(), true.ravel()
    error = binary_calibration_error(*as_tensors(flat, came), n_bins=BINS, norm="l1")
    whole = np.ones(len(flat), dtype=bool)
    return {
        "ECE": alone(float(error), len(flat)),
        "Brier": share((flat - came) ** 2, whole, of_result, resamples, seed),
        "observed": share(came, whole, of_result, resamples, seed),
        "bins": bins(flat, came),
    }


def as_tensors(p: np.ndarray, true: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """As torchmetrics wants them."""
    return torch.from_numpy(p), torch.from_numpy(true).long()


def share(
    hits: np.ndarray, counted: np.ndarray, item: np.ndarray, resamples: int, seed: int
) -> dict[str, Any]:
    """Mean of the hits that are counted, its interval resampled by item; all ``(M,)``."""
    items = int(item.max()) + 1
    found = bootstrap(
        np.bincount(item, weights=hits * counted, minlength=items),
        np.bincount(item, weights=counted, minlength=items),
        resamples=resamples,
        seed=seed,
    )
    return found.to_dict()


def alone(value: float, n: int) -> dict[str, Any]:
    """A figure that is no share, and has no interval."""
    return Estimate(value, float("nan"), float("nan"), n).to_dict()


def bins(p: np.ndarray, true: np.ndarray) -> list[dict[str, float | None]]:
    """Of each of ``BINS``: mean probability and share that came true (None where it holds none),
    and count."""
    number = np.minimum((p * BINS).astype(int), BINS - 1)
    inside = [number == b for b in range(BINS)]
    return [
        {
            "predicted": float(p[of].mean()) if of.any() else None,
            "observed": float(true[of].mean()) if of.any() else None,
            "n": int(of.sum()),
        }
        for of in inside
    ]


def draw_reliability(path: Path, calibration: Mapping[str, Any]) -> None:
    """The reliability diagram (DeGroot and Fienberg, 1983): a panel each of ``KINDS``, below it how
    many probabilities fell into each bin. A bin of fewer than ``FEWEST`` has no point above.

    Args:
        calibration: as ``measure_confidence`` gave it.
    """
    figure, axes = plt.subplots(
        2, len(KINDS), figsize=(12, 5.2), sharex=True, gridspec_kw={"height_ratios": [3, 1]}
    )
    for (above, below), kind in zip(axes.T, KINDS, strict=True):
        above.plot([0, 1], [0, 1], color="grey", ls=":", lw=1)
        for of, color, label in (
            (calibration[kind]["raw"], "#aaaaaa", "embedders alone"),
            (calibration[kind], "#2166ac", "set right on validation"),
        ):
            shown = [b for b in of["bins"] if b["n"] >= FEWEST]
            predicted, observed = ([b[name] for b in shown] for name in ("predicted", "observed"))
            text = f"{label}: ECE {of['ECE']['value']:.3f}"
            above.plot(predicted, observed, "o-", color=color, lw=1.4, ms=4, label=text)
        counts = [b["n"] for b in calibration[kind]["bins"]]
        middles = (np.arange(len(counts)) + 0.5) / len(counts)
        below.bar(middles, counts, width=0.9 / len(counts), color="#2166ac")
        below.set_yscale("log")
        below.set_ylim(bottom=1)
        above.set_title(CALIBRATION[kind], fontsize=10)
        above.legend(fontsize=8, loc="upper left", frameon=False)
        below.set_xlabel("predicted")
    axes[0, 0].set_ylabel("observed share")
    axes[1, 0].set_ylabel("count")
    figure.tight_layout()
    save(figure, path)
