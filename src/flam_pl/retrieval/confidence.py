"""Probabilities that an edited search found what was wanted.

Posteriors of the first results are too high: they decided which results come first. Platt scaling
(Platt, 1999) on the validation split corrects them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from flam_pl.atomic_io import write_text
from flam_pl.config.saved_files import read_json, sealed
from flam_pl.editing.edits import Edit, in_order
from flam_pl.editing.targets import wanted_probabilities
from flam_pl.retrieval.answers import sentence
from flam_pl.retrieval.chosen_weights import REMEDY
from flam_pl.retrieval.posteriors import KINDS, LEAST, Posteriors, raw_probabilities

FILE = "calibration.json"  # in the run's folder
FALSE_ALARMS = 0.1  # share of validation searches with an answer that fall below the threshold


@dataclass(frozen=True)
class Platt:
    """Platt scaling of a raw probability: logit(p) = slope * logit(raw) + intercept.

    >>> Platt(slope=1.0, intercept=0.0)(np.array([0.25])).round(6)
    array([0.25])
    """

    slope: float
    intercept: float

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        return expit(self.slope * bounded_logit(raw) + self.intercept)

    @classmethod
    def fit(cls, raw: np.ndarray, true: np.ndarray) -> Platt:
        """Fit to bool events ``true``, with an L2 penalty on the slope; the identity if all or none
        are true."""
        if true.all() or not true.any():
            return cls(1.0, 0.0)
        model = LogisticRegression().fit(bounded_logit(raw).reshape(-1, 1), true.ravel())
        return cls(float(model.coef_[0, 0]), float(model.intercept_[0]))


def bounded_logit(p: np.ndarray) -> np.ndarray:
    return logit(np.clip(np.asarray(p, dtype=np.float64), LEAST, 1 - LEAST))


@dataclass(frozen=True)
class Calibration:
    """Platt scaling of each event of ``KINDS``."""

    attribute: Platt
    combination: Platt
    answer: Platt
    threshold: float  # an answer less likely than this counts as none
    checkpoint: str  # SHA-256 of what the probabilities were measured with

    @classmethod
    def fit(
        cls, raw: Mapping[str, np.ndarray], true: Mapping[str, np.ndarray], checkpoint: str
    ) -> Calibration:
        fitted = {kind: Platt.fit(raw[kind], true[kind]) for kind in KINDS}
        answered = fitted["answer"](raw["answer"])[true["answer"]]
        threshold = np.quantile(answered, FALSE_ALARMS) if len(answered) else 0.0
        return cls(**fitted, threshold=float(threshold), checkpoint=checkpoint)

    def probabilities(self, raw: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {kind: getattr(self, kind)(raw[kind]) for kind in KINDS}

    def save(self, folder: Path) -> None:
        write_text(folder / FILE, sealed(asdict(self)))

    @classmethod
    def load(cls, folder: Path, checkpoint: str) -> Calibration | None:
        """The stored one; None without a file or for another checkpoint. Raises DamagedFile."""
        if not (folder / FILE).is_file():
            return None
        found: Calibration = read_json(folder / FILE, cls, REMEDY)
        return found if found.checkpoint == checkpoint else None


@dataclass(frozen=True)
class Confidence:
    """Calibrated probabilities of ``KINDS``, ``(Q, N)`` or ``(Q,)``; a ``sentence`` per query."""

    attribute: np.ndarray
    combination: np.ndarray
    answer: np.ndarray
    texts: list[str]


class ConfidenceEstimator:
    """Estimates the confidence of searches among stored features ``(G, D)``."""

    def __init__(self, calibration: Calibration, posteriors: Posteriors, features: Tensor) -> None:
        self.calibration, self.posteriors = calibration, posteriors
        with torch.inference_mode():
            self._gallery = posteriors.read(features)

    @torch.inference_mode()
    def of(
        self, features: Tensor, edits: Sequence[Edit], found: Tensor, exclude: Tensor | None = None
    ) -> Confidence:
        """The confidence in results ``found (Q, N)`` of features ``(Q, D)`` with the same edits;
        ``exclude`` as for ``raw_probabilities``."""
        schema, device = self.posteriors.schema, self._gallery[0].device
        target = wanted_probabilities(self.posteriors.read(features), edits, self.posteriors)
        types = [schema.types.index(edit.attribute_type) for edit in in_order(edits, schema)]
        raw = raw_probabilities(target, self._gallery, found.to(device), types, exclude)
        calibrated = self.calibration.probabilities({k: p.cpu().numpy() for k, p in raw.items()})
        best = torch.stack([of.argmax(dim=1) for of in target], dim=1).tolist()
        named = [zip(schema.classes.values(), row, strict=True) for row in best]
        wanted = [" ".join(of[c] for of, c in pairs) for pairs in named]
        likely = zip(wanted, calibrated["answer"].tolist(), strict=True)
        texts = [sentence(*each, self.calibration.threshold) for each in likely]
        return Confidence(**calibrated, texts=texts)
